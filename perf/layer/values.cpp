// SPDX-License-Identifier: Apache-2.0
#include "layer/values.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "device/rows.hpp"
#include "layer/gate.hpp"

namespace banyan::perf {
namespace {

float token_value(int rank, size_t at) {
  return static_cast<float>((at * 7 + static_cast<size_t>(rank) * 31) % 61) / 8 - 3;
}

float factor_of(int expert) { return static_cast<float>(1 << (expert % 3)); }

device::Dtype device_dtype(const Layer& layer) {
  switch (layer.dtype_code) {
    case BANYAN_DTYPE_FP32:
      return device::Dtype::kFp32;
    case BANYAN_DTYPE_FP16:
      return device::Dtype::kFp16;
    default:
      return device::Dtype::kBf16;
  }
}

/// By the definitions of the formats, not by the library's code, which is what is checked.
double decode(const Layer& layer, const std::byte* element) {
  if (layer.dtype_code == BANYAN_DTYPE_FP32) {
    float value = 0;
    std::memcpy(&value, element, sizeof value);
    return static_cast<double>(value);
  }
  uint16_t bits = 0;
  std::memcpy(&bits, element, sizeof bits);
  if (layer.dtype_code == BANYAN_DTYPE_BF16) {
    return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
  }
  const int exponent = (bits >> 10) & 0x1F;
  const int fraction = bits & 0x3FF;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return exponent == 0 ? sign * std::ldexp(fraction, -24) : sign * std::ldexp(1024 + fraction, exponent - 25);
}

/// Of 24, 11 and 8 significant bits.
double unit_roundoff(const Layer& layer) {
  switch (layer.dtype_code) {
    case BANYAN_DTYPE_FP32:
      return 0x1p-24;
    case BANYAN_DTYPE_FP16:
      return 0x1p-11;
    default:
      return 0x1p-8;
  }
}

}  // namespace

std::vector<std::byte> tokens_of(const Layer& layer, int rank) {
  const size_t num_tokens = layer.tokens_of(rank);
  std::vector<std::byte> tokens(num_tokens * layer.row_bytes());
  std::vector<float> row(layer.hidden);
  for (size_t token = 0; token < num_tokens; ++token) {
    for (size_t i = 0; i < layer.hidden; ++i) {
      row[i] = token_value(rank, token * layer.hidden + i);
    }
    store_row(layer, row, tokens.data() + token * layer.row_bytes());
  }
  return tokens;
}

void run_expert(const Layer& layer, int expert, std::byte* rows, size_t count) {
  std::vector<float> row(layer.hidden);
  for (size_t n = 0; n < count; ++n, rows += layer.row_bytes()) {
    std::fill(row.begin(), row.end(), 0.0F);
    add_row(layer, rows, factor_of(expert), row);
    store_row(layer, row, rows);
  }
}

void add_row(const Layer& layer, const std::byte* row, float weight, std::vector<float>& sum) {
  device::add_scaled(device_dtype(layer), row, weight, sum);
}

void store_row(const Layer& layer, const std::vector<float>& sum, std::byte* row) {
  device::store(device_dtype(layer), sum, row);
}

uint64_t count_wrong(const Layer& layer, int rank, const std::vector<std::byte>& combined, int roundings) {
  const GateOutput gate = gate_of(layer, rank);
  const auto top_k = static_cast<size_t>(layer.top_k);
  const size_t element_bytes = layer.row_bytes() / layer.hidden;
  // k roundings: (1 + u)^k - 1. In fp32 a product and an addition for each term, and the weight itself is given.
  const double tolerance = std::pow(1 + unit_roundoff(layer), roundings) - 1 + 2 * layer.top_k * 0x1p-24;
  uint64_t wrong = 0;
  for (size_t token = 0; token < layer.tokens_of(rank); ++token) {
    double factor = 0;
    for (size_t at = token * top_k; at < (token + 1) * top_k; ++at) {
      factor += static_cast<double>(gate.topk_weights[at]) *
                static_cast<double>(factor_of(static_cast<int>(gate.topk_idx[at])));
    }
    for (size_t at = token * layer.hidden; at < (token + 1) * layer.hidden; ++at) {
      const double value = factor * static_cast<double>(token_value(rank, at));
      const double difference = std::abs(value - decode(layer, combined.data() + at * element_bytes));
      wrong += difference <= tolerance * std::abs(value) ? 0 : 1;
    }
  }
  return wrong;
}

}  // namespace banyan::perf
