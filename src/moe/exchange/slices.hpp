// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "coll/engine.hpp"
#include "moe/exchange/group.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// Which ranks hold the same tokens.
struct DuplicateTerms {
  std::span<const int> colours{};  ///< by rank: ranks of equal numbers are duplicates; empty: there are none
  bool sharded_experts = false;    ///< duplicates hold parts of the same experts: each gets the rows of all
};

/// Duplicates send a slice of their tokens each (DeepSpeed-TED's duplicate token dropping, arXiv 2303.06318, section
/// 4.1). A chunk of a step is cut into as many runs of equal length as there are duplicates, the last ones shorter; a
/// duplicate's runs are the tokens that the group of the slices knows. A value.
class Slices {
 public:
  /// Collective; made before the group. Errors, on all ranks: INVALID_ARGUMENT, MISMATCH.
  Slices(coll::Engine& engine, const GroupTerms& terms, const DuplicateTerms& duplicates);

  /// What the group of the slices is made of: terms of shorter steps, and shares that send a slice to the part of an
  /// expert at its own place. Borrows from this, and what the caller's terms borrowed.
  [[nodiscard]] GroupTerms terms() const;
  [[nodiscard]] bool any() const noexcept { return !colours_.empty(); }
  [[nodiscard]] bool sharded_experts() const noexcept { return sharded_; }
  [[nodiscard]] std::span<const int> colours() const noexcept { return colours_; }
  /// This rank's duplicates and itself, ascending, and which of them it is.
  [[nodiscard]] const std::vector<int>& members() const noexcept { return members_; }
  [[nodiscard]] size_t place() const noexcept { return place_; }

  /// Tokens of a chunk of a step of num_tokens, as the caller numbers them, and those that each member sends.
  struct Cut {
    size_t first = 0;
    size_t count = 0;
    size_t length = 0;  ///< of a run, that all have, tokens that do not exist included
    [[nodiscard]] size_t first_of(size_t place) const { return std::min(first + count, first + place * length); }
    [[nodiscard]] size_t count_of(size_t place) const { return std::min(length, first + count - first_of(place)); }
  };
  [[nodiscard]] Cut cut(size_t num_tokens, size_t chunk) const;

  /// This rank's part of a gate's output.
  struct Part {
    std::vector<int64_t> topk_idx;  ///< -1 for tokens that do not exist
    std::vector<float> topk_weights;
    std::vector<size_t> numbers;  ///< the caller's, of each token
    SliceOf slice;                ///< borrows `numbers` and the Slices
    size_t num_tokens = 0;        ///< of the caller's step, at most max_tokens
    bool weighted = false;
  };
  [[nodiscard]] Part part_of(const GateOutput& gate) const;

 private:
  void check(const GroupTerms& terms, size_t num_ranks) const;
  void choose_parts(const GroupTerms& terms, const planner::Hosts& hosts, int rank);
  [[nodiscard]] std::vector<int> members_of(int rank) const;
  [[nodiscard]] size_t slice_of(size_t num_tokens) const;
  [[nodiscard]] std::string describe() const;

  std::vector<int> colours_;
  bool sharded_ = false;
  GroupTerms whole_;
  std::vector<int> members_;
  size_t place_ = 0;
  std::vector<double> shares_;  ///< sharded_: like GroupTerms::replica_shares
};

}  // namespace banyan::moe
