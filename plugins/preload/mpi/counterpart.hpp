// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>
#include <mpi.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "mpi/blocks.hpp"
#include "mpi/budget.hpp"
#include "mpi/mode.hpp"
#include "mpi/observation.hpp"
#include "mpi/progress.hpp"

namespace banyan::preload {

/// The Banyan communicator of an MPI communicator, kept with that as an attribute. One thread at a time, as MPI asks of
/// the collective calls of a communicator.
class Counterpart {
 public:
  /// Collective over `owner`, which must be an intra-communicator: the ranks agree on what becomes of its calls.
  /// `wanted`: what this rank asks for. `broken`: why it can do nothing, if so.
  Counterpart(MPI_Comm owner, Mode wanted, const std::string& broken);
  /// Of a communicator whose calls are MPI's.
  Counterpart() = default;
  Counterpart(const Counterpart&) = delete;
  Counterpart& operator=(const Counterpart&) = delete;

  /// Before each call: collective. When it is Banyan's turn, all ranks get a usable counterpart, or none ever does.
  /// `local`: a communicator of this process alone.
  void begin_call(MPI_Comm local);

  /// Whether the calls are Banyan's.
  [[nodiscard]] bool usable() const noexcept { return comm_ != nullptr && !observation_; }
  /// Of a communicator whose calls are MPI's and looked at, else nullptr.
  [[nodiscard]] Observation* observation() noexcept { return observation_ ? &*observation_ : nullptr; }
  [[nodiscard]] banyan_comm* comm() const noexcept { return comm_; }
  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }
  /// What the calls of this counterpart send and receive, for exchange() to use again.
  [[nodiscard]] Blocks& send() noexcept { return send_; }
  [[nodiscard]] Blocks& recv() noexcept { return recv_; }

  /// Lets MPI move on what this process has begun. Of a usable counterpart.
  void let_mpi_progress() { progress_->make(); }

  /// Frees the Banyan communicator, and does not wait until the other ranks do. Neither usable nor observed afterwards.
  /// `keep` gets what was observed, on rank 0, when all ranks have come here, from any thread.
  void retire(const std::function<void(ObservedCommunicator)>& keep) noexcept;

 private:
  void make(MPI_Comm local);
  void say_why(const std::string& cause) const;
  [[nodiscard]] std::function<void()> conclusion(const std::function<void(ObservedCommunicator)>& keep);

  MPI_Comm owner_ = MPI_COMM_NULL;
  banyan_comm* comm_ = nullptr;
  int rank_ = 0;
  int size_ = 0;
  int64_t calls_to_come_ = 0;  ///< until it is Banyan's turn, with that; 0: it was, or will never be
  std::optional<Progress> progress_;
  Place place_;
  Blocks send_, recv_;
  std::optional<Observation> observation_;
};

}  // namespace banyan::preload
