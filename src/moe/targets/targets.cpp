// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/targets.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "coll/capacity.hpp"
#include "moe/targets/closed_form.hpp"
#include "moe/targets/least_time.hpp"
#include "moe/targets/projection.hpp"

namespace banyan::moe {
namespace {

/// What is left of a budget once the search's own tolerance is taken off it.
constexpr double kWithin = 1 - 10 * kProjectionTolerance;

size_t at(int index) { return static_cast<size_t>(index); }

void check_positive(double value, const std::string& name) {
  if (!(value > 0) || std::isinf(value)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, name + " is " + std::to_string(value) + ", must be positive and finite");
  }
}

void check(const TargetProblem& problem) {
  BANYAN_CHECK(problem.tree != nullptr && problem.model != nullptr &&
                   problem.model->subtrees.size() == problem.tree->nodes().size(),
               "tree and model do not belong together");
  if (problem.method == TargetMethod::kBudgeted) {
    check_positive(problem.budget_s, "budget_s");
  }
  if (!problem.tier_beta) {
    return;
  }
  if (problem.method != TargetMethod::kClosed) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string("tier_s_per_byte goes with the closed form only, method is ") +
                                                 method_name(problem.method));
  }
  for (size_t tier = 0; tier < kTargetTiers; ++tier) {
    check_positive((*problem.tier_beta)[tier], "tier_s_per_byte[" + std::to_string(tier) + "]");
  }
}

/// Sum over pairs of x log(x / even), both of the same total.
double divergence_from_even(const Shape& shape, const Share& share) {
  const Flows flows = flows_of(shape, share);
  double sum = 0;
  for (size_t c = 0; c < share.out.size(); ++c) {
    const RankClass& of = shape.classes()[c];
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      sum += flows.sent[c][tier] > 0 ? of.copies * flows.sent[c][tier] * std::log(share.out[c][tier] / of.sent) : 0;
      sum += flows.received[c][tier] > 0
                 ? of.copies * flows.received[c][tier] * std::log(share.in[c][tier] / of.received)
                 : 0;
    }
  }
  return std::max(0.0, sum);
}

double most_per_token(const Targets& targets) {
  const Shape& shape = targets.shape();
  double most = 0;
  for (size_t from = 0; from < shape.classes().size(); ++from) {
    const RankClass& of = shape.classes()[from];
    const double tokens = of.sent * targets.demand.total / targets.demand.top_k;
    for (int tier = 0; tier < kTargetTiers && tokens > 0; ++tier) {
      const Branch& branch = shape.branches()[at(of.branch[at(tier)])];
      for (int to = branch.first; to < branch.end; ++to) {
        if (shape.partners(static_cast<int>(from), to, tier) > 0) {
          most = std::max(most, targets.tokens_per_expert(static_cast<int>(from), to, tier) / tokens);
        }
      }
    }
  }
  return most;
}

/// The closed form as a distance from even dispatch, scaled so that its rows have their sums.
PerClass closed_distance(const Shape& shape, const PerClass& beta) {
  PerClass distance = log_beta(beta);
  const Share closed = closed_share(shape, distance);
  for (size_t c = 0; c < distance.size(); ++c) {
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      const double of_sent = shape.classes()[c].sent;
      distance[c][tier] = of_sent > 0 ? -std::log(closed.out[c][tier] / of_sent) : 0;
    }
  }
  return distance;
}

Projection closed_targets(const Shape& shape, const PerClass& beta, bool balance) {
  const PerClass distance = closed_distance(shape, beta);
  Projection result;
  if (balance) {
    result = project(shape, {}, 1, distance);
    result.gap = 0;  // that of another divergence, from the closed form
  } else {
    result.share = closed_share(shape, distance);
  }
  return result;
}

/// Even dispatch if that is within `seconds`, else the share nearest to it that is.
Projection most_even(const Shape& shape, const std::vector<Limit>& limits, double even_s, double seconds) {
  const PerClass no_distance(shape.classes().size(), PerTier{});
  if (even_s <= seconds) {
    Projection even;
    even.share = prior_share(shape, no_distance);
    return even;
  }
  return project(shape, limits, seconds, no_distance);
}

}  // namespace

const char* method_name(TargetMethod method) noexcept {
  switch (method) {
    case TargetMethod::kClosed:
      return "closed";
    case TargetMethod::kExact:
      return "exact";
    case TargetMethod::kBudgeted:
      return "budgeted";
  }
  return "unknown";
}

double Targets::tokens_per_expert(int from, int to, int tier) const {
  const int experts = demand.num_experts[at(shape().classes()[at(to)].example)];
  return experts > 0 ? share_.pair(from, to, tier) * demand.total / experts : 0;
}

