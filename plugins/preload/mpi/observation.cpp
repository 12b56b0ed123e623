// SPDX-License-Identifier: Apache-2.0
#include "mpi/observation.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "mpi/datatype.hpp"
#include "mpi/failure.hpp"

namespace banyan::preload {
namespace {

/// A matrix of all ranks' traffic comes together on each.
constexpr size_t kLargestMatrix = 1024;

struct FreePlan {
  void operator()(banyan_plan* plan) const noexcept { banyan_plan_free(plan); }
};

uint64_t bytes_to(const Side& send, size_t rank) {
  const auto count = static_cast<uint64_t>(send.count_of(rank));
  return count == 0 ? 0 : count * Datatype(send.type_of(rank)).size_bytes();
}

/// Adds what Banyan would do; `matrix` is nullptr for blocks that are alike.
void predict(ObservedCalls& calls, const banyan_comm* banyan, const uint64_t* matrix) {
  banyan_plan* made = nullptr;
  const auto bytes = static_cast<size_t>(std::llround(calls.bytes_per_pair));
  if (banyan == nullptr || banyan_plan_from_comm(banyan, bytes, matrix, nullptr, &made) != BANYAN_OK) {
    return;
  }
  const std::unique_ptr<banyan_plan, FreePlan> plan(made);
  banyan_plan_info info{};
  info.struct_size = sizeof info;
  if (banyan_plan_get_info(plan.get(), &info) == BANYAN_OK) {
    calls.algorithm = info.algorithm;
    calls.predicted_s = info.predicted_time_s;
    calls.lower_bound_s = info.lower_bound_s;
    calls.measured = info.measured != 0;
  }
}

void gather(banyan_comm* banyan, const void* mine, void* all, size_t size) {
  if (banyan_comm_allgather(banyan, mine, all, size) != BANYAN_OK) {
    throw Failure(banyan_last_error());
  }
}

}  // namespace

void Observation::Seen::add(double bytes, double seconds) noexcept {
  fastest_s = num_calls == 0 ? seconds : std::min(fastest_s, seconds);
  ++num_calls;
  bytes_per_pair += bytes;
  total_s += seconds;
}

void Observation::add(const Call& call, double seconds) {
  if (call.uniform) {
    const uint64_t bytes = bytes_to(call.send, 0);
    const size_t size = bytes == 0 ? 0 : static_cast<size_t>(std::bit_width(bytes - 1)) + 1;
    seen_[std::min(size, kUneven - 1)].add(static_cast<double>(bytes), seconds);
    return;
  }
  uint64_t total = 0;
  for (size_t rank = 0; rank < row_.size(); ++rank) {
    const uint64_t bytes = bytes_to(call.send, rank);
    row_[rank] += bytes;
    total += bytes;
  }
  seen_[kUneven].add(static_cast<double>(total) / static_cast<double>(row_.size()), seconds);
}

Observation::Sums Observation::sum(banyan_comm* banyan) const {
  // Kinds of calls in a fixed order: no rank has to tell which it saw.
  Figures mine{};
  for (size_t kind = 0; kind < kNumKinds; ++kind) {
    mine[2 * kind] = seen_[kind].total_s;
    mine[2 * kind + 1] = seen_[kind].fastest_s;
  }
  mine.back() = seen_[kUneven].bytes_per_pair;
  std::vector<Figures> all(banyan != nullptr ? row_.size() : 1, mine);
  Sums sums;
  if (banyan != nullptr) {
    gather(banyan, &mine, all.data(), sizeof mine);
    if (row_.size() <= kLargestMatrix) {
      sums.matrix.resize(row_.size() * row_.size());
      gather(banyan, row_.data(), sums.matrix.data(), row_.size() * sizeof(uint64_t));
    }
  }
  for (const Figures& one : all) {
    for (size_t i = 0; i < sums.slowest_s.size(); ++i) {
      sums.slowest_s[i] = std::max(sums.slowest_s[i], one[i]);
    }
    sums.uneven_bytes += one.back() / static_cast<double>(all.size());
  }
  return sums;
}

std::optional<ObservedCommunicator> Observation::conclude(banyan_comm* banyan, int rank,
                                                          const std::string& name) const {
  if (rank != 0 && banyan == nullptr) {
    return std::nullopt;
  }
  Sums sums = sum(banyan);
  if (rank != 0) {
    return std::nullopt;
  }
  ObservedCommunicator observed{.name = name, .size = static_cast<int>(row_.size()), .calls = {}};
  for (size_t kind = 0; kind < kNumKinds; ++kind) {
    const Seen& seen = seen_[kind];
    if (seen.num_calls == 0) {
      continue;
    }
    const auto num_calls = static_cast<double>(seen.num_calls);
    ObservedCalls calls{.form = kind == kUneven ? "alltoallv" : "alltoall",
                        .num_calls = seen.num_calls,
                        .bytes_per_pair = (kind == kUneven ? sums.uneven_bytes : seen.bytes_per_pair) / num_calls,
                        .mpi_mean_s = sums.slowest_s[2 * kind] / num_calls,
                        .mpi_fastest_s = sums.slowest_s[2 * kind + 1],
                        .algorithm = {}};
    if (kind != kUneven) {
      predict(calls, banyan, nullptr);
    } else if (!sums.matrix.empty()) {
      std::for_each(sums.matrix.begin(), sums.matrix.end(), [&](uint64_t& bytes) { bytes /= seen.num_calls; });
      predict(calls, banyan, sums.matrix.data());
    }
    observed.calls.push_back(std::move(calls));
  }
  return observed;
}

}  // namespace banyan::preload
