// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/share.hpp"

#include <algorithm>
#include <cmath>

namespace banyan::moe {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

double sum(const PerTier& figures) { return figures[0] + figures[1] + figures[2] + figures[3]; }

}  // namespace

Share prior_share(const Shape& shape, const PerClass& distance) {
  Share share;
  for (size_t c = 0; c < shape.classes().size(); ++c) {
    const RankClass& of = shape.classes()[c];
    PerTier out;
    PerTier in;
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      out[tier] = of.sent * std::exp(-distance[c][tier]);
      in[tier] = of.received;
    }
    share.out.push_back(out);
    share.in.push_back(in);
  }
  return share;
}

Flows flows_of(const Shape& shape, const Share& share) {
  Flows flows{shape.sum_partners(share.in), shape.sum_partners(share.out)};
  for (size_t c = 0; c < share.out.size(); ++c) {
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      flows.sent[c][tier] *= share.out[c][tier];
      flows.received[c][tier] *= share.in[c][tier];
    }
  }
  return flows;
}

double load_of(const Shape& shape, const Flows& flows, const Limit& limit) {
  const PerClass& figures = limit.out ? flows.sent : flows.received;
  double load = 0;
  for (int c = limit.first_class; c < limit.end_class; ++c) {
    double of_class = 0;
    for (int tier = limit.first_tier; tier < limit.end_tier; ++tier) {
      of_class += figures[at(c)][at(tier)];
    }
    load += limit.branch < 0 ? of_class : of_class * shape.copies_in(c, limit.branch);
  }
  return load;
}

TransferTime transfer_time(const Shape& shape, const std::vector<Limit>& limits, const Share& share) {
  const Flows flows = flows_of(shape, share);
  TransferTime time;
  for (const Limit& limit : limits) {
    const double seconds = load_of(shape, flows, limit) / limit.rate;
    if (seconds > time.seconds) {
      time = {seconds, limit.name};
    }
  }
  return time;
}

double row_error(const Shape& shape, const Flows& flows) {
  double error = 0;
  for (size_t c = 0; c < flows.sent.size(); ++c) {
    const double wanted = shape.classes()[c].sent;
    error = std::max(error, wanted > 0 ? std::abs(sum(flows.sent[c]) / wanted - 1) : sum(flows.sent[c]));
  }
  return error;
}

double column_error(const Shape& shape, const Flows& flows) {
  double error = 0;
  for (size_t c = 0; c < flows.received.size(); ++c) {
    const double wanted = shape.classes()[c].received;
    error = std::max(error, wanted > 0 ? std::abs(sum(flows.received[c]) / wanted - 1) : sum(flows.received[c]));
  }
  return error;
}

}  // namespace banyan::moe
