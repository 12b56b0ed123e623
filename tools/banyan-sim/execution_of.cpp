// SPDX-License-Identifier: Apache-2.0
#include "banyan-sim/execution_of.hpp"

#include <numeric>

#include "planner/algorithms/direct.hpp"

namespace banyan::sim_tool {
namespace {

/// At each end, by a core: into or out of the kernel, and of UCX's buffer, since the plugin has TCP send from a copy
/// (plugins/transport/ucx/settings.cpp).
constexpr int kTcpCopies = 2;

executor::CompileOptions options_of(const planner::Situation& situation, const planner::Plan& plan, int rank, int rails,
                                    size_t slot_bytes) {
  const planner::Hosts& hosts = situation.hosts;
  const planner::Pace& pace = plan.choice.pace;
  executor::CompileOptions options;
  options.num_ranks = plan.num_ranks;
  options.rule = {.uniform = plan.uniform,
                  .block_bytes = plan.block_bytes,
                  .block_limit = plan.choice.block_limit,
                  .ring_capacity = slot_bytes};
  options.chunk_bytes = pace.chunk_bytes;
  options.window = pace.window;
  options.window_bytes = pace.window_bytes;
  options.max_pieces = static_cast<size_t>(rails);
  options.least_piece_bytes = pace.least_piece_bytes;
  for (int peer = 0; peer < plan.num_ranks; ++peer) {
    const bool local = hosts.host_of(peer) == hosts.host_of(rank);
    options.send_phase.push_back(local ? -1 : planner::direct::phase(hosts, rank, peer));
    options.send_place.push_back(local ? 0 : planner::direct::first_place(hosts, rank, peer));
  }
  return options;
}

}  // namespace

simulator::Execution execution_of(const planner::Situation& situation, const planner::Plan& plan, int rails,
                                  size_t slot_bytes) {
  simulator::Execution execution{.schedule = plan.schedule, .message_bytes = plan.message_bytes};
  for (int rank = 0; rank < plan.num_ranks; ++rank) {
    execution.options.push_back(options_of(situation, plan, rank, rails, slot_bytes));
  }
  execution.rail_pattern.resize(static_cast<size_t>(rails));
  std::iota(execution.rail_pattern.begin(), execution.rail_pattern.end(), 0);
  execution.transport_copies = planner::has_rdma(situation.tree) ? 0 : kTcpCopies;
  return execution;
}

}  // namespace banyan::sim_tool
