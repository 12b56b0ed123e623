// SPDX-License-Identifier: Apache-2.0
#include "planner/rails.hpp"

#include <algorithm>
#include <cmath>

namespace banyan::planner {
namespace {

using topology::Tier;

/// From here on cards are taken for RDMA ones, as in the cost model's nominal figures.
constexpr double kRdmaBytesPerS = 12.5e9;

}  // namespace

bool has_rdma(const topology::LocalityTree& tree) {
  const auto& hosts = tree.at_tier(Tier::kNode);
  return std::any_of(hosts.begin(), hosts.end(), [&](int index) {
    const topology::TreeNode& host = tree.node(index);
    return host.egress_bytes_per_s / std::max(1, host.num_nics) >= kRdmaBytesPerS;
  });
}

int usual_rails(const topology::LocalityTree& tree) {
  if (has_rdma(tree)) {
    return 1;
  }
  int rails = 0;
  for (const int index : tree.at_tier(Tier::kNode)) {
    const int nics = std::max(1, tree.node(index).num_nics);
    rails = rails == 0 ? nics : std::min(rails, nics);
  }
  return std::max(1, rails);
}

double fullest_rail(const Rails& rails, int messages, double bytes) {
  if (rails.count <= 1 || messages <= 0) {
    return 1;
  }
  const double least = static_cast<double>(std::max<size_t>(1, rails.least_piece_bytes));
  const double pieces = messages * std::clamp(std::floor(bytes / least), 1.0, static_cast<double>(rails.count));
  return std::ceil(pieces / rails.count) * rails.count / pieces;
}

}  // namespace banyan::planner
