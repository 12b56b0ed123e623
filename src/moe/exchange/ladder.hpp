// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "planner/hosts.hpp"

namespace banyan::moe {

/// Up to where a token's row is sent once, however many of the experts below want it.
enum class Dedup : uint8_t {
  kNone,  ///< a row for each choice
  kRank,  ///< one for each rank
  kNode,  ///< one for each host, whose ranks pass it on
  kTier   ///< one for each rack, whose hosts pass it on; without racks as kNode
};

/// The way of a row from its source to the ranks that want it: at each *rung* there is one *holder* in each subtree
/// (rack, host or rank) with ranks that want it, which hands it to the holders of the next rung. The last rung is the
/// ranks themselves. A holder stays one where its own subtree is concerned. All of it is a function of the tree, so all
/// ranks agree without a word. A value; borrows the hosts.
class Ladder {
 public:
  enum class Rung : uint8_t { kRack, kHost, kRank };

  Ladder(const planner::Hosts& hosts, Dedup dedup);

  [[nodiscard]] const std::vector<Rung>& rungs() const noexcept { return rungs_; }
  [[nodiscard]] size_t height() const noexcept { return rungs_.size(); }
  [[nodiscard]] const planner::Hosts& hosts() const noexcept { return hosts_; }

  /// The rank that holds rows of `source` at this rung in the subtree that `rank` is in.
  [[nodiscard]] int holder(size_t rung, int source, int rank) const;
  /// The one that it has them from: the holder of the rung before, the source itself for the first.
  [[nodiscard]] int previous(size_t rung, int source, int rank) const {
    return rung == 0 ? source : holder(rung - 1, source, rank);
  }
  /// The ranks of the subtree of this rung that `rank` is in: whom a holder there hands rows to, directly or not.
  [[nodiscard]] const std::vector<int>& below(size_t rung, int rank) const;
  /// Whether two ranks are in one subtree of this rung.
  [[nodiscard]] bool together(size_t rung, int a, int b) const;

  /// A subtree of this rung, not of the last, consists of subtrees of the next, its children. Which of them `rank` is
  /// in; and a rank of each child of the subtree that `rank` is in.
  [[nodiscard]] int child_of(size_t rung, int rank) const { return child_[rung][static_cast<size_t>(rank)]; }
  [[nodiscard]] const std::vector<int>& children(size_t rung, int rank) const {
    return children_[rung][static_cast<size_t>(below(rung, rank).front())];
  }

 private:
  /// The holder in rank's host (or rack) of what `from`, of another, hands over: the rank of the same place there, so
  /// that rails are kept; where there is none, ranks are dealt.
  [[nodiscard]] int in_host(int from, int rank) const;
  [[nodiscard]] int in_rack(int from, int rank) const;

  const planner::Hosts& hosts_;
  std::vector<Rung> rungs_;
  std::vector<std::vector<int>> child_;                  ///< by rung and rank
  std::vector<std::vector<std::vector<int>>> children_;  ///< by rung and the subtree's first rank
  std::vector<std::vector<int>> alone_;                  ///< {r} for each rank
};

}  // namespace banyan::moe
