// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace banyan::moe::gate {

/// What turns scores into weights; values are those of banyan_gate_activation.
enum class Activation { kSoftmax = 0, kSoftmaxOfChosen = 1, kSigmoid = 2, kIdentity = 3 };

/// Error{INVALID_ARGUMENT} that names `field` where `value` is none.
[[nodiscard]] Activation activation_of(int value, const char* field);

/// Softmax in place, in double; what is far below the largest becomes 0.
void softmax(std::span<double> values);

/// 1 / (1 + exp(-x)) without overflow.
[[nodiscard]] double sigmoid(double x);

/// Weights of a whole row; kSoftmaxOfChosen is the softmax of all here.
[[nodiscard]] std::vector<double> activated(std::span<const float> row, Activation activation);

}  // namespace banyan::moe::gate
