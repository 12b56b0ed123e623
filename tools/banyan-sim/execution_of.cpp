// SPDX-License-Identifier: Apache-2.0
#include "banyan-sim/execution_of.hpp"

#include <algorithm>
#include <numeric>

#include "planner/algorithms/direct.hpp"

namespace banyan::sim_tool {
namespace {

/// From here on cards are taken for RDMA ones, as in the cost model's nominal figures.
constexpr double kRdmaBytesPerS = 12.5e9;
/// At each end, by a core: into or out of the kernel, and of UCX's buffer, since the plugin has TCP send from a copy
/// (plugins/transport/ucx/settings.cpp).
constexpr int kTcpCopies = 2;

bool has_rdma(const planner::Situation& situation) {
  const auto& hosts = situation.tree.at_tier(topology::Tier::kNode);
  return std::any_of(hosts.begin(), hosts.end(), [&](int index) {
    const topology::TreeNode& host = situation.tree.node(index);
    return host.egress_bytes_per_s / std::max(1, host.num_nics) >= kRdmaBytesPerS;
  });
}

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

int usual_rails(const planner::Situation& situation) {
  if (has_rdma(situation)) {
    return 1;
  }
  int rails = 0;
  for (const int index : situation.tree.at_tier(topology::Tier::kNode)) {
    const int nics = std::max(1, situation.tree.node(index).num_nics);
    rails = rails == 0 ? nics : std::min(rails, nics);
  }
  return std::max(1, rails);
}

simulator::Execution execution_of(const planner::Situation& situation, const planner::Plan& plan, int rails,
                                  size_t slot_bytes) {
  simulator::Execution execution{.schedule = plan.schedule, .message_bytes = plan.message_bytes};
  for (int rank = 0; rank < plan.num_ranks; ++rank) {
    execution.options.push_back(options_of(situation, plan, rank, rails, slot_bytes));
  }
  execution.rail_pattern.resize(static_cast<size_t>(rails));
  std::iota(execution.rail_pattern.begin(), execution.rail_pattern.end(), 0);
  execution.transport_copies = has_rdma(situation) ? 0 : kTcpCopies;
  return execution;
}

}  // namespace banyan::sim_tool
