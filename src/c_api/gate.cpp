// SPDX-License-Identifier: Apache-2.0
#include "banyan/gate.h"

#include <algorithm>

#include "c_api/boundary.hpp"
#include "moe/gate/balanced.hpp"
#include "moe/gate/bias.hpp"
#include "moe/gate/capacity.hpp"
#include "moe/gate/dense_to_sparse.hpp"
#include "moe/gate/expert_choice.hpp"
#include "moe/gate/hash.hpp"
#include "moe/gate/ktop1.hpp"
#include "moe/gate/topk.hpp"
#include "moe/gate/topology.hpp"

namespace banyan::c_api {
namespace {

namespace gate = moe::gate;

gate::Scores scores_of(const banyan_gate_scores* scores) {
  const auto full = complete(&require(scores, "scores"), "scores");
  return gate::scores_of(full.values, full.num_tokens, full.num_experts);
}

template <typename T>
T or_default(T value, T otherwise) {
  return value == T{} ? otherwise : value;
}

/// Error{INVALID_ARGUMENT} "options.policy is 7, must be at most 3 (...)".
template <typename Enum>
Enum enum_of(int value, Enum last, const char* field, const char* names) {
  if (value < 0 || value > static_cast<int>(last)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                std::string(field) + " is " + std::to_string(value) + ", must be " + names);
  }
  return static_cast<Enum>(value);
}

/// Error{INVALID_ARGUMENT} where an output of `count` elements is NULL.
template <typename T>
void require_room(const T* output, size_t count, const char* name) {
  if (output == nullptr && count > 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is NULL");
  }
}

template <typename T>
void copy_to(const std::vector<T>& from, T* to) {
  if (to != nullptr) {
    std::copy(from.begin(), from.end(), to);
  }
}

/// Runs a gate and, when it is done, writes what it routed.
template <typename Gate>
void write_routing(const Gate& route, int64_t* topk_idx, float* topk_weights) {
  const gate::Routing routing = route();
  require_room(topk_idx, routing.idx.size(), "topk_idx");
  require_room(topk_weights, routing.weights.size(), "topk_weights");
  copy_to(routing.idx, topk_idx);
  copy_to(routing.weights, topk_weights);
}

gate::TopKTerms topk_terms(const banyan_gate_topk_options& options, size_t num_experts) {
  gate::TopKTerms terms;
  terms.top_k = or_default<size_t>(options.top_k, 1);
  terms.activation = gate::activation_of(options.activation, "options.activation");
  terms.renormalize = options.renormalize != 0;
  terms.scale = or_default(options.scale, 1.0);
  if (options.bias != nullptr) {
    terms.bias = {options.bias, num_experts};
  }
  terms.num_groups = or_default<size_t>(options.num_groups, 1);
  terms.top_groups = or_default(options.top_groups, terms.num_groups);
  terms.group_score = enum_of(options.group_score, gate::GroupScore::kSum, "options.group_score",
                              "BANYAN_GATE_GROUP_MAX, TOP2_SUM or SUM");
  terms.second =
      enum_of(options.second, gate::Second::kGumbel, "options.second", "BANYAN_GATE_SECOND_BEST, BY_WEIGHT or GUMBEL");
  terms.seed = options.seed;
  return terms;
}

gate::DenseToSparseTerms dense_to_sparse_terms(const banyan_gate_dense_to_sparse_options& options, size_t num_experts) {
  gate::DenseToSparseTerms terms;
  terms.top_k = or_default(options.top_k, num_experts);
  terms.start_temperature = or_default(options.start_temperature, terms.start_temperature);
  terms.end_temperature = or_default(options.end_temperature, terms.end_temperature);
  terms.anneal_steps = options.anneal_steps;
  terms.step = options.step;
  terms.threshold = options.threshold;
  terms.noisy = options.no_noise == 0;
  terms.renormalize = options.renormalize != 0;
  terms.seed = options.seed;
  return terms;
}

gate::TopologyTerms topology_terms(const banyan_gate_topology_options& options, size_t num_experts) {
  gate::TopologyTerms terms;
  terms.is_local = {&require(options.is_local, "options.is_local"), num_experts};
  terms.limit = options.limit;
  terms.top_k = or_default<size_t>(options.top_k, 2);
  terms.activation = gate::activation_of(options.activation, "options.activation");
  terms.renormalize = options.renormalize != 0;
  return terms;
}

gate::DropTerms drop_terms(const banyan_gate_drop_options& options) {
  gate::DropTerms terms;
  terms.num_tokens = options.num_tokens;
  terms.num_experts = options.num_experts;
  terms.top_k = or_default<size_t>(options.top_k, 1);
  terms.capacity = options.capacity;
  if (options.capacities != nullptr) {
    terms.capacities = {options.capacities, options.num_experts};
  }
  terms.policy = enum_of(options.policy, gate::DropPolicy::kNone, "options.policy",
                         "BANYAN_GATE_DROP_POSITION, SCORE, RANDOM or NONE");
  terms.seed = options.seed;
  return terms;
}

}  // namespace
}  // namespace banyan::c_api

