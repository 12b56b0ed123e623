// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/dual.hpp"

#include <cmath>

namespace banyan::moe {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

double sum(const PerTier& figures) { return figures[0] + figures[1] + figures[2] + figures[3]; }

}  // namespace

Dual::Dual(const Shape& shape, const std::vector<Limit>& limits, double seconds, const PerClass& distance)
    : shape_(shape), prior_(prior_share(shape, distance)) {
  const Flows even = flows_of(shape, prior_);
  for (const int kind : {-2, -1}) {
    for (const RankClass& of : shape.classes()) {
      family_.push_back(kind);
      copies_.push_back(of.copies);
      bound_.push_back(kind == -2 ? of.sent : of.received);
    }
  }
  for (const Limit& limit : limits) {
    if (load_of(shape, even, limit) > 0) {
      limits_.push_back(limit);
      family_.push_back(limit.family);
      copies_.push_back(limit.copies);
      bound_.push_back(limit.rate * seconds);
    }
  }
  for (size_t c = 0; c < shape.classes().size(); ++c) {
    prior_sum_ += shape.classes()[c].copies * sum(even.sent[c]);
  }
  move_to(Vector(bound_.size(), 0));
  even_loads_ = loads_;
}

Dual::Exponents Dual::exponents(const Vector& variables) const {
  const size_t classes = shape_.classes().size();
  Exponents sums{PerClass(classes), PerClass(classes)};
  for (size_t c = 0; c < classes; ++c) {
    sums.out[c].fill(variables[c]);
    sums.in[c].fill(variables[classes + c]);
  }
  for (size_t l = 0; l < limits_.size(); ++l) {
    const double lambda = variables[2 * classes + l];
    if (lambda != 0) {
      PerClass& side = limits_[l].out ? sums.out : sums.in;
      for (int c = limits_[l].first_class; c < limits_[l].end_class; ++c) {
        for (int tier = limits_[l].first_tier; tier < limits_[l].end_tier; ++tier) {
          side[at(c)][at(tier)] += lambda;
        }
      }
    }
  }
  return sums;
}

Dual::Vector Dual::gather(const Flows& flows) const {
  Vector sums;
  sums.reserve(size());
  for (const PerClass* side : {&flows.sent, &flows.received}) {
    for (const PerTier& figures : *side) {
      sums.push_back(sum(figures));
    }
  }
  for (const Limit& limit : limits_) {
    sums.push_back(load_of(shape_, flows, limit));
  }
  return sums;
}

void Dual::move_to(const Vector& variables) {
  variables_ = variables;
  const Exponents at_point = exponents(variables);
  share_ = prior_;
  for (size_t c = 0; c < share_.out.size(); ++c) {
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      share_.out[c][tier] *= std::exp(-at_point.out[c][tier]);
      share_.in[c][tier] *= std::exp(-at_point.in[c][tier]);
    }
  }
  flows_ = flows_of(shape_, share_);
  loads_ = gather(flows_);
  value_ = 0;
  for (size_t i = 0; i < size(); ++i) {
    value_ += copies_[i] * variables_[i] * bound_[i] + (family_[i] == -2 ? copies_[i] * loads_[i] : 0);
  }
}

Dual::Vector Dual::curvature(const Vector& direction) const {
  const Exponents change = exponents(direction);
  Share weighted = share_;
  for (size_t c = 0; c < weighted.out.size(); ++c) {
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      weighted.out[c][tier] *= change.out[c][tier];
      weighted.in[c][tier] *= change.in[c][tier];
    }
  }
  Flows response{shape_.sum_partners(weighted.in), shape_.sum_partners(weighted.out)};
  for (size_t c = 0; c < weighted.out.size(); ++c) {
    for (size_t tier = 0; tier < kTargetTiers; ++tier) {
      response.sent[c][tier] =
          share_.out[c][tier] * response.sent[c][tier] + change.out[c][tier] * flows_.sent[c][tier];
      response.received[c][tier] =
          share_.in[c][tier] * response.received[c][tier] + change.in[c][tier] * flows_.received[c][tier];
    }
  }
  Vector result = gather(response);
  for (size_t i = 0; i < size(); ++i) {
    result[i] *= copies_[i];
  }
  return result;
}

}  // namespace banyan::moe
