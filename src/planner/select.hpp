// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planner/pace.hpp"
#include "planner/predict.hpp"
#include "schedule/schedule.hpp"

namespace banyan::planner {

/// An algorithm of docs/algorithms.md with its parameters. A value.
struct Algorithm {
  enum Kind : uint8_t { kDirect, kHierarchicalRail, kHierarchicalNode, kHierarchicalRack, kBruck };

  constexpr Algorithm(Kind of_kind = kDirect, int of_radix = 0)  // NOLINT(google-explicit-constructor): a kind is one
      : kind(of_kind), radix(of_radix) {}
  bool operator==(const Algorithm&) const = default;

  Kind kind;
  int radix;  ///< kBruck: at least 2; else 0
};

/// "direct", "hierarchical(rail)", "hierarchical(node)", "hierarchical(rack)", "bruck(4)".
[[nodiscard]] std::string algorithm_name(Algorithm algorithm);

/// A candidate and its prediction.
struct Candidate {
  Algorithm algorithm = Algorithm::kDirect;
  Prediction prediction;
};

/// The choice among candidates, equal on all ranks since all it depends on is.
struct Choice {
  std::vector<Candidate> candidates;  ///< in order of predicted time
  Candidate chosen;
  size_t block_limit = 0;  ///< all-to-all-v: pairs up to this size are aggregated; 0: none
  Pace pace{};
  bool forced = false;   ///< someone named the algorithm
  std::string origin{};  ///< who, if not the caller: as Wish::origin
};

/// What the caller wants: "", "auto", "direct", "hierarchical" (the better fan), "bruck" (the best radix), or a full
/// name. Error{NOT_FOUND} lists the names.
struct Wish {
  std::string algorithm;
  size_t aggregate_limit_bytes = 0;  ///< as in banyan_comm_config
  Pace pace{};
  std::string origin{};  ///< where the algorithm's name is from, for messages; empty: from the caller
};

/// Whether it is one of algorithm_names(). On hosts without racks hierarchical(rack) is a name all the same.
[[nodiscard]] bool is_algorithm_name(std::string_view name);
/// The names, for messages.
[[nodiscard]] std::string algorithm_names();

/// Everything a choice is made from; borrowed.
struct Situation {
  const topology::LocalityTree& tree;
  const Hosts& hosts;
  const cost::CostModel& model;
  int num_rails = 1;  ///< over which messages between hosts are spread
};

/// Uniform all-to-all of `block_bytes` per pair.
[[nodiscard]] Choice choose_uniform(const Situation& situation, size_t block_bytes, const Wish& wish);

/// All-to-all-v, made without the counts, which no rank knows in full: the limit up to which aggregation beats direct
/// messages for uniform traffic, and the fan that is better well below it.
[[nodiscard]] Choice choose_v(const Situation& situation, const Wish& wish);

/// The same choice with predictions for this matrix; for plans and explanations.
[[nodiscard]] Choice choose_v_for(const Situation& situation, const Demand& demand, const Wish& wish);

/// Ways to make an all-to-all-v that are worth trying where it is repeated, the first being choose_v's: the other
/// aggregating algorithms that were compared, lower and higher limits, and direct messages alone. Only the first if
/// the caller left no choice.
[[nodiscard]] std::vector<Choice> ways_v(const Situation& situation, const Wish& wish);

/// The same for an all-to-all of `block_bytes`: choose_uniform's choice, and what is predicted to be not far behind.
[[nodiscard]] std::vector<Choice> ways_uniform(const Situation& situation, size_t block_bytes, const Wish& wish);

/// Builds the rank's part of a chosen exchange; see the headers in algorithms/. For all-to-all-v this is the
/// aggregated part; direct pairs follow from sizes.
[[nodiscard]] schedule::RankSchedule build_part(const Hosts& hosts, int rank, Algorithm algorithm, bool mapped,
                                                bool self_describing);

/// Aggregated messages of all-to-all-v carry pairs up to this size, whatever the caller wishes: bounds scratch memory.
inline constexpr size_t kMaxBlockLimit = size_t{1} << 20;
/// Below this, aggregation is never given up: its headers also detect ranks that disagree on counts.
inline constexpr size_t kMinBlockLimit = 256;

}  // namespace banyan::planner
