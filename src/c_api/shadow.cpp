// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/shadow.hpp"

#include <algorithm>

#include "banyan/placement.h"
#include "base/checked.hpp"
#include "c_api/boundary.hpp"

namespace banyan::c_api {
namespace {

moe::ShadowTerms terms_of(const banyan_shadow_config& config) {
  moe::ShadowTerms terms;
  terms.num_ranks = config.num_ranks;
  terms.num_experts = config.num_experts;
  if (config.num_ranks > 0 && config.num_experts > 0) {
    const auto experts = static_cast<size_t>(config.num_experts);
    const auto cells = checked::multiply(static_cast<size_t>(config.num_ranks), experts);
    if (!cells || !checked::multiply(*cells, sizeof(int64_t))) {
      throw Error(BANYAN_ERR_LIMIT, "config.counts of num_ranks " + std::to_string(config.num_ranks) +
                                        " * num_experts " + std::to_string(config.num_experts) + " overflows size_t");
    }
    terms.counts = {&require(config.counts, "config.counts"), *cells};
    if (config.owner != nullptr) {
      terms.owner = {config.owner, experts};
    }
  }
  terms.hidden = config.hidden;
  terms.alpha = config.alpha != 0 ? config.alpha : terms.alpha;
  terms.flops_per_s = config.flops_per_s;
  terms.bandwidth_bytes_per_s = config.bandwidth_bytes_per_s;
  terms.element_size = config.element_size != 0 ? config.element_size : terms.element_size;
  if (config.policy != BANYAN_SHADOW_PAPER && config.policy != BANYAN_SHADOW_FASTMOE) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "config.policy is " + std::to_string(config.policy) +
                                                 ", must be BANYAN_SHADOW_PAPER or BANYAN_SHADOW_FASTMOE");
  }
  terms.policy = config.policy == BANYAN_SHADOW_PAPER ? moe::ShadowPolicy::kPaper : moe::ShadowPolicy::kFastmoe;
  return terms;
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::fill;
using banyan::c_api::require;
using banyan::c_api::terms_of;

extern "C" {

banyan_status banyan_shadow_decide(const banyan_shadow_config* config, int* shadowed, banyan_shadow_result* result) {
  return c_boundary([&] {
    const auto full = complete(&require(config, "config"), "config");
    static_cast<void>(require(shadowed, "shadowed"));
    const auto decision = banyan::moe::decide_shadows(terms_of(full));
    if (result != nullptr) {
      banyan_shadow_result out{};
      out.num_shadowed = static_cast<int>(std::count(decision.shadowed.begin(), decision.shadowed.end(), true));
      out.time_before_s = decision.time_before_s;
      out.time_after_s = decision.time_after_s;
      out.max_before = decision.max_before;
      out.max_after = decision.max_after;
      fill(result, out, "result");
    }
    std::copy(decision.shadowed.begin(), decision.shadowed.end(), shadowed);
  });
}

}  // extern "C"
