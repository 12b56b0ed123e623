// SPDX-License-Identifier: Apache-2.0
#include "planner/pace.hpp"

#include <algorithm>
#include <bit>

#include "planner/predict.hpp"

namespace banyan::planner {
namespace {

constexpr double kLatencies = 4;
/// A piece takes the wire at least this much longer than its message takes a rank.
constexpr double kOverheads = 5;
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

/// What one flow carries in that time; at most kMaxChunkBytes.
size_t bytes_during(const cost::TierCost& tier, double seconds) {
  return static_cast<size_t>(std::min(tier.flow_bytes_per_s * seconds, static_cast<double>(kMaxChunkBytes)));
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
    const auto worth_a_message = std::bit_ceil(bytes_during(remote, kOverheads * remote.overhead_s));
    const size_t wanted = std::max(std::bit_floor(window_bytes / 2), worth_a_message);
    pace.chunk_bytes = std::clamp(wanted, kMinChunkBytes, kMaxChunkBytes);
  }
  if (pace.window == 0) {
    pace.window = kWindow;
  }
  pace.least_piece_bytes = std::max(bytes_during(remote, 2 * remote.overhead_s), kLeastPieceBytes);
  return pace;
}

}  // namespace banyan::planner
