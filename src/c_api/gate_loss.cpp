// SPDX-License-Identifier: Apache-2.0
#include "banyan/gate_loss.h"

#include <algorithm>
#include <vector>

#include "c_api/boundary.hpp"
#include "moe/gate/loss.hpp"

namespace banyan::c_api {
namespace {

namespace gate = moe::gate;

gate::LossKind kind_of(int kind) {
  if (kind < 0 || kind > static_cast<int>(gate::LossKind::kAlignment)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.kind is " + std::to_string(kind) +
                                                 ", must be a banyan_gate_loss_kind, BANYAN_GATE_LOSS_BALANCE to "
                                                 "ALIGNMENT");
  }
  return static_cast<gate::LossKind>(kind);
}

/// Arrays that are NULL are empty here.
gate::LossTerms terms_of(const banyan_gate_loss_options& options, const gate::Scores& scores,
                         const std::vector<double>& values) {
  gate::LossTerms terms;
  terms.kind = kind_of(options.kind);
  terms.scores = values;
  terms.num_tokens = scores.num_tokens;
  terms.num_experts = scores.num_experts;
  terms.activation = gate::activation_of(options.activation, "options.activation");
  terms.top_k = options.top_k == 0 ? 1 : options.top_k;
  if (options.topk_idx != nullptr) {
    terms.topk_idx = {options.topk_idx, gate::area(scores.num_tokens, terms.top_k, "num_tokens * options.top_k")};
  }
  terms.first_choice_only = options.first_choice_only != 0;
  if (options.target != nullptr) {
    terms.target = {options.target, scores.num_experts};
  }
  terms.num_groups = options.num_groups == 0 ? 1 : options.num_groups;
  if (options.noise != nullptr) {
    terms.noise = {options.noise, values.size()};
  }
  terms.noise_std = options.noise_std;
  terms.unbiased = options.unbiased != 0;
  terms.shared_threshold = options.shared_threshold != 0;
  return terms;
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_gate_loss(const banyan_gate_scores* scores, const banyan_gate_loss_options* options, double* loss,
                               float* gradient) {
  return c_boundary([&] {
    const auto full = complete(&require(scores, "scores"), "scores");
    const auto input = banyan::moe::gate::scores_of(full.values, full.num_tokens, full.num_experts);
    const auto settings = complete(&require(options, "options"), "options");
    auto& out = require(loss, "loss");
    const std::vector<double> values(input.values.begin(), input.values.end());
    const auto result = banyan::moe::gate::loss_of(banyan::c_api::terms_of(settings, input, values));
    out = result.value;
    if (gradient != nullptr) {
      std::transform(result.gradient.begin(), result.gradient.end(), gradient,
                     [](double slope) { return static_cast<float>(slope); });
    }
  });
}

}  // extern "C"
