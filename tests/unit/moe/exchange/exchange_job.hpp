// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moe/exchange/group.hpp"
#include "moe/exchange/handle.hpp"
#include "moe/exchange/mover.hpp"
#include "moe/exchange/moves.hpp"
#include "rank_threads.hpp"

namespace banyan::moe::testing {

/// What one job of ranks as threads does. Token rows, gates and experts follow from numbers alone.
struct Job {
  banyan::testing::HostList hosts;
  std::vector<size_t> tokens;  ///< by rank
  int num_experts = 0;
  std::vector<int> expert_offsets, expert_ranks;  ///< empty: blocks
  int top_k = 1;
  size_t hidden = 8;
  device::Dtype dtype = device::Dtype::kFp32;
  size_t scale_bytes = 0;
  bool weighted = true;
  Dedup dedup = Dedup::kNode;
  LayoutKind layout = LayoutKind::kExpertMajor;
  size_t alignment = 1;
  size_t capacity = 0;
  bool capacity_is_most = false;
  double capacity_factor = 0;
  CapacityScope scope = CapacityScope::kPerRank;
  DropPolicy drop = DropPolicy::kPosition;
  size_t num_chunks = 1;
  size_t num_parts = 0;
  size_t max_tokens = 0;  ///< of the group; 0: those of the rank with the most
  size_t note_bytes = 0;
  bool deterministic = false;
  bool fp32_partials = false;
  bool drop_invalid = false;
  bool progress_thread = false;
  bool overlap = false;                 ///< all chunks under way at once
  double absent = 0;                    ///< share of choices that are -1
  std::vector<std::vector<int>> racks;  ///< hosts of each; empty: none
  uint64_t seed = 1;
  comm::Settings settings;

  [[nodiscard]] size_t size() const { return tokens.size(); }
  [[nodiscard]] size_t most_tokens() const;
  [[nodiscard]] GroupTerms terms() const;
  [[nodiscard]] std::string text() const;
};

/// The gate's output of a rank, distinct experts for each token.
struct Gate {
  std::vector<int64_t> topk_idx;
  std::vector<float> topk_weights;
};
[[nodiscard]] Gate gate_of(const Job& job, size_t rank);

/// Token rows of a rank as values that the dtype holds exactly, and stored.
[[nodiscard]] std::vector<float> token_values(const Job& job, size_t rank);
[[nodiscard]] std::vector<std::byte> stored(device::Dtype dtype, const std::vector<float>& values);
[[nodiscard]] std::vector<float> loaded(device::Dtype dtype, const std::byte* data, size_t count);

/// What expert `expert` makes of a value.
[[nodiscard]] float expert_value(int expert, float value);

/// A rank's results.
struct Outcome {
  std::vector<std::byte> combined;  ///< [tokens, hidden]
  uint64_t dropped = 0;
  uint64_t invalid = 0;
};

/// Makes the racks known to a rank of the job, as a profile that inferred them does. Collective.
void set_racks(coll::Engine& engine, const Job& job);

/// Runs jobs of equal hosts, racks and settings one after the other: routing, dispatch, experts and combine on all
/// ranks, [jobs][ranks]; `*complaints` lists what was not as it must be on the way.
[[nodiscard]] std::vector<std::vector<Outcome>> run(const std::vector<Job>& jobs, std::string* complaints);

/// The combined rows of a rank by definition, in fp64.
[[nodiscard]] std::vector<double> expected(const Job& job, size_t rank);

/// Complaints about combined rows that are further from the definition than the roundings on their way allow.
[[nodiscard]] std::string compare(const Job& job, const std::vector<Outcome>& outcomes);

}  // namespace banyan::moe::testing
