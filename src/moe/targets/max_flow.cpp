// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/max_flow.hpp"

#include <algorithm>
#include <limits>

namespace banyan::moe {
namespace {

/// Of flows around 1, what is rounding.
constexpr double kNothing = 1e-15;

size_t at(int index) { return static_cast<size_t>(index); }

}  // namespace

int CutNetwork::add_node() {
  from_.emplace_back();
  return static_cast<int>(from_.size()) - 1;
}

void CutNetwork::add_arc(int from, int to, double fixed, double per_second) {
  from_[at(from)].push_back(static_cast<int>(arcs_.size()));
  arcs_.push_back({to, fixed, per_second, 0});
  from_[at(to)].push_back(static_cast<int>(arcs_.size()));
  arcs_.push_back({from, 0, 0, 0});
}

bool CutNetwork::find_levels(int source, int sink) {
  level_.assign(from_.size(), -1);
  level_[at(source)] = 0;
  std::vector<int> queue = {source};
  for (size_t head = 0; head < queue.size(); ++head) {
    for (const int index : from_[at(queue[head])]) {
      const Arc& arc = arcs_[at(index)];
      if (arc.left > kNothing && level_[at(arc.to)] < 0) {
        level_[at(arc.to)] = level_[at(queue[head])] + 1;
        queue.push_back(arc.to);
      }
    }
  }
  return level_[at(sink)] >= 0;
}

double CutNetwork::push(int node, int sink, double most) {
  if (node == sink) {
    return most;
  }
  double pushed = 0;
  for (size_t& next = next_[at(node)]; next < from_[at(node)].size(); ++next) {
    const int index = from_[at(node)][next];
    Arc& arc = arcs_[at(index)];
    if (arc.left > kNothing && level_[at(arc.to)] == level_[at(node)] + 1) {
      const double flow = push(arc.to, sink, std::min(most - pushed, arc.left));
      arc.left -= flow;
      arcs_[at(index ^ 1)].left += flow;
      pushed += flow;
      if (most - pushed <= kNothing) {
        return pushed;
      }
    }
  }
  return pushed;
}

CutNetwork::Cut CutNetwork::minimum_cut(int source, int sink, double seconds) {
  for (Arc& arc : arcs_) {
    arc.left = arc.fixed + arc.per_second * seconds;
  }
  Cut cut;
  while (find_levels(source, sink)) {
    next_.assign(from_.size(), 0);
    cut.flow += push(source, sink, std::numeric_limits<double>::max());
  }
  for (size_t node = 0; node < from_.size(); ++node) {
    for (const int index : from_[node]) {
      const Arc& arc = arcs_[at(index)];
      if (level_[node] >= 0 && level_[at(arc.to)] < 0) {
        cut.fixed += arc.fixed;
        cut.per_second += arc.per_second;
      }
    }
  }
  return cut;
}

}  // namespace banyan::moe
