// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/activation.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"

namespace banyan::moe::gate {

Activation activation_of(int value, const char* field) {
  if (value < 0 || value > static_cast<int>(Activation::kIdentity)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(field) + " is " + std::to_string(value) +
                                                 ", must be BANYAN_GATE_SOFTMAX, SOFTMAX_OF_CHOSEN, SIGMOID or "
                                                 "IDENTITY");
  }
  return static_cast<Activation>(value);
}

void softmax(std::span<double> values) {
  if (values.empty()) {
    return;
  }
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (double& value : values) {
    value = std::exp(value - largest);
    sum += value;
  }
  for (double& value : values) {
    value /= sum;
  }
}

double sigmoid(double x) {
  if (x >= 0) {
    return 1 / (1 + std::exp(-x));
  }
  const double power = std::exp(x);
  return power / (1 + power);
}

std::vector<double> activated(std::span<const float> row, Activation activation) {
  std::vector<double> weights(row.begin(), row.end());
  if (activation == Activation::kSigmoid) {
    std::transform(weights.begin(), weights.end(), weights.begin(), sigmoid);
  } else if (activation != Activation::kIdentity) {
    softmax(weights);
  }
  return weights;
}

}  // namespace banyan::moe::gate
