// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>

#include "exchange_job.hpp"

namespace banyan::moe::testing {

Gate gate_of(const Job& job, size_t rank) {
  std::mt19937_64 random(job.seed * 1000 + rank);
  Gate gate;
  std::vector<int64_t> experts(static_cast<size_t>(job.num_experts));
  for (size_t e = 0; e < experts.size(); ++e) {
    experts[e] = static_cast<int64_t>(e);
  }
  std::uniform_real_distribution<double> uniform;
  for (size_t token = 0; token < job.tokens[rank]; ++token) {
    std::shuffle(experts.begin(), experts.end(), random);
    for (int slot = 0; slot < job.top_k; ++slot) {
      gate.topk_idx.push_back(uniform(random) < job.absent ? -1 : experts[static_cast<size_t>(slot)]);
      gate.topk_weights.push_back(static_cast<float>(uniform(random)));
    }
  }
  return gate;
}

std::vector<float> token_values(const Job& job, size_t rank) {
  std::vector<float> values(job.tokens[rank] * job.hidden);
  for (size_t at = 0; at < values.size(); ++at) {  // at most 8 significant bits
    values[at] = static_cast<float>((at * 7 + rank * 31 + at / job.hidden * 13) % 127) / 16 - 4;
  }
  return values;
}

std::vector<std::byte> stored(device::Dtype dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * device::element_bytes(dtype));
  device::store(dtype, values, bytes.data());
  return bytes;
}

std::vector<float> loaded(device::Dtype dtype, const std::byte* data, size_t count) {
  std::vector<float> values(count, 0.0F);
  device::add_scaled(dtype, data, 1, values);
  return values;
}

float expert_value(int expert, float value) { return value * static_cast<float>(1 + expert % 5) / 4 + 1; }

}  // namespace banyan::moe::testing
