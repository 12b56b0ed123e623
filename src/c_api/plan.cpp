// SPDX-License-Identifier: Apache-2.0
#include "banyan/plan.h"

#include <cstring>

#include "base/checked.hpp"
#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "comm/fabric_builder.hpp"
#include "cost/inferred_racks.hpp"
#include "planner/hosts.hpp"
#include "schedule/text.hpp"

namespace banyan::c_api {
namespace {

planner::Demand demand_of(int num_ranks, size_t bytes_per_pair, const uint64_t* matrix) {
  const auto ranks = static_cast<size_t>(num_ranks);
  const auto cells = checked::multiply(ranks, ranks);
  if (!cells || !checked::multiply(*cells, bytes_per_pair)) {
    throw Error(BANYAN_ERR_LIMIT, "bytes_per_pair " + std::to_string(bytes_per_pair) + " times " +
                                      std::to_string(num_ranks) + " squared ranks overflows");
  }
  planner::Demand demand;
  demand.block_bytes = bytes_per_pair;
  if (matrix != nullptr) {
    demand.matrix = {matrix, *cells};
  }
  return demand;
}

planner::Plan plan_for(const banyan_plan_config& config) {
  topology::Graph graph = require(config.topology, "config.topology").graph;
  if (config.profile != nullptr) {
    static_cast<void>(cost::add_inferred_racks(graph, config.profile->profile));
  }
  const auto tree = topology::LocalityTree::derive(graph);
  if (tree.num_ranks() == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "config.topology has no ranks");
  }
  const planner::Hosts hosts(tree);
  const cost::CostModel model =
      config.profile != nullptr ? cost::measured_model(tree, config.profile->profile) : cost::nominal_model(tree);
  return planner::make_plan({tree, hosts, model}, demand_of(tree.num_ranks(), config.bytes_per_pair, config.matrix),
                            {.algorithm = config.algorithm != nullptr ? config.algorithm : "",
                             .aggregate_limit_bytes = config.aggregate_limit_bytes,
                             .pace = {}},
                            comm::ring_capacity(tree));
}

}  // namespace
}  // namespace banyan::c_api

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::copy_string;
using banyan::c_api::demand_of;
using banyan::c_api::fill;
using banyan::c_api::plan_for;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_plan_create(const banyan_plan_config* config, banyan_plan** plan) {
  return c_boundary([&] {
    auto& out = require(plan, "plan");
    out = new banyan_plan{plan_for(complete(&require(config, "config"), "config"))};
  });
}

banyan_status banyan_plan_from_comm(const banyan_comm* comm, size_t bytes_per_pair, const uint64_t* matrix,
                                    const char* algorithm, banyan_plan** plan) {
  return c_boundary([&] {
    const banyan_comm& c = require(comm, "comm");
    auto& out = require(plan, "plan");
    const auto demand = demand_of(c.communicator->size(), bytes_per_pair, matrix);
    out = new banyan_plan{c.engine->plan(demand, {.algorithm = algorithm != nullptr ? algorithm : "", .timeout_s = 0})};
  });
}

banyan_status banyan_plan_get_info(const banyan_plan* plan, banyan_plan_info* info) {
  return c_boundary([&] {
    const auto& p = require(plan, "plan").plan;
    banyan_plan_info full{};
    std::strncpy(full.algorithm, p.schedule.algorithm.c_str(), sizeof full.algorithm - 1);
    full.predicted_time_s = p.choice.chosen.prediction.total_s();
    full.lower_bound_s = p.lower_bound_s;
    full.num_messages = p.num_messages;
    full.num_mapped_messages = p.num_mapped_messages;
    full.wire_bytes = p.wire_bytes;
    full.logical_bytes = p.logical_bytes;
    full.scratch_bytes = p.scratch_bytes;
    full.measured = p.measured ? 1 : 0;
    fill(info, full, "info");
  });
}

banyan_status banyan_plan_export(const banyan_plan* plan, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& p = require(plan, "plan").plan;
    auto& out = require(text, "text");
    switch (format) {
      case BANYAN_FORMAT_TEXT:
        out = copy_string(banyan::planner::explain_text(p));
        return;
      case BANYAN_FORMAT_JSON:
        out = copy_string(banyan::planner::explain_json(p));
        return;
      case BANYAN_FORMAT_IR:
        out = copy_string(banyan::schedule::print(p.schedule));
        return;
      default:
        throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "plans are exported as TEXT, JSON or IR");
    }
  });
}

void banyan_plan_free(banyan_plan* plan) { delete plan; }

}  // extern "C"
