// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "moe/exchange/expert_map.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// A choice of a token: an expert on a rank.
struct Pick {
  int rank = 0;
  int local_expert = 0;  ///< of that rank
  int slot = 0;          ///< column of topk_idx
  float weight = 1;
};

/// Which choices stay where more than `capacity` are for one expert.
enum class DropPolicy : uint8_t {
  kPosition,  ///< those of the first tokens; of kGlobal those of the first ranks, of each the first tokens
  kScore,     ///< those of the largest weights, of equal ones the first (batch-prioritised routing)
  kRandom     ///< drawn with a seed
};

/// Whose choices a capacity limits.
enum class CapacityScope : uint8_t {
  kPerRank,  ///< those of each source by itself
  kGlobal    ///< those of all sources together
};

/// What a source does about its gate's output.
struct RoutingRules {
  int top_k = 0;
  size_t max_tokens = 0;
  size_t capacity = 0;            ///< most choices for one expert, of each replica; 0: no limit, or one of the next two
  bool capacity_is_most = false;  ///< as many as the fullest replica of a step has in a chunk: nothing is dropped
  double capacity_factor = 0;     ///< not 0: so many times the mean of the step (step_capacity)
  CapacityScope scope = CapacityScope::kPerRank;
  DropPolicy drop = DropPolicy::kPosition;
  uint64_t seed = 0;
  bool drop_invalid = false;  ///< leave out what is wrong, instead of naming it

  /// Whether a source knows what to drop only when it has heard the others.
  [[nodiscard]] bool drops_late() const noexcept {
    return capacity_factor > 0 || (capacity > 0 && scope == CapacityScope::kGlobal);
  }
  /// Whether all ranks need each one's counts, to know what is dropped or what the most are.
  [[nodiscard]] bool counts_picks() const noexcept { return drops_late() || scope == CapacityScope::kGlobal; }
};

/// What is wrong with a gate's output, in numbers that fit a header.
struct Problem {
  enum class Kind : uint32_t { kNone, kTokens, kIndex, kDuplicate, kWeight, kMissing };

  Kind kind = Kind::kNone;
  int32_t slot = 0;
  uint64_t token = 0;  ///< kTokens: the most
  int64_t value = 0;   ///< num_tokens or the index; of a weight its bits as binary32

  [[nodiscard]] std::string text(int rank, int num_experts) const;
};

/// A source's picks of one step, and what was left out. A value.
struct Routing {
  std::vector<uint32_t> begin;  ///< [num_tokens + 1]: picks of a token
  std::vector<Pick> picks;      ///< of each token by rank, then slot
  uint64_t num_dropped = 0;     ///< beyond a capacity
  uint64_t num_invalid = 0;  ///< RoutingRules::drop_invalid: choices that were wrong, and all of tokens beyond the most

  [[nodiscard]] size_t num_tokens() const noexcept { return begin.empty() ? 0 : begin.size() - 1; }
  [[nodiscard]] std::span<const Pick> of(size_t token) const {
    return std::span(picks).subspan(begin[token], begin[token + 1] - begin[token]);
  }
};

/// What a gate's output is a slice of, which duplicates of a rank share (Slices). Borrowed.
struct SliceOf {
  std::span<const int> colours;     ///< by rank: of equal ones the digests must be equal
  uint64_t digest = 0;              ///< of the whole output
  std::span<const size_t> numbers;  ///< of each token, in the whole
  size_t num_tokens = 0;            ///< that exist
  Problem known;                    ///< of the whole
  uint64_t num_left_out = 0;        ///< choices of the whole, beyond max_tokens
};

/// A gate's output: topk_idx [num_tokens, top_k], -1 where a token has fewer choices; topk_weights like it, or
/// empty: 1.
struct GateOutput {
  const int64_t* topk_idx = nullptr;
  const float* topk_weights = nullptr;
  size_t num_tokens = 0;
  const std::byte* note = nullptr;  ///< GroupTerms::note_bytes for all ranks to read; null: zeros
  const SliceOf* slice = nullptr;   ///< null: the whole
};

/// What is wrong with a gate's output as a whole.
[[nodiscard]] Problem check_whole(const GateOutput& gate, const RoutingRules& rules);

/// Checks a gate's output and finds a rank for each choice. Of replicas with shares, each has after every choice as
/// many as its share says, to within one; without shares the nearest ones (own rank, own host, own rack) take turns.
/// Drops what is beyond a capacity, unless rules.drops_late(). On a problem, without drop_invalid, `*problem` has the
/// first, and the result is empty.
[[nodiscard]] Routing make_routing(const GateOutput& gate, const RoutingRules& rules, const ExpertMap& map,
                                   const planner::Hosts& hosts, int source, Problem* problem);

}  // namespace banyan::moe
