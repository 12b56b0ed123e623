// SPDX-License-Identifier: Apache-2.0
#include "planner/plan.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "planner/algorithms/direct.hpp"
#include "planner/notes.hpp"
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

/// All-to-all-v, every pair for itself: those of no bytes are not sent.
void drop_empty(schedule::RankSchedule& part, const Hosts& hosts, const Demand& demand) {
  for (auto* messages : {&part.sends, &part.receives}) {
    std::erase_if(*messages, [&](const schedule::Message& message) {
      return demand.bytes(hosts.num_ranks(), message.from, message.to) == 0;
    });
  }
}

uint64_t add(uint64_t sum, uint64_t bytes) {
  const auto result = checked::add(sum, bytes);
  if (!result) {
    throw Error(BANYAN_ERR_LIMIT, "the exchange moves more than 2^64 - 1 bytes, forwarding and headers included");
  }
  return *result;
}

/// A self-describing message as its sender built it: it lists all its blocks, also those that travel directly.
struct Header {
  int step = 0;
  int from = 0;
  uint64_t bytes = 0;
};

void list_headers(std::vector<Header>& headers, const schedule::RankSchedule& part, const Demand& demand,
                  int num_ranks) {
  for (const auto& message : part.sends) {
    Header header{message.step, message.from, 0};
    for (const auto& block : message.blocks) {
      header.bytes += schedule::listed_bytes(demand.bytes(num_ranks, block.src, block.dst));
    }
    headers.push_back(header);
  }
}

/// Payload of each message, headers included; those are of the self-describing messages, a rank's in order.
std::vector<uint64_t> payloads(const Plan& plan, const Demand& demand, std::vector<Header> headers) {
  std::stable_sort(headers.begin(), headers.end(), [](const Header& a, const Header& b) {
    return std::tie(a.step, a.from) < std::tie(b.step, b.from);
  });
  std::vector<uint64_t> bytes;
  bytes.reserve(plan.schedule.messages.size());
  size_t next = 0;
  for (const auto& message : plan.schedule.messages) {
    uint64_t sum = message.self_describing ? headers.at(next++).bytes : 0;
    for (const auto& block : message.blocks) {
      sum = add(sum, demand.bytes(plan.num_ranks, block.src, block.dst));
    }
    bytes.push_back(sum);
  }
  return bytes;
}

void sum_movement(Plan& plan) {
  for (const StepLoad& step : plan.movement.steps) {
    plan.num_messages += step.remote_messages;
    plan.num_mapped_messages += step.mapped_messages;
    plan.wire_bytes = add(plan.wire_bytes, step.remote_bytes);
  }
}

std::vector<uint64_t> sizes_of(const Demand& demand, int num_ranks) {
  if (!demand.uniform()) {
    return {demand.matrix.begin(), demand.matrix.end()};
  }
  const auto ranks = static_cast<size_t>(num_ranks);
  return std::vector<uint64_t>(ranks * ranks, demand.block_bytes);
}

/// Error{LIMIT} when the demand's bytes sum to more than 2^64 - 1; then no sum over some of its pairs overflows.
void check_sum(const Demand& demand, int num_ranks) {
  const auto ranks = static_cast<size_t>(num_ranks);
  std::optional<size_t> sum = demand.uniform() ? checked::multiply(ranks * ranks, demand.block_bytes) : 0;
  for (size_t i = 0; sum && i < demand.matrix.size(); ++i) {
    sum = checked::add(*sum, demand.matrix[i]);
  }
  if (!sum) {
    throw Error(BANYAN_ERR_LIMIT, "the traffic of all pairs sums to more than 2^64 - 1 bytes");
  }
}

/// All parts of the chosen exchange, joined, and the size of each message.
void build(Plan& plan, const Situation& situation, const Demand& demand, const schedule::StagingRule& rule) {
  const Algorithm algorithm = plan.choice.chosen.algorithm;
  const bool direct = algorithm == Algorithm(Algorithm::kDirect);
  const bool self_describing = !plan.uniform && !direct;
  std::vector<schedule::RankSchedule> parts;
  std::vector<Header> headers;
  parts.reserve(static_cast<size_t>(plan.num_ranks));
  for (int rank = 0; rank < plan.num_ranks; ++rank) {
    parts.push_back(build_part(situation.hosts, rank, algorithm, rule.ring_capacity > 0, self_describing));
    plan.scratch_bytes = std::max<uint64_t>(plan.scratch_bytes, schedule::staging_bytes(parts.back(), rule));
    if (self_describing) {
      list_headers(headers, parts.back(), demand, plan.num_ranks);
      split_large(parts.back(), situation.hosts, demand, plan.choice.block_limit);
    } else if (!plan.uniform) {
      drop_empty(parts.back(), situation.hosts, demand);
    }
  }
  plan.schedule = schedule::join(parts, algorithm_name(algorithm), /*window=*/0);
  plan.message_bytes = payloads(plan, demand, std::move(headers));
}

}  // namespace

Plan outline_plan(const Situation& situation, const Demand& demand, const Wish& wish) {
  check_situation(situation, demand);
  Plan plan;
  plan.num_ranks = situation.tree.num_ranks();
  plan.num_hosts = situation.hosts.count();
  plan.uniform = demand.uniform();
  plan.block_bytes = demand.block_bytes;
  plan.measured = situation.model.measured;
  plan.model_source = situation.model.source;
  plan.notes = planning_notes(situation, demand);
  check_sum(demand, plan.num_ranks);
  plan.choice =
      plan.uniform ? choose_uniform(situation, demand.block_bytes, wish) : choose_v_for(situation, demand, wish);
  const Loads loads = sum_loads(situation.tree, situation.hosts, demand, 0, std::numeric_limits<uint64_t>::max());
  plan.lower_bound_s = lower_bound_s(situation.tree, situation.model, loads);
  for (const int node : situation.tree.at_tier(topology::Tier::kNode)) {
    plan.logical_bytes += loads.subtree_egress[static_cast<size_t>(node)];
  }
  return plan;
}

Plan make_plan(const Situation& situation, const Demand& demand, const Wish& wish, size_t slot_bytes) {
  Plan plan = outline_plan(situation, demand, wish);
  const schedule::StagingRule rule{.uniform = plan.uniform,
                                   .block_bytes = demand.block_bytes,
                                   .block_limit = plan.choice.block_limit,
                                   .ring_capacity = slot_bytes};
  build(plan, situation, demand, rule);
  const std::vector<uint64_t> sizes = sizes_of(demand, plan.num_ranks);
  const auto verdict = schedule::verify(plan.schedule, {.num_ranks = plan.num_ranks, .bytes = sizes});
  BANYAN_CHECK(verdict.ok(), verdict.problem);
  plan.movement = count_movement(situation, plan.schedule, plan.message_bytes, rule);
  sum_movement(plan);
  return plan;
}

}  // namespace banyan::planner
