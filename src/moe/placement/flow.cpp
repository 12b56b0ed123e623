// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/flow.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <queue>
#include <utility>

namespace banyan::moe {

size_t FlowNetwork::add_edge(size_t from, size_t to, int64_t capacity, int cost) {
  const size_t edge = edges_.size();
  edges_.push_back({to, capacity, capacity, cost});
  edges_.push_back({from, 0, 0, -cost});
  out_[from].push_back(edge);
  out_[to].push_back(edge + 1);
  return edge;
}

void FlowNetwork::reset() {
  for (Edge& each : edges_) {
    each.residual = each.capacity;
  }
}

/// Numbers nodes by their distance from the source in usable edges; whether the sink has one.
bool FlowNetwork::find_levels(size_t source, size_t sink) {
  levels_.assign(out_.size(), -1);
  levels_[source] = 0;
  std::deque<size_t> queue = {source};
  while (!queue.empty()) {
    const size_t node = queue.front();
    queue.pop_front();
    for (const size_t edge : out_[node]) {
      const size_t to = edges_[edge].to;
      if (levels_[to] < 0 && usable(edge, node)) {
        levels_[to] = levels_[node] + 1;
        queue.push_back(to);
      }
    }
  }
  return levels_[sink] >= 0;
}

int64_t FlowNetwork::push(const std::vector<size_t>& path) {
  int64_t amount = kUnlimited;
  for (const size_t edge : path) {
    amount = std::min(amount, edges_[edge].residual);
  }
  for (const size_t edge : path) {
    edges_[edge].residual -= amount;
    edges_[edge ^ 1].residual += amount;
  }
  return amount;
}

/// A blocking flow: depth first along rising levels, without recursion, since paths may be long.
int64_t FlowNetwork::push_along_levels(size_t source, size_t sink) {
  int64_t total = 0;
  next_.assign(out_.size(), 0);
  std::vector<size_t> path;
  size_t node = source;
  for (;;) {
    if (node == sink) {
      total += push(path);
      path.clear();
      node = source;
      continue;
    }
    size_t& at = next_[node];
    while (at < out_[node].size() &&
           !(usable(out_[node][at], node) && levels_[edges_[out_[node][at]].to] == levels_[node] + 1)) {
      ++at;
    }
    if (at < out_[node].size()) {
      path.push_back(out_[node][at]);
      node = edges_[path.back()].to;
    } else if (path.empty()) {
      return total;
    } else {
      node = edges_[path.back() ^ 1].to;
      path.pop_back();
      ++next_[node];
    }
  }
}

int64_t FlowNetwork::maximise(size_t source, size_t sink) {
  by_cost_ = false;
  int64_t total = 0;
  while (find_levels(source, sink)) {
    total += push_along_levels(source, sink);
  }
  return total;
}

/// The least cost to each node becomes its potential (Dijkstra, over costs that earlier potentials make >= 0); whether
/// the sink has one.
bool FlowNetwork::find_potentials(size_t source, size_t sink) {
  constexpr int64_t kFar = kUnlimited;
  std::vector<int64_t> distances(out_.size(), kFar);
  using Entry = std::pair<int64_t, size_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  distances[source] = 0;
  queue.emplace(0, source);
  int64_t farthest = 0;
  while (!queue.empty()) {
    const auto [distance, node] = queue.top();
    queue.pop();
    if (distance > distances[node]) {
      continue;
    }
    farthest = distance;
    for (const size_t edge : out_[node]) {
      const size_t to = edges_[edge].to;
      const int64_t through = distance + edges_[edge].cost + potentials_[node] - potentials_[to];
      if (edges_[edge].residual > 0 && through < distances[to]) {
        distances[to] = through;
        queue.emplace(through, to);
      }
    }
  }
  for (size_t node = 0; node < out_.size(); ++node) {
    potentials_[node] += std::min(distances[node], farthest);
  }
  return distances[sink] < kFar;
}

int64_t FlowNetwork::maximise_cheaply(size_t source, size_t sink) {
  by_cost_ = true;
  potentials_.assign(out_.size(), 0);
  int64_t total = 0;
  while (find_potentials(source, sink)) {
    while (find_levels(source, sink)) {
      total += push_along_levels(source, sink);
    }
  }
  return total;
}

std::vector<bool> FlowNetwork::reachable(size_t source) const {
  std::vector<bool> reached(out_.size(), false);
  std::deque<size_t> queue = {source};
  reached[source] = true;
  while (!queue.empty()) {
    const size_t node = queue.front();
    queue.pop_front();
    for (const size_t edge : out_[node]) {
      if (edges_[edge].residual > 0 && !reached[edges_[edge].to]) {
        reached[edges_[edge].to] = true;
        queue.push_back(edges_[edge].to);
      }
    }
  }
  return reached;
}

}  // namespace banyan::moe
