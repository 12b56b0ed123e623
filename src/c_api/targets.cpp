// SPDX-License-Identifier: Apache-2.0
#include "banyan/targets.h"

#include <algorithm>
#include <string>

#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "cost/inferred_racks.hpp"
#include "moe/targets/render.hpp"
#include "moe/targets/targets.hpp"

struct banyan_targets {
  banyan::moe::Targets targets;
};

namespace banyan::c_api {
namespace {

moe::TargetMethod method_of(int method) {
  switch (method) {
    case BANYAN_TARGETS_CLOSED:
      return moe::TargetMethod::kClosed;
    case BANYAN_TARGETS_EXACT:
      return moe::TargetMethod::kExact;
    case BANYAN_TARGETS_BUDGETED:
      return moe::TargetMethod::kBudgeted;
  }
  throw Error(BANYAN_ERR_INVALID_ARGUMENT,
              "config.method is " + std::to_string(method) + ", must be BANYAN_TARGETS_CLOSED, EXACT or BUDGETED");
}

moe::TargetProblem problem_of(const banyan_targets_config& config, const topology::LocalityTree& tree,
                              const cost::CostModel& model) {
  moe::TargetProblem problem;
  problem.tree = &tree;
  problem.model = &model;
  problem.num_experts = config.num_experts;
  if (config.expert_rank != nullptr && config.num_experts > 0) {
    problem.owner.assign(config.expert_rank, config.expert_rank + config.num_experts);
  }
  problem.tokens = {config.tokens_per_rank};
  if (config.tokens != nullptr) {
    problem.tokens.assign(config.tokens, config.tokens + tree.num_ranks());
  }
  problem.top_k = config.top_k == 0 ? 1 : config.top_k;
  problem.row_bytes = config.row_bytes;
  problem.method = method_of(config.method);
  problem.budget_s = config.budget_s;
  if (config.tier_s_per_byte != nullptr) {
    std::copy_n(config.tier_s_per_byte, moe::kTargetTiers, problem.tier_beta.emplace().begin());
  }
  problem.balance = config.unbalanced == 0;
  return problem;
}

moe::Targets targets_for(const banyan_targets_config& config) {
  topology::Graph graph = require(config.topology, "config.topology").graph;
  if (config.profile != nullptr) {
    static_cast<void>(cost::add_inferred_racks(graph, config.profile->profile));
  }
  const auto tree = topology::LocalityTree::derive(graph);
  const cost::CostModel model =
      config.profile != nullptr ? cost::measured_model(tree, config.profile->profile) : cost::nominal_model(tree);
  return moe::compute_targets(problem_of(config, tree, model));
}

moe::Targets targets_for(const banyan_comm& comm, const banyan_targets_config& config) {
  if (config.topology != nullptr || config.profile != nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                std::string(config.topology != nullptr ? "config.topology" : "config.profile") +
                    " must be NULL, the communicator's is used");
  }
  return moe::compute_targets(problem_of(config, comm.communicator->tree(), comm.communicator->model()));
}

template <typename Number>
void copy_to(const std::vector<Number>& from, Number* to, const char* name) {
  std::copy(from.begin(), from.end(), &require(to, name));
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::copy_string;
using banyan::c_api::copy_to;
using banyan::c_api::fill;
using banyan::c_api::require;
using banyan::c_api::targets_for;

extern "C" {

banyan_status banyan_targets_create(const banyan_targets_config* config, banyan_targets** targets) {
  return c_boundary([&] {
    auto& out = require(targets, "targets");
    out = new banyan_targets{targets_for(complete(&require(config, "config"), "config"))};
  });
}

banyan_status banyan_targets_from_comm(const banyan_comm* comm, const banyan_targets_config* config,
                                       banyan_targets** targets) {
  return c_boundary([&] {
    const banyan_comm& c = require(comm, "comm");
    auto& out = require(targets, "targets");
    out = new banyan_targets{targets_for(c, complete(&require(config, "config"), "config"))};
  });
}

banyan_status banyan_targets_get_info(const banyan_targets* targets, banyan_targets_info* info) {
  return c_boundary([&] {
    const auto& t = require(targets, "targets").targets;
    banyan_targets_info full{};
    full.num_ranks = t.num_ranks();
    full.num_experts = static_cast<int>(t.demand.owner.size());
    full.even_time_s = t.even_s;
    full.time_s = t.time_s;
    full.least_time_s = t.least_s;
    full.divergence_nats = t.divergence;
    full.gap_nats = t.gap;
    full.column_error = t.column_error;
    full.most_per_token = t.most_per_token;
    full.budget_met = t.budget_met ? 1 : 0;
    full.measured = t.measured ? 1 : 0;
    fill(info, full, "info");
  });
}

banyan_status banyan_targets_row(const banyan_targets* targets, int rank, double* c_hat) {
  return c_boundary([&] { copy_to(require(targets, "targets").targets.row(rank), c_hat, "c_hat"); });
}

banyan_status banyan_targets_rank_row(const banyan_targets* targets, int rank, double* tokens) {
  return c_boundary([&] { copy_to(require(targets, "targets").targets.rank_row(rank), tokens, "tokens"); });
}

banyan_status banyan_targets_capacities(const banyan_targets* targets, int rank, double factor, size_t min_capacity,
                                        size_t* capacities) {
  return c_boundary([&] {
    const auto& t = require(targets, "targets").targets;
    copy_to(t.capacities(rank, factor == 0 ? 1 : factor, min_capacity), capacities, "capacities");
  });
}

banyan_status banyan_targets_weights(const banyan_targets* targets, int rank, double* weights) {
  return c_boundary([&] { copy_to(require(targets, "targets").targets.weights(rank), weights, "weights"); });
}

banyan_status banyan_targets_export(const banyan_targets* targets, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& t = require(targets, "targets").targets;
    auto& out = require(text, "text");
    switch (format) {
      case BANYAN_FORMAT_TEXT:
        out = copy_string(banyan::moe::render_targets_text(t));
        return;
      case BANYAN_FORMAT_JSON:
        out = copy_string(banyan::moe::render_targets_json(t));
        return;
      default:
        throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "targets are exported as TEXT or JSON");
    }
  });
}

void banyan_targets_free(banyan_targets* targets) { delete targets; }

}  // extern "C"
