// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/shadow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace banyan::moe {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 53;

[[noreturn]] void reject(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

void check_positive(double value, const char* name) {
  if (!(value > 0) || std::isinf(value)) {
    reject(fmt::format("{} is {}; it is positive and finite", name, value));
  }
}

void check_terms(const ShadowTerms& terms) {
  if (terms.num_ranks < 1 || terms.num_experts < 1) {
    reject(fmt::format("num_ranks is {} and num_experts is {}, both must be at least 1", terms.num_ranks,
                       terms.num_experts));
  }
  if (terms.hidden == 0 || terms.element_size == 0) {
    reject(terms.hidden == 0 ? "hidden is 0" : "element_size is 0");
  }
  check_positive(terms.alpha, "alpha");
  check_positive(terms.flops_per_s, "flops_per_s");
  check_positive(terms.bandwidth_bytes_per_s, "bandwidth_bytes_per_s");
  int64_t sum = 0;
  for (size_t i = 0; i < terms.counts.size(); ++i) {
    if (terms.counts[i] < 0) {
      reject(fmt::format("counts[{}] is {}; counts are 0 or positive", i, terms.counts[i]));
    }
    if (terms.counts[i] >= kMaxTokens || (sum += terms.counts[i]) >= kMaxTokens) {
      throw Error(BANYAN_ERR_LIMIT,
                  fmt::format("counts up to entry {}, which is {}, are 2^53 tokens or more", i, terms.counts[i]));
    }
  }
}

std::vector<int> owners(const ShadowTerms& terms) {
  std::vector<int> owner(terms.owner.begin(), terms.owner.end());
  if (owner.empty()) {
    if (terms.num_experts % terms.num_ranks != 0) {
      reject(
          fmt::format("{} experts can't be divided by {} ranks; give their owner", terms.num_experts, terms.num_ranks));
    }
    for (int expert = 0; expert < terms.num_experts; ++expert) {
      owner.push_back(expert / (terms.num_experts / terms.num_ranks));
    }
  }
  for (size_t expert = 0; expert < owner.size(); ++expert) {
    if (owner[expert] < 0 || owner[expert] >= terms.num_ranks) {
      reject(fmt::format("owner[{}] is {}, must be 0 to {}", expert, owner[expert], terms.num_ranks - 1));
    }
  }
  return owner;
}

/// Tokens of all ranks for each expert.
std::vector<int64_t> loads(const ShadowTerms& terms) {
  std::vector<int64_t> sums(static_cast<size_t>(terms.num_experts), 0);
  for (size_t i = 0; i < terms.counts.size(); ++i) {
    sums[i % sums.size()] += terms.counts[i];
  }
  return sums;
}

/// Experts by decreasing load, the first of equal ones first.
std::vector<size_t> by_load(const std::vector<int64_t>& load) {
  std::vector<size_t> order(load.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return load[a] > load[b]; });
  return order;
}

/// Formulas 7 and 8 with algorithm 1.
ShadowDecision decide_by_paper(const ShadowTerms& terms) {
  const ShadowCosts costs = shadow_costs(terms);
  const std::vector<int> owner = owners(terms);
  const std::vector<int64_t> load = loads(terms);
  const auto experts = static_cast<size_t>(terms.num_experts);
  std::vector<int64_t> work(static_cast<size_t>(terms.num_ranks), 0);  // B_w
  for (size_t expert = 0; expert < experts; ++expert) {
    work[static_cast<size_t>(owner[expert])] += load[expert];
  }
  ShadowDecision decision;
  decision.shadowed.assign(experts, false);
  decision.max_before = decision.max_after = *std::max_element(work.begin(), work.end());
  decision.time_before_s = static_cast<double>(decision.max_before) * (costs.compute_s + costs.transfer_s);
  decision.time_after_s = decision.time_before_s;
  int number = 0;
  for (const size_t expert : by_load(load)) {
    work[static_cast<size_t>(owner[expert])] -= load[expert];
    for (size_t rank = 0; rank < work.size(); ++rank) {
      work[rank] += terms.counts[rank * experts + expert];
    }
    const int64_t most = *std::max_element(work.begin(), work.end());
    const double time = static_cast<double>(most) * costs.compute_s + 2.0 * (number + 1) * costs.weights_s;
    if (!(time < decision.time_after_s)) {
      break;
    }
    ++number;
    decision.shadowed[expert] = true;
    decision.time_after_s = time;
    decision.max_after = most;
  }
  return decision;
}

/// The last expert is never shadowed: there is no load of a next one to compare with.
ShadowDecision decide_by_fastmoe(const ShadowTerms& terms) {
  const ShadowCosts costs = shadow_costs(terms);
  const std::vector<int64_t> load = loads(terms);
  const std::vector<size_t> order = by_load(load);
  const double token_s = costs.compute_s + costs.transfer_s;
  ShadowDecision decision;
  decision.shadowed.assign(order.size(), false);
  decision.max_before = decision.max_after = load[order[0]];
  decision.time_before_s = decision.time_after_s = static_cast<double>(decision.max_before) * token_s;
  for (size_t number = 1; number < order.size(); ++number) {
    const int64_t next = load[order[number]];
    const double time = static_cast<double>(next) * token_s + static_cast<double>(number) * costs.weights_s;
    if (!(time < decision.time_after_s)) {
      break;
    }
    decision.shadowed[order[number - 1]] = true;
    decision.time_after_s = time;
    decision.max_after = next;
  }
  return decision;
}

}  // namespace

ShadowCosts shadow_costs(const ShadowTerms& terms) {
  const auto hidden = static_cast<double>(terms.hidden);
  const auto bytes = static_cast<double>(terms.element_size);
  const double weights = terms.alpha * hidden * hidden;  // of one of an expert's two matrices
  return {.compute_s = 3 * 4 * weights / terms.flops_per_s,
          .transfer_s = 4 * hidden * bytes / terms.bandwidth_bytes_per_s,
          .weights_s = 2 * weights * bytes / terms.bandwidth_bytes_per_s};
}

ShadowDecision decide_shadows(const ShadowTerms& terms) {
  check_terms(terms);
  static_cast<void>(owners(terms));
  return terms.policy == ShadowPolicy::kPaper ? decide_by_paper(terms) : decide_by_fastmoe(terms);
}

}  // namespace banyan::moe
