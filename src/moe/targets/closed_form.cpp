// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/closed_form.hpp"

#include <algorithm>
#include <cmath>

namespace banyan::moe {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

/// 1 for each pair of a rank with tokens and one with experts.
Share each_pair(const Shape& shape) {
  Share pairs;
  for (const RankClass& of : shape.classes()) {
    PerTier out;
    PerTier in;
    out.fill(of.sent > 0 ? 1 : 0);
    in.fill(of.received > 0 ? 1 : 0);
    pairs.out.push_back(out);
    pairs.in.push_back(in);
  }
  return pairs;
}

/// Seconds per byte, to a scale, of the slowest limit on a class's side of a pair.
PerClass slowest(const Shape& shape, const std::vector<Limit>& limits, const Flows& pairs, bool out) {
  PerClass beta(shape.classes().size(), PerTier{});
  for (const Limit& limit : limits) {
    if (limit.out != out) {
      continue;
    }
    const double share = load_of(shape, pairs, limit) / limit.rate;
    for (int c = limit.first_class; c < limit.end_class; ++c) {
      for (int tier = limit.first_tier; tier < limit.end_tier; ++tier) {
        beta[at(c)][at(tier)] = std::max(beta[at(c)][at(tier)], share);
      }
    }
  }
  return beta;
}

/// Calls visit(to, how many) for the classes with experts that a rank of `from` meets at a tier.
template <typename Visit>
void for_partners(const Shape& shape, int from, int tier, const Visit& visit) {
  const Branch& branch = shape.branches()[at(shape.classes()[at(from)].branch[at(tier)])];
  for (int to = branch.first; to < branch.end; ++to) {
    const double there = shape.partners(from, to, tier);
    if (there > 0 && shape.classes()[at(to)].received > 0) {
      visit(to, there);
    }
  }
}

}  // namespace

PerClass concurrent_beta(const Shape& shape, const std::vector<Limit>& limits) {
  const Flows pairs = flows_of(shape, each_pair(shape));
  const PerClass sending = slowest(shape, limits, pairs, true);
  const PerClass receiving = slowest(shape, limits, pairs, false);
  PerClass beta(shape.classes().size(), PerTier{});
  for (size_t from = 0; from < beta.size(); ++from) {
    for (int tier = 0; tier < kTargetTiers; ++tier) {
      double sum = 0;
      double count = 0;
      for_partners(shape, static_cast<int>(from), tier, [&](int to, double there) {
        sum += there * std::max(sending[from][at(tier)], receiving[at(to)][at(tier)]);
        count += there;
      });
      beta[from][at(tier)] = count > 0 ? sum / count : 0;
    }
  }
  return beta;
}

PerClass log_beta(const PerClass& beta) {
  PerClass distance = beta;
  for (PerTier& figures : distance) {
    for (double& figure : figures) {
      figure = figure > 0 ? std::log(figure) : 0;
    }
  }
  return distance;
}

Share closed_share(const Shape& shape, const PerClass& distance) {
  Share share = prior_share(shape, distance);
  const Flows flows = flows_of(shape, share);
  for (size_t c = 0; c < share.out.size(); ++c) {
    const double sum = flows.sent[c][0] + flows.sent[c][1] + flows.sent[c][2] + flows.sent[c][3];
    for (double& figure : share.out[c]) {
      figure *= sum > 0 ? shape.classes()[c].sent / sum : 0;
    }
  }
  return share;
}

double pairwise_time_s(const Shape& shape, const PerTier& beta, const Share& share, double total_bytes) {
  double slowest_s = 0;
  for (size_t from = 0; from < share.out.size(); ++from) {
    for (int tier = 0; tier < kTargetTiers; ++tier) {
      for_partners(shape, static_cast<int>(from), tier, [&](int to, double) {
        slowest_s = std::max(slowest_s, beta[at(tier)] * total_bytes * share.pair(static_cast<int>(from), to, tier));
      });
    }
  }
  return slowest_s;
}

}  // namespace banyan::moe
