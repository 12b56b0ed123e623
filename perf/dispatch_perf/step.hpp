// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace banyan::perf {

/// A Mixture-of-Experts layer as a benchmark sees it. Rows are bf16.
struct Layer {
  int num_experts = 64;  ///< in blocks, by rank; the first ranks hold one more
  int top_k = 8;
  size_t hidden = 2048;
  size_t tokens = 512;  ///< of each rank
  double zipf = 0;      ///< exponent of the experts' popularity; 0: uniform
  uint64_t seed = 1;

  [[nodiscard]] size_t row_bytes() const { return 2 * hidden; }
};

/// The rank of an expert, and its number there.
[[nodiscard]] int rank_of_expert(const Layer& layer, int num_ranks, int expert);
[[nodiscard]] std::vector<int> experts_of_rank(const Layer& layer, int num_ranks, int rank);

/// The gate's output of a rank: distinct experts for each token, weights that add up to 1. [tokens, top_k].
struct GateOutput {
  std::vector<int64_t> topk_idx;
  std::vector<float> topk_weights;
};
[[nodiscard]] GateOutput gate_of(const Layer& layer, int rank);

[[nodiscard]] uint16_t to_bf16(float value);
[[nodiscard]] float from_bf16(uint16_t value);

/// The tokens of a rank, [tokens, hidden], of few significant bits.
[[nodiscard]] std::vector<uint16_t> tokens_of(const Layer& layer, int rank);
/// What an expert makes of its rows, in place: times 1, 2 or 4, which rounds nothing.
void run_expert(int expert, uint16_t* rows, size_t count);
/// Elements of `combined`, [tokens, hidden], that are further from the definition than four roundings to bf16 allow.
[[nodiscard]] uint64_t count_wrong(const Layer& layer, int rank, const std::vector<uint16_t>& combined);

/// Rows that must leave and enter a host at least, all its ranks together: a token's row once for each other host with
/// one of its experts (gpu-peers.md, section 4). Combine has the same, the other way round.
struct HostRows {
  uint64_t out = 0;
  uint64_t in = 0;
};
/// By host; host_of: [num_ranks].
[[nodiscard]] std::vector<HostRows> least_rows(const Layer& layer, const std::vector<int>& host_of);

}  // namespace banyan::perf
