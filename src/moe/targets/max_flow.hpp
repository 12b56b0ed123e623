// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace banyan::moe {

/// A network whose capacities are real numbers and grow with time; minimum cuts by Dinic's algorithm. One thread.
/// (Whole flows with costs: placement/flow.hpp.)
class CutNetwork {
 public:
  [[nodiscard]] int add_node();
  /// The arc's capacity is `fixed` + `per_second` * time.
  void add_arc(int from, int to, double fixed, double per_second);

  /// A minimum cut between two nodes at some time, as a function of time.
  struct Cut {
    double flow = 0;
    double fixed = 0;
    double per_second = 0;
  };
  [[nodiscard]] Cut minimum_cut(int source, int sink, double seconds);

 private:
  struct Arc {
    int to;
    double fixed, per_second, left;
  };
  bool find_levels(int source, int sink);
  double push(int node, int sink, double most);

  std::vector<Arc> arcs_;               ///< each followed by its reverse
  std::vector<std::vector<int>> from_;  ///< arcs by node
  std::vector<int> level_;
  std::vector<size_t> next_;
};

}  // namespace banyan::moe
