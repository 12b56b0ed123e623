// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moe/targets/demand.hpp"
#include "moe/targets/share.hpp"

namespace banyan::moe {

enum class TargetMethod : uint8_t { kClosed, kExact, kBudgeted };

/// "closed", "exact", "budgeted".
[[nodiscard]] const char* method_name(TargetMethod method) noexcept;

/// What targets are wanted of. Borrows tree and model.
struct TargetProblem {
  const topology::LocalityTree* tree = nullptr;
  const cost::CostModel* model = nullptr;  ///< of `tree`
  int num_experts = 0;
  std::vector<int> owner;      ///< [num_experts]: rank of each expert; empty: contiguous blocks (demand.hpp)
  std::vector<size_t> tokens;  ///< [ranks], or one number for all: S
  int top_k = 1;
  size_t row_bytes = 0;  ///< of a token
  TargetMethod method = TargetMethod::kClosed;
  double budget_s = 0;               ///< kBudgeted: the most transfer time
  std::optional<PerTier> tier_beta;  ///< kClosed: seconds per byte of a pair by tier, in place of the model
  bool balance = true;               ///< kClosed: Sinkhorn-scale to the column sums, which the closed form may miss
};

/// How much more than the least transfer time the exact targets may take, so that shares which the optimum forces to 0
/// are small instead, and the search for the most even optimum has room.
inline constexpr double kExactSlack = 1e-6;

/// Tokens that each rank should send to each expert. A value; rows are made when asked for.
class Targets {
 public:
  TargetMethod method = TargetMethod::kClosed;
  TokenDemand demand;
  double row_bytes = 0;
  double even_s = 0;   ///< transfer time of even dispatch
  double time_s = 0;   ///< of these targets
  double least_s = 0;  ///< of any with these sums; 0: not computed (explicit beta)
  double budget_s = 0;
  bool budget_met = true;     ///< kBudgeted; else true
  double divergence = 0;      ///< from even dispatch, nats per token copy: sum over pairs of x log(x / even)
  double gap = 0;             ///< kExact, kBudgeted: by how much less it might be (projection.hpp)
  int steps = 0;              ///< that the search took
  double column_error = 0;    ///< largest relative error of an expert's sum
  double most_per_token = 0;  ///< largest c_ie / S_i; a token goes to an expert once, so above 1 no gate gets there
  std::string busiest, even_busiest;  ///< the link with the longest time
  bool measured = false;
  std::string model_source;

  /// c_hat of a rank: [num_experts] tokens, rank's k S in sum. Error{INVALID_ARGUMENT}: no such rank.
  [[nodiscard]] std::vector<double> row(int rank) const;
  /// The same by receiving rank: [ranks].
  [[nodiscard]] std::vector<double> rank_row(int rank) const;
  /// Room for each expert: [num_experts], in rows, by the rules of coll::capacities_of with weights c_hat and k S rows.
  [[nodiscard]] std::vector<size_t> capacities(int rank, double factor, size_t min_capacity) const;
  /// p_ie, [num_experts]: num_experts * (1 / c_ie) / sum over f of 1 / c_if, so their mean is 1 and even targets give 1
  /// for each, the plain loss (TA-MoE's Norm(1 / c_hat) by sum; reference ta-moe-fastmoe.md A4 for why not by
  /// softmax). c below kLeastShare of the row's mean counts as that, lest one weight be all; a rank without tokens has
  /// 1 for each.
  [[nodiscard]] std::vector<double> weights(int rank) const;

  [[nodiscard]] const Shape& shape() const { return *shape_; }
  [[nodiscard]] const Share& share() const { return share_; }
  [[nodiscard]] int num_ranks() const { return static_cast<int>(demand.tokens.size()); }
  /// Tokens that a rank of one class sends to each expert of a rank of another that it meets at this tier.
  [[nodiscard]] double tokens_per_expert(int from, int to, int tier) const;

 private:
  friend Targets compute_targets(const TargetProblem& problem);
  void solve(const TargetProblem& problem);

  std::optional<Shape> shape_;
  Share share_;
  std::vector<std::array<int, kTargetTiers>> place_;  ///< of a rank: its subtree at each tier
};

inline constexpr double kLeastShare = 1e-3;

/// Pure; equal input gives equal bits, so ranks that agree on the input agree on the targets. Time and memory grow with
/// the number of kinds of ranks, not of pairs. Error{INVALID_ARGUMENT}, Error{LIMIT} as make_demand; a budget or a beta
/// that is not positive and finite; a beta with another method. A budget that no share meets is no error: the exact
/// targets, `budget_met` false.
[[nodiscard]] Targets compute_targets(const TargetProblem& problem);

}  // namespace banyan::moe
