// SPDX-License-Identifier: Apache-2.0
#include "planner/pace.hpp"

#include <algorithm>
#include <bit>

#include "planner/predict.hpp"

namespace banyan::planner {
namespace {

constexpr double kLatencies = 4;
constexpr int kWindow = 2;
constexpr size_t kMinChunkBytes = size_t{16} << 10;
constexpr size_t kMaxChunkBytes = size_t{1} << 20;
constexpr size_t kMinWindowBytes = size_t{8} << 10;
constexpr size_t kLeastPieceBytes = 512;

/// The largest rate that a rank has to itself while all ranks of its host send.
double largest_share(const Hosts& hosts, const cost::CostModel& model, double flow_bytes_per_s) {
  double largest = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    const double rate = model.subtrees[static_cast<size_t>(hosts.tree_node(host))].egress_bytes_per_s;
    const double share = rate > 0 ? std::min(rate / hosts.size(host), flow_bytes_per_s) : flow_bytes_per_s;
    largest = std::max(largest, share);
  }
  return largest;
}

}  // namespace

Pace choose_pace(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                 const Pace& wish) {
  const cost::TierCost& remote = remote_tier(tree, model);
  const double covering = kLatencies * largest_share(hosts, model, remote.flow_bytes_per_s) * remote.alpha_s;
  const auto window_bytes = static_cast<size_t>(std::min(covering, 2.0 * static_cast<double>(kMaxChunkBytes)));
  Pace pace = wish;
  if (pace.window_bytes == 0) {
    pace.window_bytes = std::max(window_bytes, kMinWindowBytes);
  }
  if (pace.chunk_bytes == 0) {
    pace.chunk_bytes = std::clamp(std::bit_floor(window_bytes / 2), kMinChunkBytes, kMaxChunkBytes);
  }
  if (pace.window == 0) {
    pace.window = kWindow;
  }
  // What a flow carries in the time that a message costs its two ends.
  const auto worth =
      static_cast<size_t>(std::min(2 * remote.overhead_s * remote.flow_bytes_per_s, 1.0 * kMaxChunkBytes));
  pace.least_piece_bytes = std::max(worth, kLeastPieceBytes);
  return pace;
}

}  // namespace banyan::planner
