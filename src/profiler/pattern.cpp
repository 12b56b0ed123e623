// SPDX-License-Identifier: Apache-2.0
#include "profiler/pattern.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace banyan::profiler {
namespace {

/// Blocks start on cache lines of their own.
constexpr size_t kAlignment = 64;
/// Rank distances that message_patterns looks at; more ranks are sampled.
constexpr int kMaxDistances = 256;

size_t at(int index) { return static_cast<size_t>(index); }

/// All i -> i + distance (mod ranks) of the tier.
Flows flows_at_distance(const topology::LocalityTree& tree, topology::Tier tier, int distance) {
  Flows flows;
  for (int from = 0; from < tree.num_ranks(); ++from) {
    const int to = (from + distance) % tree.num_ranks();
    if (tree.common_tier(from, to) == tier) {
      flows.push_back({.from = from, .to = to, .weight = 1, .group = 0});
    }
  }
  return flows;
}

}  // namespace

Busiest busiest(const topology::LocalityTree& tree, const Flows& flows) {
  std::vector<int> host_sends(tree.nodes().size());
  std::vector<int> host_receives(tree.nodes().size());
  std::vector<int> sends(at(tree.num_ranks()));
  std::vector<int> receives(at(tree.num_ranks()));
  Busiest most;
  for (const Flow& flow : flows) {
    most.rank = std::max({most.rank, ++sends[at(flow.from)], ++receives[at(flow.to)]});
    most.host = std::max({most.host, ++host_sends[at(tree.ancestor(flow.from, topology::Tier::kNode))],
                          ++host_receives[at(tree.ancestor(flow.to, topology::Tier::kNode))]});
  }
  return most;
}

size_t flow_bytes(const Flow& flow, size_t scale) {
  return std::max<size_t>(1, static_cast<size_t>(std::llround(flow.weight * static_cast<double>(scale))));
}

Layout layout_of(const Flows& flows, int rank, int num_ranks, size_t scale) {
  Layout layout;
  for (auto* column : {&layout.send_bytes, &layout.send_offsets, &layout.recv_bytes, &layout.recv_offsets}) {
    column->assign(at(num_ranks), 0);
  }
  for (const Flow& flow : flows) {
    const size_t bytes = flow_bytes(flow, scale);
    if (flow.from == rank) {
      layout.send_bytes[at(flow.to)] = bytes;
      layout.send_total = std::max(layout.send_total, bytes);
    }
    if (flow.to == rank) {
      layout.recv_bytes[at(flow.from)] = bytes;
      layout.recv_offsets[at(flow.from)] = layout.recv_total;
      layout.recv_total += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    }
  }
  return layout;
}

double largest_inflow(const Flows& flows, int num_ranks) {
  std::vector<double> inflow(at(num_ranks));
  double largest = 1;
  for (const Flow& flow : flows) {
    largest = std::max(largest, inflow[at(flow.to)] += flow.weight);
  }
  return largest;
}

void add_host_flows(Flows& flows, const std::vector<int>& from, const std::vector<int>& to, double weight, int group) {
  const size_t count = std::max(from.size(), to.size());
  for (size_t i = 0; i < count; ++i) {
    flows.push_back({.from = from[i % from.size()],
                     .to = to[i % to.size()],
                     .weight = weight / static_cast<double>(count),
                     .group = group});
  }
}

void normalise(Flows& flows) {
  double largest = 0;
  for (const Flow& flow : flows) {
    largest = std::max(largest, flow.weight);
  }
  for (Flow& flow : flows) {
    flow.weight /= largest;
  }
}

std::vector<std::vector<std::pair<int, int>>> tournament(int n) {
  // The circle method: the first stays, the others move on by one each round; with an odd number one waits.
  std::vector<std::vector<std::pair<int, int>>> rounds;
  if (n < 2) {
    return rounds;
  }
  std::vector<int> circle(at(n));
  std::iota(circle.begin(), circle.end(), 0);
  if (n % 2 == 1) {
    circle.push_back(-1);
  }
  const size_t size = circle.size();
  for (size_t round = 0; round + 1 < size; ++round) {
    auto& pairs = rounds.emplace_back();
    for (size_t i = 0; i < size / 2; ++i) {
      const int a = circle[i];
      const int b = circle[size - 1 - i];
      if (a >= 0 && b >= 0) {
        pairs.emplace_back(a, b);
      }
    }
    std::rotate(circle.begin() + 1, circle.end() - 1, circle.end());
  }
  return rounds;
}

std::vector<int> partners(int num_hosts, int host, int limit) {
  std::vector<int> result;
  const int others = num_hosts - 1;
  const int count = std::min(others, limit);
  for (int i = 0; i < count; ++i) {
    const int distance = 1 + static_cast<int>(static_cast<int64_t>(i) * others / count);
    result.push_back((host + distance) % num_hosts);
  }
  return result;
}

std::vector<double> fair_shares(double capacity, const std::vector<double>& limits) {
  std::vector<size_t> order(limits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return limits[a] < limits[b]; });
  std::vector<double> shares(limits.size());
  double left = capacity;
  for (size_t i = 0; i < order.size(); ++i) {
    const double share = std::min(limits[order[i]], left / static_cast<double>(order.size() - i));
    shares[order[i]] = share;
    left -= share;
  }
  return shares;
}

MessagePatterns message_patterns(const topology::LocalityTree& tree, topology::Tier tier, int limit) {
  const int num_ranks = tree.num_ranks();
  std::vector<Flows> by_distance;
  const int step = std::max(1, num_ranks / kMaxDistances);
  for (int distance = 1; distance < num_ranks; distance += step) {
    by_distance.push_back(flows_at_distance(tree, tier, distance));
  }
  std::stable_sort(by_distance.begin(), by_distance.end(),
                   [](const Flows& a, const Flows& b) { return a.size() > b.size(); });
  MessagePatterns patterns;
  for (const Flows& flows : by_distance) {
    if (flows.empty() || patterns.busiest_many.rank >= limit) {
      break;
    }
    if (patterns.few.empty()) {
      patterns.few = flows;
      patterns.busiest_few = busiest(tree, flows);
    }
    patterns.many.insert(patterns.many.end(), flows.begin(), flows.end());
    patterns.busiest_many = busiest(tree, patterns.many);
  }
  return patterns;
}

MessagePatterns one_rank_patterns(const topology::LocalityTree& tree, topology::Tier tier, int rank, int limit) {
  MessagePatterns patterns;
  for (int other = 0; other < tree.num_ranks() && patterns.many.size() < 2 * at(limit); ++other) {
    if (other == rank || tree.common_tier(rank, other) != tier) {
      continue;
    }
    for (Flows* flows : {&patterns.few, &patterns.many}) {
      if (flows == &patterns.many || flows->empty()) {
        flows->push_back({.from = rank, .to = other, .weight = 1, .group = 0});
        flows->push_back({.from = other, .to = rank, .weight = 1, .group = 0});
      }
    }
  }
  patterns.busiest_few = busiest(tree, patterns.few);
  patterns.busiest_many = busiest(tree, patterns.many);
  return patterns;
}

}  // namespace banyan::profiler
