// SPDX-License-Identifier: Apache-2.0
#include "banyan/moe.h"

#include <algorithm>
#include <numeric>

#include "c_api/boundary.hpp"
#include "c_api/moe_handles.hpp"

namespace banyan::c_api {
namespace {

void require_notes(size_t bytes) {
  if (bytes == 0) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "the group has no notes: its note_bytes is 0");
  }
}

banyan_moe_chunk_info info_of(const banyan_moe_handle& h, size_t chunk) {
  const auto& c = chunk_of(h.handle, chunk);
  const Extent extent = extent_of(h, chunk);
  const auto& counts = extent.layout.expert_counts;
  banyan_moe_chunk_info info{};
  info.first_token = extent.first_token;
  info.num_tokens = extent.num_tokens;
  info.num_rows = extent.layout.rows;
  info.num_received = h.sliced ? h.sliced->num_received(chunk) : c.plan.arrivals.rows();
  info.num_choices = std::accumulate(counts.begin(), counts.end(), size_t{0});
  info.wire_rows = h.sliced ? h.sliced->wire_rows(chunk) : h.handle.wire_rows(c);
  info.logical_rows = h.handle.logical_rows(c);
  info.num_dropped = h.handle.all_dropped();
  info.num_invalid = h.handle.all_invalid();
  info.capacity = h.handle.capacity();
  return info;
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::chunk_of;
using banyan::c_api::complete;
using banyan::c_api::extent_of;
using banyan::c_api::fill;
using banyan::c_api::is_expert_major;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_moe_group_create(banyan_comm* comm, const banyan_moe_config* config, banyan_moe_group** group) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(group, "group");
    const auto full = complete(&require(config, "config"), "config");
    out = new banyan_moe_group(c, full);
    ++c.num_requests;
  });
}

banyan_status banyan_moe_group_free(banyan_moe_group* group) {
  return c_boundary([&] {
    if (group == nullptr) {
      return;
    }
    if (group->num_handles > 0) {
      throw banyan::Error(BANYAN_ERR_BUSY,
                          std::to_string(group->num_handles) + " handles of the group are not freed; free them first");
    }
    if (group->num_turns > 0) {
      throw banyan::Error(BANYAN_ERR_BUSY,
                          std::to_string(group->num_turns) + " turns of the group are not freed; free them first");
    }
    --group->comm.num_requests;
    delete group;
  });
}

banyan_status banyan_moe_group_get_info(const banyan_moe_group* group, banyan_moe_group_info* info) {
  return c_boundary([&] {
    const auto& g = require(group, "group").group;
    banyan_moe_group_info full{};
    full.num_local_experts = static_cast<int>(g.layout_rules().num_local_experts);
    full.dedup = static_cast<int>(g.metadata_rules().dedup) + BANYAN_MOE_DEDUP_NONE;
    full.predicted_dispatch_s = g.predicted_dispatch_s();
    full.num_chunks = g.metadata_rules().num_chunks;
    full.predicted_step_s = g.predicted_step_s();
    fill(info, full, "info");
  });
}

banyan_status banyan_moe_group_local_experts(const banyan_moe_group* group, int* experts) {
  return c_boundary([&] {
    const auto& g = require(group, "group").group;
    const auto& local = g.map().experts_of(g.rank());
    if (!local.empty()) {
      std::copy(local.begin(), local.end(), &require(experts, "experts"));
    }
  });
}

banyan_status banyan_moe_group_set_note(banyan_moe_group* group, const void* note) {
  return c_boundary([&] {
    auto& own = require(group, "group").note;
    banyan::c_api::require_notes(own.size());
    const auto* from = &require(static_cast<const std::byte*>(note), "note");
    std::copy_n(from, own.size(), own.begin());
  });
}

banyan_status banyan_moe_route(banyan_moe_group* group, const int64_t* topk_idx, const float* topk_weights,
                               size_t num_tokens, banyan_moe_handle** handle) {
  return c_boundary([&] {
    banyan_moe_group& g = require(group, "group");
    auto& out = require(handle, "handle");
    out = new banyan_moe_handle(
        g, {.topk_idx = topk_idx, .topk_weights = topk_weights, .num_tokens = num_tokens, .note = g.note.data()});
    ++g.num_handles;
  });
}

banyan_status banyan_moe_handle_free(banyan_moe_handle* handle) {
  return c_boundary([&] {
    if (handle == nullptr) {
      return;
    }
    if (handle->num_requests > 0) {
      throw banyan::Error(BANYAN_ERR_BUSY, std::to_string(handle->num_requests) +
                                               " requests of the handle are not freed; free them first");
    }
    --handle->group.num_handles;
    delete handle;
  });
}

banyan_status banyan_moe_handle_get_info(const banyan_moe_handle* handle, size_t chunk, banyan_moe_chunk_info* info) {
  return c_boundary([&] { fill(info, banyan::c_api::info_of(require(handle, "handle"), chunk), "info"); });
}

banyan_status banyan_moe_handle_notes(const banyan_moe_handle* handle, void* notes) {
  return c_boundary([&] {
    const auto& all = require(handle, "handle").handle.notes();
    banyan::c_api::require_notes(all.size());
    std::copy(all.begin(), all.end(), &require(static_cast<std::byte*>(notes), "notes"));
  });
}

banyan_status banyan_moe_handle_experts(const banyan_moe_handle* handle, size_t chunk, size_t* counts, size_t* begins) {
  return c_boundary([&] {
    const auto& h = require(handle, "handle");
    const auto& layout = extent_of(h, chunk).layout;
    if (begins != nullptr && !is_expert_major(h.group.group)) {
      throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "begins: only rows of EXPERT_MAJOR are by expert");
    }
    if (counts != nullptr) {
      std::copy(layout.expert_counts.begin(), layout.expert_counts.end(), counts);
    }
    if (begins != nullptr) {
      std::copy(layout.expert_begin.begin(), layout.expert_begin.end(), begins);
    }
  });
}

banyan_status banyan_moe_handle_rows(const banyan_moe_handle* handle, size_t chunk, int64_t* local_experts,
                                     float* weights, int* sources) {
  return c_boundary([&] {
    const auto& h = require(handle, "handle").handle;
    if (is_expert_major(h.group())) {
      throw banyan::Error(
          BANYAN_ERR_NOT_SUPPORTED,
          "rows of EXPERT_MAJOR are for one expert each; banyan_moe_handle_experts says where they are");
    }
    const auto& c = chunk_of(h, chunk);
    banyan::moe::describe_rows(c.layout, c.plan.arrivals, static_cast<size_t>(h.group().routing_rules().top_k),
                               {.local_experts = local_experts, .weights = weights, .sources = sources});
  });
}

}  // extern "C"