namespace c_api = banyan::c_api;
namespace gate = banyan::moe::gate;
using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::copy_to;
using banyan::c_api::fill;
using banyan::c_api::or_default;
using banyan::c_api::require;
using banyan::c_api::require_room;

extern "C" {

banyan_status banyan_gate_topk(const banyan_gate_scores* scores, const banyan_gate_topk_options* options,
                               int64_t* topk_idx, float* topk_weights) {
  return c_boundary([&] {
    const auto input = c_api::scores_of(scores);
    const auto terms = c_api::topk_terms(complete(options, "options"), input.num_experts);
    c_api::write_routing([&] { return gate::topk(input, terms); }, topk_idx, topk_weights);
  });
}

banyan_status banyan_gate_update_bias(const size_t* counts, size_t num_experts, double rate, float* bias) {
  return c_boundary([&] {
    gate::check_between("num_experts", num_experts, 1, INT32_MAX, "");
    copy_to(gate::updated_bias({&require(counts, "counts"), num_experts}, rate, {&require(bias, "bias"), num_experts}),
            bias);
  });
}

banyan_status banyan_gate_ktop1(const banyan_gate_scores* scores, const banyan_gate_ktop1_options* options,
                                int64_t* topk_idx, float* topk_weights) {
  return c_boundary([&] {
    const auto input = c_api::scores_of(scores);
    const auto full = complete(options, "options");
    const auto prototypes = or_default<size_t>(full.num_prototypes, 1);
    c_api::write_routing([&] { return gate::ktop1(input, prototypes, full.renormalize != 0); }, topk_idx, topk_weights);
  });
}

banyan_status banyan_gate_hash(const int64_t* token_ids, size_t num_tokens, const banyan_gate_hash_options* options,
                               int64_t* topk_idx, float* topk_weights) {
  return c_boundary([&] {
    const auto full = complete(&require(options, "options"), "options");
    require_room(token_ids, num_tokens, "token_ids");
    require_room(full.table, full.table_size, "options.table");
    const std::span table(full.table, full.table_size);
    if (full.table != nullptr && table.empty()) {
      throw banyan::Error(BANYAN_ERR_INVALID_ARGUMENT, "options.table_size is 0, but options.table is not NULL");
    }
    const gate::HashTerms terms{.num_experts = full.num_experts, .seed = full.seed, .table = table};
    c_api::write_routing([&] { return gate::hash({token_ids, num_tokens}, terms); }, topk_idx, topk_weights);
  });
}

banyan_status banyan_gate_expert_choice(const banyan_gate_scores* scores,
                                        const banyan_gate_expert_choice_options* options,
                                        banyan_gate_expert_choice_result* result) {
  return c_boundary([&] {
    const auto input = c_api::scores_of(scores);
    const auto full = complete(&require(options, "options"), "options");
    auto out = complete(&require(result, "result"), "result");
    const gate::ExpertChoiceTerms terms{.capacity = full.capacity,
                                        .top_k = or_default(full.top_k, input.num_experts),
                                        .activation = gate::activation_of(full.activation, "options.activation")};
    const auto choice = gate::expert_choice(input, terms);
    copy_to(choice.tokens, out.tokens);
    copy_to(choice.weights, out.weights);
    copy_to(choice.routing.idx, out.topk_idx);
    copy_to(choice.routing.weights, out.topk_weights);
    out.most_choices = choice.most_choices;
    out.num_given_up = choice.num_given_up;
    fill(result, out, "result");
  });
}

banyan_status banyan_gate_balanced(const banyan_gate_scores* scores, int64_t* topk_idx, float* topk_weights,
                                   double* total, double* gap) {
  return c_boundary([&] {
    const auto input = c_api::scores_of(scores);
    gate::Balanced result;
    const auto route = [&] {
      result = gate::balanced(input);
      return result.routing;
    };
    c_api::write_routing(route, topk_idx, topk_weights);
    if (total != nullptr) {
      *total = result.total;
    }
    if (gap != nullptr) {
      *gap = result.gap;
    }
  });
}

banyan_status banyan_gate_dense_to_sparse(const banyan_gate_scores* scores,
                                          const banyan_gate_dense_to_sparse_options* options, int64_t* topk_idx,
                                          float* topk_weights, size_t* used_k) {
  return c_boundary([&] {
    const auto input = c_api::scores_of(scores);
    auto& used = require(used_k, "used_k");
    const auto terms = c_api::dense_to_sparse_terms(complete(options, "options"), input.num_experts);
    size_t most = 0;
    const auto route = [&] {
      auto result = gate::dense_to_sparse(input, terms);
      most = result.used_k;
      return std::move(result.routing);
    };
    c_api::write_routing(route, topk_idx, topk_weights);
    used = most;
  });
}

banyan_status banyan_gate_topology(const banyan_gate_scores* scores, const banyan_gate_topology_options* options,
                                   int64_t* topk_idx, float* topk_weights, size_t* num_leaving) {
  return c_boundary([&] {
    const auto input = c_api::scores_of(scores);
    const auto full = complete(&require(options, "options"), "options");
    auto& leaving = require(num_leaving, "num_leaving");
    const auto terms = c_api::topology_terms(full, input.num_experts);
    size_t number = 0;
    const auto route = [&] {
      auto result = gate::limit_leaving(input, terms);
      number = result.num_leaving;
      return std::move(result.routing);
    };
    c_api::write_routing(route, topk_idx, topk_weights);
    leaving = number;
  });
}

banyan_status banyan_gate_outgoing_share(double net_bytes_per_s, double local_bytes_per_s, size_t ranks_per_node,
                                         double* first_order, double* link_sum) {
  return c_boundary([&] {
    const auto share = gate::outgoing_share(net_bytes_per_s, local_bytes_per_s, ranks_per_node);
    if (first_order != nullptr) {
      *first_order = share.first_order;
    }
    if (link_sum != nullptr) {
      *link_sum = share.link_sum;
    }
  });
}

banyan_status banyan_gate_capacity(const banyan_gate_capacity_options* options, size_t* capacity) {
  return c_boundary([&] {
    const auto full = complete(&require(options, "options"), "options");
    auto& out = require(capacity, "capacity");
    out = gate::capacity_of({.formula = c_api::enum_of(full.formula, gate::CapacityFormula::kTutel, "options.formula",
                                                       "BANYAN_GATE_CAPACITY_SWITCH, GSHARD, DEEPSPEED or TUTEL"),
                             .num_tokens = full.num_tokens,
                             .num_experts = full.num_experts,
                             .top_k = or_default<size_t>(full.top_k, 1),
                             .factor = or_default(full.factor, 1.0),
                             .min_capacity = full.min_capacity});
  });
}

banyan_status banyan_gate_apply_capacity(const banyan_gate_drop_options* options, int64_t* topk_idx,
                                         float* topk_weights, banyan_gate_drop_result* result) {
  return c_boundary([&] {
    const auto terms = c_api::drop_terms(complete(&require(options, "options"), "options"));
    auto out = complete(&require(result, "result"), "result");
    const size_t count = gate::area(terms.num_tokens, terms.top_k, "options.num_tokens * top_k");
    require_room(topk_idx, count, "topk_idx");
    const std::span<const float> weights(topk_weights, topk_weights == nullptr ? 0 : count);
    const auto dropped = gate::apply_capacity(terms, {topk_idx, count}, weights);
    copy_to(dropped.idx, topk_idx);
    copy_to(dropped.weights, topk_weights);
    copy_to(dropped.positions, out.positions);
    copy_to(dropped.requested, out.requested);
    copy_to(dropped.kept, out.kept);
    out.num_dropped = dropped.num_dropped;
    fill(result, out, "result");
  });
}

}  // extern "C"
