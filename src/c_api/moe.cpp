// SPDX-License-Identifier: Apache-2.0
#include "banyan/moe.h"

#include <algorithm>
#include <vector>

#include "c_api/boundary.hpp"
#include "c_api/moe_handles.hpp"

namespace banyan::c_api {
namespace {

/// Stays in range; what is not is left to the collective part, so that all ranks hear of it.
template <typename Enum>
Enum enum_of(const char* name, int value, int first, int last, std::string& problem) {
  if (value < first || value > last) {
    problem = std::string(name) + " is " + std::to_string(value) + ", must be from " + std::to_string(first) + " to " +
              std::to_string(last);
    return static_cast<Enum>(0);
  }
  return static_cast<Enum>(value - first);
}

bool flag_of(const char* name, int value, std::string& problem) {
  return enum_of<int>(name, value, 0, 1, problem) != 0;
}

void set_rows(const banyan_moe_config& config, moe::GroupTerms& terms) {
  const int dtype = config.dtype == BANYAN_DTYPE_DEFAULT ? BANYAN_DTYPE_FP32 : config.dtype;
  const int combine_dtype = config.combine_dtype == BANYAN_DTYPE_DEFAULT ? dtype : config.combine_dtype;
  terms.hidden = config.hidden;
  terms.scale_bytes = config.scale_bytes;
  terms.dtype = enum_of<device::Dtype>("dtype", dtype, BANYAN_DTYPE_FP32, BANYAN_DTYPE_BYTES, terms.problem);
  terms.combine_dtype =
      enum_of<device::Dtype>("combine_dtype", combine_dtype, BANYAN_DTYPE_FP32, BANYAN_DTYPE_BYTES, terms.problem);
  terms.combine_hidden = config.combine_hidden > 0 ? config.combine_hidden : config.hidden;
  if (dtype == BANYAN_DTYPE_BYTES && (config.combine_dtype == BANYAN_DTYPE_DEFAULT || config.combine_hidden == 0)) {
    terms.problem = "combine_dtype and combine_hidden must be given where dtype is BANYAN_DTYPE_BYTES";
  }
}

void set_experts(const banyan_moe_config& config, moe::GroupTerms& terms) {
  terms.num_experts = config.num_experts;
  if (config.expert_offsets == nullptr) {
    terms.problem = config.expert_ranks != nullptr || config.replica_shares != nullptr
                        ? "expert_ranks and replica_shares need expert_offsets"
                        : terms.problem;
    return;
  }
  if (config.num_experts < 1 || config.expert_ranks == nullptr || config.expert_offsets[config.num_experts] < 0) {
    terms.problem = "expert_offsets needs expert_ranks, num_experts above 0 and a last entry of 0 or more";
    return;
  }
  const auto replicas = static_cast<size_t>(config.expert_offsets[config.num_experts]);
  terms.expert_offsets = {config.expert_offsets, static_cast<size_t>(config.num_experts) + 1};
  terms.expert_ranks = {config.expert_ranks, replicas};
  if (config.replica_shares != nullptr) {
    terms.replica_shares = {config.replica_shares, replicas};
  }
}

void set_routing(const banyan_moe_config& config, moe::GroupTerms& terms) {
  const bool most = config.capacity == BANYAN_MOE_CAPACITY_MAX;
  terms.routing = {
      .top_k = config.top_k,
      .max_tokens = config.max_tokens,
      .capacity = most ? 0 : config.capacity,
      .capacity_is_most = most,
      .capacity_factor = config.capacity_factor,
      .scope = enum_of<moe::CapacityScope>("capacity_scope", config.capacity_scope, BANYAN_MOE_CAPACITY_PER_RANK,
                                           BANYAN_MOE_CAPACITY_GLOBAL, terms.problem),
      .drop = enum_of<moe::DropPolicy>("drop", config.drop, BANYAN_MOE_DROP_POSITION, BANYAN_MOE_DROP_RANDOM,
                                       terms.problem),
      .seed = config.seed,
      .drop_invalid = flag_of("drop_invalid", config.drop_invalid, terms.problem)};
}

moe::GroupTerms terms_of(const banyan_moe_config& config) {
  moe::GroupTerms terms;
  set_experts(config, terms);
  set_rows(config, terms);
  set_routing(config, terms);
  if (config.dedup != BANYAN_MOE_DEDUP_AUTO) {
    terms.dedup =
        enum_of<moe::Dedup>("dedup", config.dedup, BANYAN_MOE_DEDUP_NONE, BANYAN_MOE_DEDUP_TIER, terms.problem);
  }
  terms.layout =
      enum_of<moe::LayoutKind>("layout", config.layout, BANYAN_MOE_EXPERT_MAJOR, BANYAN_MOE_RANK_MAJOR, terms.problem);
  terms.alignment = config.alignment > 0 ? config.alignment : 1;
  terms.num_chunks = config.num_chunks;
  terms.experts_s = config.experts_s;
  terms.note_bytes = config.note_bytes;
  terms.deterministic = flag_of("deterministic", config.deterministic, terms.problem);
  terms.fp32_partials = flag_of("fp32_partials", config.fp32_partials, terms.problem);
  terms.progress_thread = flag_of("progress_thread", config.progress_thread, terms.problem);
  terms.timeout_s = config.timeout_s;
  if (!(config.timeout_s >= 0) || config.timeout_s > 1e9) {
    terms.problem = "timeout_s must be between 0 and 1e9 seconds";
    terms.timeout_s = 0;
  }
  return terms;
}

void require_notes(size_t bytes) {
  if (bytes == 0) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "the group has no notes: its note_bytes is 0");
  }
}

banyan_moe_chunk_info info_of(const moe::Handle& handle, const moe::Handle::Chunk& chunk) {
  banyan_moe_chunk_info info{};
  info.first_token = chunk.plan.first_token;
  info.num_tokens = chunk.plan.num_tokens;
  info.num_rows = chunk.layout.rows;
  info.num_received = chunk.plan.arrivals.rows();
  info.num_choices = chunk.plan.arrivals.local_experts.size();
  info.wire_rows = handle.wire_rows(chunk);
  info.logical_rows = handle.logical_rows(chunk);
  info.num_dropped = handle.all_dropped();
  info.num_invalid = handle.all_invalid();
  info.capacity = handle.capacity();
  return info;
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::chunk_of;
using banyan::c_api::complete;
using banyan::c_api::fill;
using banyan::c_api::is_expert_major;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_moe_group_create(banyan_comm* comm, const banyan_moe_config* config, banyan_moe_group** group) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(group, "group");
    const auto full = complete(&require(config, "config"), "config");
    out = new banyan_moe_group(c, banyan::c_api::terms_of(full));
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
  return c_boundary([&] {
    const auto& h = require(handle, "handle").handle;
    fill(info, banyan::c_api::info_of(h, chunk_of(h, chunk)), "info");
  });
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
    const auto& h = require(handle, "handle").handle;
    const auto& layout = chunk_of(h, chunk).layout;
    if (begins != nullptr && !is_expert_major(h.group())) {
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
