// SPDX-License-Identifier: Apache-2.0
#include "c_api/moe_config.hpp"

#include <string>

namespace banyan::c_api {
namespace {

/// The first problem is told.
void note(std::string& problem, const std::string& text) { problem = problem.empty() ? text : problem; }

/// Stays in range; what is not is left to the collective part, so that all ranks hear of it. `or_default`: the caller
/// may give the number before `first`, and does not here.
template <typename Enum>
Enum enum_of(const char* name, int value, int first, int last, std::string& problem, bool or_default = false) {
  if (value < first || value > last) {
    const int least = or_default ? first - 1 : first;
    note(problem, std::string(name) + " is " + std::to_string(value) + ", must be from " + std::to_string(least) +
                      " to " + std::to_string(last));
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
  terms.dtype = enum_of<device::Dtype>("dtype", dtype, BANYAN_DTYPE_FP32, BANYAN_DTYPE_BYTES, terms.problem, true);
  terms.combine_dtype = enum_of<device::Dtype>("combine_dtype", combine_dtype, BANYAN_DTYPE_FP32, BANYAN_DTYPE_BYTES,
                                               terms.problem, true);
  terms.combine_hidden = config.combine_hidden > 0 ? config.combine_hidden : config.hidden;
  if (dtype == BANYAN_DTYPE_BYTES && (config.combine_dtype == BANYAN_DTYPE_DEFAULT || config.combine_hidden == 0)) {
    note(terms.problem, "combine_dtype and combine_hidden must be given where dtype is BANYAN_DTYPE_BYTES");
  }
}

void set_experts(const banyan_moe_config& config, moe::GroupTerms& terms) {
  terms.num_experts = config.num_experts;
  if (config.expert_offsets == nullptr) {
    if (config.expert_ranks != nullptr || config.replica_shares != nullptr) {
      note(terms.problem, "expert_ranks and replica_shares need expert_offsets");
    }
    return;
  }
  if (config.num_experts < 1 || config.expert_ranks == nullptr || config.expert_offsets[config.num_experts] < 0) {
    note(terms.problem, "expert_offsets needs expert_ranks, num_experts above 0 and a last entry of 0 or more");
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

}  // namespace

moe::GroupTerms moe_terms_of(const banyan_moe_config& config) {
  moe::GroupTerms terms;
  set_experts(config, terms);
  set_rows(config, terms);
  set_routing(config, terms);
  if (config.dedup != BANYAN_MOE_DEDUP_AUTO) {
    terms.dedup =
        enum_of<moe::Dedup>("dedup", config.dedup, BANYAN_MOE_DEDUP_NONE, BANYAN_MOE_DEDUP_TIER, terms.problem, true);
  }
  terms.layout =
      enum_of<moe::LayoutKind>("layout", config.layout, BANYAN_MOE_EXPERT_MAJOR, BANYAN_MOE_RANK_MAJOR, terms.problem);
  terms.alignment = config.alignment > 0 ? config.alignment : 1;
  terms.num_chunks = config.duplicates != nullptr && config.num_chunks == 0 ? 1 : config.num_chunks;
  terms.experts_s = config.experts_s;
  terms.note_bytes = config.note_bytes;
  flag_of("sharded_experts", config.sharded_experts, terms.problem);
  terms.deterministic = flag_of("deterministic", config.deterministic, terms.problem);
  terms.fp32_partials = flag_of("fp32_partials", config.fp32_partials, terms.problem);
  terms.progress_thread = flag_of("progress_thread", config.progress_thread, terms.problem);
  terms.timeout_s = config.timeout_s;
  if (!(config.timeout_s >= 0) || config.timeout_s > 1e9) {
    note(terms.problem, "timeout_s is " + std::to_string(config.timeout_s) + ", must be between 0 and 1e9 seconds");
    terms.timeout_s = 0;
  }
  return terms;
}

moe::DuplicateTerms moe_duplicates_of(const banyan_moe_config& config, int num_ranks) {
  moe::DuplicateTerms duplicates{.colours = {}, .sharded_experts = config.sharded_experts != 0};
  if (config.duplicates != nullptr) {
    duplicates.colours = {config.duplicates, static_cast<size_t>(num_ranks)};
  }
  return duplicates;
}

}  // namespace banyan::c_api
