// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace banyan::perf {

/// Throws Failure with the call's name and MPI's own text unless `code` is MPI_SUCCESS.
void require_mpi(int code, const char* call);

/// MPI and its tool interface, from the first to the last line of main. One thread.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] static std::string version();

 private:
  int rank_ = 0;
  int size_ = 1;
};

/// Runs a program's body. An exception ends all ranks, which may wait for this one, with its text on stderr and the
/// exit code of its kind. A UsageError is every rank's, found from the same options: rank 0 says it.
[[nodiscard]] int guarded(const char* program, const MpiSession& session, const std::function<int()>& body);

/// A communicator of the caller's own, with errors returned instead of aborting.
class MpiComm {
 public:
  explicit MpiComm(MPI_Comm parent);
  /// Of the ranks of MPI_COMM_WORLD that name the same colour, in their order. Collective over all.
  [[nodiscard]] static MpiComm of_colour(int colour);
  ~MpiComm();
  MpiComm(MpiComm&& other) noexcept;
  MpiComm(const MpiComm&) = delete;
  MpiComm& operator=(const MpiComm&) = delete;
  MpiComm& operator=(MpiComm&&) = delete;

  [[nodiscard]] MPI_Comm get() const noexcept { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

/// Collective over MPI_COMM_WORLD.
void barrier();
[[nodiscard]] double max_over_ranks(double value);
/// Element by element; equal length on all ranks.
[[nodiscard]] std::vector<double> max_over_ranks(const std::vector<double>& values);
[[nodiscard]] uint64_t sum_over_ranks(uint64_t value);
/// The value of rank 0 on all ranks.
[[nodiscard]] double from_rank_zero(double value);
/// Every rank's host name, by rank.
[[nodiscard]] std::vector<std::string> gather_hostnames();
/// Index of every rank's host, by rank: ranks that share memory are on one host (MPI_COMM_TYPE_SHARED).
[[nodiscard]] std::vector<int> gather_hosts();

}  // namespace banyan::perf
