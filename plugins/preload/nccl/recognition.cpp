// SPDX-License-Identifier: Apache-2.0
#include "nccl/recognition.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace banyan::preload::nccl {
namespace {

/// Fewer, and a pipeline's exchange with its neighbour would look like an all-to-all-v.
constexpr int kFewestOthers = 2;

/// Whether all that is sent has one size, and all that is received.
bool is_even(std::span<const PointToPoint> operations) {
  std::optional<uint64_t> sent;
  std::optional<uint64_t> received;
  return std::all_of(operations.begin(), operations.end(), [&](const PointToPoint& operation) {
    std::optional<uint64_t>& first = operation.is_send ? sent : received;
    first = first.value_or(operation.size_bytes);
    return *first == operation.size_bytes;
  });
}

}  // namespace

Verdict Recognition::judge(std::span<const PointToPoint> operations, int num_ranks, int rank) {
  seen_.assign(static_cast<size_t>(num_ranks), {});
  int sends = 0;
  int receives = 0;
  for (const PointToPoint& operation : operations) {
    if (operation.peer < 0 || operation.peer >= num_ranks || operation.stream != operations.front().stream) {
      return {};
    }
    Seen& seen = seen_[static_cast<size_t>(operation.peer)];
    bool& already = operation.is_send ? seen.sent : seen.received;
    if (already) {
      return {};
    }
    already = true;
    ++(operation.is_send ? sends : receives);
  }
  const Seen& self = seen_[static_cast<size_t>(rank)];
  Verdict verdict{.form = Form::kPartial,
                  .missing_sends = num_ranks - sends,
                  .missing_receives = num_ranks - receives,
                  .lacks_itself = !self.sent || !self.received};
  if (verdict.missing_sends == 0 && verdict.missing_receives == 0) {
    verdict.form = num_ranks > 1 ? Form::kAlltoallv : Form::kLeftAlone;
    verdict.is_even = is_even(operations);
    return verdict;
  }
  const int others_sent = sends - (self.sent ? 1 : 0);
  const int others_received = receives - (self.received ? 1 : 0);
  return others_sent >= kFewestOthers && others_received >= kFewestOthers ? verdict : Verdict{};
}

}  // namespace banyan::preload::nccl