std::vector<double> Targets::rank_row(int rank) const {
  if (rank < 0 || rank >= num_ranks()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "rank is " + std::to_string(rank) + ", must be between 0 and " + std::to_string(num_ranks() - 1));
  }
  const auto& from = place_[at(rank)];
  std::vector<double> tokens;
  tokens.reserve(place_.size());
  for (int to = 0; to < num_ranks(); ++to) {
    int tier = kDomainTier;
    while (from[at(tier)] != place_[at(to)][at(tier)]) {
      ++tier;
    }
    tokens.push_back(demand.total * share_.pair(shape().class_of(rank), shape().class_of(to), tier));
  }
  return tokens;
}

std::vector<double> Targets::row(int rank) const {
  const std::vector<double> by_rank = rank_row(rank);
  std::vector<double> by_expert;
  by_expert.reserve(demand.owner.size());
  for (const int owner : demand.owner) {
    by_expert.push_back(by_rank[at(owner)] / demand.num_experts[at(owner)]);
  }
  return by_expert;
}

std::vector<size_t> Targets::capacities(int rank, double factor, size_t min_capacity) const {
  const std::vector<double> weights = row(rank);
  const size_t rows = demand.tokens[at(rank)] * static_cast<size_t>(demand.top_k);
  return coll::capacities_of({.weights = weights, .rows = rows, .factor = factor, .min_capacity = min_capacity});
}

std::vector<double> Targets::weights(int rank) const {
  std::vector<double> tokens = row(rank);
  const double mean = demand.sent(at(rank)) / static_cast<double>(tokens.size());
  if (mean == 0) {
    return std::vector<double>(tokens.size(), 1);
  }
  double sum = 0;
  for (double& c : tokens) {
    c = mean / std::max(c, kLeastShare * mean);
    sum += c;
  }
  for (double& c : tokens) {
    c *= static_cast<double>(tokens.size()) / sum;
  }
  return tokens;
}

Targets compute_targets(const TargetProblem& problem) {
  check(problem);
  const auto& tree = *problem.tree;
  Targets targets;
  targets.method = problem.method;
  targets.demand = make_demand(tree.num_ranks(), problem.num_experts, problem.owner, problem.tokens, problem.top_k,
                               problem.row_bytes);
  targets.row_bytes = static_cast<double>(problem.row_bytes);
  targets.budget_s = problem.method == TargetMethod::kBudgeted ? problem.budget_s : 0;
  targets.measured = problem.model->measured && !problem.tier_beta;
  targets.model_source = problem.tier_beta ? "explicit beta by tier" : problem.model->source;
  for (int rank = 0; rank < tree.num_ranks(); ++rank) {
    targets.place_.push_back({tree.ancestor(rank, topology::Tier::kDomain), tree.ancestor(rank, topology::Tier::kNode),
                              tree.ancestor(rank, topology::Tier::kRack), tree.root()});
  }
  const Shape& shape = targets.shape_.emplace(tree, *problem.model, targets.demand);
  targets.solve(problem);
  targets.divergence = divergence_from_even(shape, targets.share_);
  targets.column_error = column_error(shape, flows_of(shape, targets.share_));
  targets.most_per_token = most_per_token(targets);
  return targets;
}

void Targets::solve(const TargetProblem& problem) {
  const double total_bytes = demand.total * row_bytes;
  const Share even = prior_share(shape(), PerClass(shape().classes().size(), PerTier{}));
  if (problem.tier_beta) {
    share_ = closed_targets(shape(), PerClass(shape().classes().size(), *problem.tier_beta), problem.balance).share;
    even_s = pairwise_time_s(shape(), *problem.tier_beta, even, total_bytes);
    time_s = pairwise_time_s(shape(), *problem.tier_beta, share_, total_bytes);
    return;
  }
  const std::vector<Limit> limits = make_limits(shape(), *problem.tree, *problem.model, total_bytes);
  const TransferTime of_even = transfer_time(shape(), limits, even);
  even_s = of_even.seconds;
  even_busiest = of_even.busiest;
  least_s = std::min(even_s, least_time_s(shape(), limits));
  Projection found;
  if (method == TargetMethod::kClosed) {
    found = closed_targets(shape(), concurrent_beta(shape(), limits), problem.balance);
  } else {
    const double nearly_least_s = least_s * (1 + kExactSlack);
    const double wanted_s = method == TargetMethod::kBudgeted ? budget_s * kWithin : nearly_least_s;
    found = most_even(shape(), limits, even_s, std::max(wanted_s, nearly_least_s));
  }
  share_ = std::move(found.share);
  gap = found.gap;
  steps = found.steps;
  const TransferTime of_targets = transfer_time(shape(), limits, share_);
  time_s = of_targets.seconds;
  busiest = of_targets.busiest;
  budget_met = method != TargetMethod::kBudgeted || time_s <= budget_s;
}

}  // namespace banyan::moe
