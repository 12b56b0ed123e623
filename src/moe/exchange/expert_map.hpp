// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace banyan::moe {

/// Which ranks hold which experts; an expert may have replicas, a rank any number of experts, also none. A value.
class ExpertMap {
 public:
  /// Experts in blocks of consecutive ones, by rank; where num_experts is not divisible the first ranks hold one more.
  [[nodiscard]] static ExpertMap blocks(int num_experts, int num_ranks);

  /// Replica n of expert e is on rank ranks[offsets[e] + n], n < offsets[e + 1] - offsets[e]. `shares`, by replica like
  /// `ranks`: parts of this rank's rows for the expert that go to each, of any sum; empty: the source chooses
  /// (Routing). Unlike the map, shares may differ between ranks. Error{INVALID_ARGUMENT}: an expert without replica,
  /// twice on a rank, a rank out of range, a share that is negative or not finite, shares of an expert that are all 0.
  ExpertMap(std::span<const int> offsets, std::span<const int> ranks, std::span<const double> shares, int num_ranks);

  [[nodiscard]] int num_experts() const noexcept { return static_cast<int>(offsets_.size()) - 1; }
  [[nodiscard]] int num_ranks() const noexcept { return static_cast<int>(local_.size()); }
  [[nodiscard]] std::span<const int> replicas(int expert) const {
    const auto begin = static_cast<size_t>(offsets_[static_cast<size_t>(expert)]);
    return std::span(ranks_).subspan(begin, static_cast<size_t>(offsets_[static_cast<size_t>(expert) + 1]) - begin);
  }
  /// Of replicas(expert); empty if none were given.
  [[nodiscard]] std::span<const double> shares(int expert) const;
  /// The experts of a rank, ascending: its local experts 0, 1, ...
  [[nodiscard]] const std::vector<int>& experts_of(int rank) const { return local_[static_cast<size_t>(rank)]; }
  /// Which local expert of the rank that holds replica `replica` of the expert it is there.
  [[nodiscard]] int local_index(int expert, size_t replica) const {
    return local_index_[static_cast<size_t>(offsets_[static_cast<size_t>(expert)]) + replica];
  }
  /// The most experts that a rank holds.
  [[nodiscard]] int most_local() const noexcept;
  /// Of experts `first` up to before `end`: their ranks, as in "0, 1 5, 2", or where that is long a digest. Different
  /// for different maps; shares do not count.
  [[nodiscard]] std::string describe(int first, int end) const;

 private:
  std::vector<int> offsets_;
  std::vector<int> ranks_;
  std::vector<double> shares_;
  std::vector<int> local_index_;  ///< by replica, as ranks_
  std::vector<std::vector<int>> local_;
};

}  // namespace banyan::moe
