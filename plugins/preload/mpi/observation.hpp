// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>
#include <mpi.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mpi/call.hpp"

namespace banyan::preload {

/// Calls of one kind on one communicator, and what Banyan would have made of them.
struct ObservedCalls {
  std::string form;  ///< "alltoall", or "alltoallv" for calls whose blocks differ
  uint64_t num_calls = 0;
  double bytes_per_pair = 0;  ///< mean
  double mpi_mean_s = 0;      ///< per call, of the slowest rank, with its waiting for others
  double mpi_fastest_s = 0;   ///< fastest call, of the slowest rank
  std::string algorithm;      ///< that Banyan would have chosen; empty where it could not be asked
  double predicted_s = 0;
  double lower_bound_s = 0;
  bool measured = false;  ///< from a profile, not from nominal speeds

  /// Seconds that Banyan would have saved in all calls, against MPI's fastest: less than 0 if it is slower.
  [[nodiscard]] double gain_s() const noexcept {
    return static_cast<double>(num_calls) * (mpi_fastest_s - predicted_s);
  }
};

struct ObservedCommunicator {
  std::string name;  ///< MPI's, often empty
  int size = 0;
  std::vector<ObservedCalls> calls;
};

/// What one rank sees of the calls of a communicator. One thread at a time.
class Observation {
 public:
  explicit Observation(int size) : row_(static_cast<size_t>(size)) {}

  /// A call that took so long on this rank. Throws Failure.
  void add(const Call& call, double seconds);

  /// Collective over the ranks of `banyan`, which plans too, and without MPI. On rank 0, what all ranks saw of the
  /// communicator of this name. Where `banyan` is NULL: what rank 0 saw, by itself. Throws Failure.
  std::optional<ObservedCommunicator> conclude(banyan_comm* banyan, int rank, const std::string& name) const;

 private:
  struct Seen {
    uint64_t num_calls = 0;
    double bytes_per_pair = 0;  ///< summed over calls
    double total_s = 0;
    double fastest_s = 0;

    void add(double bytes, double seconds) noexcept;
  };
  /// Kinds of calls: blocks that are alike, of 0 bytes, of 1, of up to 2, of up to 4, ...; blocks that are not.
  static constexpr size_t kUneven = 48, kNumKinds = kUneven + 1;
  /// Total and fastest of each kind, and bytes_per_pair of the last.
  using Figures = std::array<double, 2 * kNumKinds + 1>;
  struct Sums {
    std::array<double, 2 * kNumKinds> slowest_s{};  ///< total and fastest of each kind
    double uneven_bytes = 0;                        ///< mean over ranks
    std::vector<uint64_t> matrix;                   ///< of uneven calls; empty for very many ranks
  };
  [[nodiscard]] Sums sum(banyan_comm* banyan) const;

  std::array<Seen, kNumKinds> seen_{};
  std::vector<uint64_t> row_;  ///< bytes to each rank, in all uneven calls
};

}  // namespace banyan::preload
