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

/// A matrix of all ranks' traffic comes together on one rank.
constexpr int kLargestMatrix = 1024;

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

std::string name_of(MPI_Comm comm) {
  std::array<char, MPI_MAX_OBJECT_NAME> name{};
  int length = 0;
  check_mpi(PMPI_Comm_get_name(comm, name.data(), &length), "MPI_Comm_get_name");
  return name.data();
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

Observation::Sums Observation::sum(MPI_Comm comm) const {
  int rank = 0;
  const auto size = static_cast<int>(row_.size());
  check_mpi(PMPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  // Kinds of calls in a fixed order: no rank has to tell which it saw.
  Sums sums;
  std::array<double, 2 * kNumKinds> mine{};
  for (size_t kind = 0; kind < kNumKinds; ++kind) {
    mine[2 * kind] = seen_[kind].total_s;
    mine[2 * kind + 1] = seen_[kind].fastest_s;
  }
  check_mpi(
      PMPI_Reduce(mine.data(), sums.slowest_s.data(), static_cast<int>(mine.size()), MPI_DOUBLE, MPI_MAX, 0, comm),
      "MPI_Reduce");
  check_mpi(PMPI_Reduce(&seen_[kUneven].bytes_per_pair, &sums.uneven_bytes, 1, MPI_DOUBLE, MPI_SUM, 0, comm),
            "MPI_Reduce");
  if (size <= kLargestMatrix) {
    sums.matrix.resize(rank == 0 ? row_.size() * row_.size() : 0);
    check_mpi(PMPI_Gather(row_.data(), size, MPI_UINT64_T, sums.matrix.data(), size, MPI_UINT64_T, 0, comm),
              "MPI_Gather");
  }
  sums.is_here = rank == 0;
  return sums;
}

std::optional<ObservedCommunicator> Observation::conclude(MPI_Comm comm, const banyan_comm* banyan) const {
  Sums sums = sum(comm);
  if (!sums.is_here) {
    return std::nullopt;
  }
  const auto size = static_cast<double>(row_.size());
  ObservedCommunicator observed{.name = name_of(comm), .size = static_cast<int>(row_.size()), .calls = {}};
  for (size_t kind = 0; kind < kNumKinds; ++kind) {
    const Seen& seen = seen_[kind];
    if (seen.num_calls == 0) {
      continue;
    }
    const auto num_calls = static_cast<double>(seen.num_calls);
    ObservedCalls calls{
        .form = kind == kUneven ? "alltoallv" : "alltoall",
        .num_calls = seen.num_calls,
        .bytes_per_pair = (kind == kUneven ? sums.uneven_bytes / size : seen.bytes_per_pair) / num_calls,
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
