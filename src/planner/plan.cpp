// SPDX-License-Identifier: Apache-2.0
#include "planner/plan.hpp"

#include <algorithm>
#include <limits>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "planner/algorithms/direct.hpp"
#include "schedule/size_list.hpp"
#include "schedule/staging.hpp"
#include "schedule/verify.hpp"

namespace banyan::planner {
namespace {

/// All-to-all-v: blocks above the limit leave the aggregated messages and travel directly.
void split_large(schedule::RankSchedule& part, const Hosts& hosts, const Demand& demand, size_t limit) {
  const int num_ranks = hosts.num_ranks();
  const auto large = [&](const schedule::Block& block) {
    return demand.bytes(num_ranks, block.src, block.dst) > limit;
  };
  for (auto* messages : {&part.sends, &part.receives}) {
    for (auto& message : *messages) {
      std::erase_if(message.blocks, large);
    }
  }
  const auto add = [&](std::vector<schedule::Message>& messages, int from, int to) {
    if (large({from, to})) {
      messages.push_back({.step = 0, .from = from, .to = to, .blocks = {{from, to}}});
    }
  };
  for (const int peer : direct::remote_send_order(hosts, part.rank)) {
    add(part.sends, part.rank, peer);
  }
  for (const int peer : direct::local_send_order(hosts, part.rank)) {
    add(part.sends, part.rank, peer);
  }
  for (const int peer : direct::remote_receive_order(hosts, part.rank)) {
    add(part.receives, peer, part.rank);
  }
  for (const int peer : direct::local_receive_order(hosts, part.rank)) {
    add(part.receives, peer, part.rank);
  }
  const auto by_step = [](const schedule::Message& a, const schedule::Message& b) { return a.step < b.step; };
  std::stable_sort(part.sends.begin(), part.sends.end(), by_step);
  std::stable_sort(part.receives.begin(), part.receives.end(), by_step);
}

/// `sized`: headers list all pairs, also those that travel directly.
void count(Plan& plan, const Hosts& hosts, const Demand& demand, bool sized) {
  for (const auto& message : plan.schedule.messages) {
    plan.num_mapped_messages += message.path == schedule::Path::kMapped ? 1 : 0;
    if (hosts.host_of(message.from) == hosts.host_of(message.to)) {
      continue;
    }
    ++plan.num_messages;
    for (const auto& block : message.blocks) {
      const uint64_t size = demand.bytes(plan.num_ranks, block.src, block.dst);
      plan.wire_bytes += size + (sized ? schedule::listed_bytes(size) : 0);
    }
  }
}

/// Row-major sizes of all blocks. Error{LIMIT} when they, or their sum, overflow.
std::vector<uint64_t> sizes_of(const Demand& demand, int num_ranks) {
  const auto cells = static_cast<size_t>(num_ranks) * static_cast<size_t>(num_ranks);
  std::vector<uint64_t> sizes(cells, demand.block_bytes);
  if (!demand.uniform()) {
    sizes.assign(demand.matrix.begin(), demand.matrix.end());
  }
  size_t sum = 0;
  for (const uint64_t size : sizes) {
    const auto next = checked::add(sum, size);
    if (!next) {
      throw Error(BANYAN_ERR_LIMIT, "the traffic matrix sums to more than 2^64 bytes");
    }
    sum = *next;
  }
  return sizes;
}

}  // namespace

Plan make_plan(const Situation& situation, const Demand& demand, const Wish& wish, size_t slot_bytes) {
  Plan plan;
  plan.num_ranks = situation.tree.num_ranks();
  plan.num_hosts = situation.hosts.count();
  plan.uniform = demand.uniform();
  plan.block_bytes = demand.block_bytes;
  plan.measured = situation.model.measured;
  plan.model_source = situation.model.source;
  const std::vector<uint64_t> sizes = sizes_of(demand, plan.num_ranks);
  plan.choice =
      plan.uniform ? choose_uniform(situation, demand.block_bytes, wish) : choose_v_for(situation, demand, wish);
  const Algorithm algorithm = plan.choice.chosen.algorithm;
  const bool self_describing = !plan.uniform && algorithm != Algorithm::kDirect;
  const schedule::StagingRule rule{.uniform = plan.uniform,
                                   .block_bytes = demand.block_bytes,
                                   .block_limit = plan.choice.block_limit,
                                   .ring_capacity = slot_bytes};
  std::vector<schedule::RankSchedule> parts;
  parts.reserve(static_cast<size_t>(plan.num_ranks));
  for (int rank = 0; rank < plan.num_ranks; ++rank) {
    parts.push_back(build_part(situation.hosts, rank, algorithm, slot_bytes > 0, self_describing));
    plan.scratch_bytes = std::max<uint64_t>(plan.scratch_bytes, schedule::staging_bytes(parts.back(), rule));
    if (self_describing) {
      split_large(parts.back(), situation.hosts, demand, plan.choice.block_limit);
    }
  }
  plan.schedule = schedule::join(parts, algorithm_name(algorithm), /*window=*/0);
  const auto verdict = schedule::verify(plan.schedule, {.num_ranks = plan.num_ranks, .bytes = sizes});
  BANYAN_CHECK(verdict.ok(), verdict.problem);
  const Loads loads = sum_loads(situation.tree, situation.hosts, demand, 0, std::numeric_limits<uint64_t>::max());
  plan.lower_bound_s = lower_bound_s(situation.tree, situation.model, loads);
  for (const int node : situation.tree.at_tier(topology::Tier::kNode)) {
    plan.logical_bytes += loads.subtree_egress[static_cast<size_t>(node)];
  }
  count(plan, situation.hosts, demand, self_describing);
  return plan;
}

}  // namespace banyan::planner
