// SPDX-License-Identifier: Apache-2.0
#include "comm/device_experts.hpp"

#include "c_api/device_handles.hpp"

struct banyan_device_experts {
  banyan_device_experts(banyan_device_group& of, const banyan_device_experts_config& config, const std::string& problem)
      : group(of), experts(of.group, config, problem) {}

  banyan_device_group& group;
  banyan::comm::DeviceExperts experts;
};

namespace banyan::c_api {
namespace {

banyan_device_experts_config config_of(const banyan_device_experts_options* given, std::string& problem) {
  banyan_device_experts_config config{};
  config.struct_size = sizeof(config);
  problem = problem_of([&] {
    const auto full = complete(&require(given, "options"), "options");
    config.tokens = tokens_config_of(full);
    config.row_alignment = full.row_alignment == 0 ? 1 : full.row_alignment;
    config.max_rows = full.max_rows;
  });
  return config;
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::fill;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_device_experts_create(banyan_device_group* group, const banyan_device_experts_options* options,
                                           banyan_device_experts** experts) {
  return c_boundary([&] {
    banyan_device_group& g = require(group, "group");
    auto& out = require(experts, "experts");
    std::string problem;
    const auto config = banyan::c_api::config_of(options, problem);
    out = new banyan_device_experts(g, config, problem);
    ++g.num_tokens;
  });
}

banyan_status banyan_device_experts_free(banyan_device_experts* experts) {
  return c_boundary([&] {
    if (experts == nullptr) {
      return;
    }
    --experts->group.num_tokens;
    delete experts;
  });
}

banyan_status banyan_device_experts_received(const banyan_device_experts* experts, banyan_device_experts_view* view) {
  return c_boundary([&] {
    const banyan_device_expert_rows received = require(experts, "experts").experts.received();
    banyan_device_experts_view full{};
    full.rows = received.rows;
    full.num_experts = received.num_experts;
    full.max_rows = received.max_rows;
    full.experts = received.experts;
    full.counts = received.counts;
    full.offsets = received.offsets;
    full.needed = received.needed;
    full.sources = received.sources;
    fill(view, full, "view");
  });
}

banyan_status banyan_device_experts_dispatch(banyan_device_experts* experts, const banyan_device_tokens_batch* batch,
                                             void* stream) {
  return c_boundary([&] { require(experts, "experts").experts.dispatch(banyan::c_api::dispatch_of(batch), stream); });
}

banyan_status banyan_device_experts_combine(banyan_device_experts* experts, void* out, int weighted, void* stream) {
  return c_boundary([&] { require(experts, "experts").experts.combine(out, weighted != 0, stream); });
}

}  // extern "C"
