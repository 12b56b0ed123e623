// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <mutex>
#include <string>
#include <vector>

#include "mpi/counterpart.hpp"

namespace banyan::preload {

/// The counterparts of this process. One object, which registry() makes in MPI_Init, or at the first all-to-all of a
/// program whose MPI_Init it did not see. Any thread; the lock is never held while a rank waits for another.
class Registry {
 public:
  Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// To be called once for each all-to-all of `comm`: collective, since it may make the counterpart, or the Banyan
  /// communicator of it. The counterpart; nullptr if the all-to-all of `comm`
  /// is MPI's and not observed, which is so on all its ranks or on none.
  Counterpart* find_or_make(MPI_Comm comm);
  /// Retires the counterpart of `comm`, if it has one, before `comm` is freed.
  void retire(MPI_Comm comm);
  /// A communicator of this process alone, to which no message is ever sent. Its errors are returned. Of a rank without
  /// it no communicator is ever Banyan's.
  [[nodiscard]] MPI_Comm local() const noexcept { return local_; }

 private:
  void make_local();
  static int on_comm_delete(MPI_Comm comm, int key, void* counterpart, void* registry);
  static int on_finalize(MPI_Comm self, int key, void* unused, void* registry);
  [[nodiscard]] Counterpart* find(MPI_Comm comm) const;
  void retire(Counterpart& counterpart) noexcept;
  void retire_all() noexcept;
  void await_departures() noexcept;
  void report() noexcept;
  void forget(Counterpart* counterpart) noexcept;

  MPI_Comm local_ = MPI_COMM_NULL;
  std::string broken_;  ///< why this rank votes against Banyan, if it does
  int key_ = MPI_KEYVAL_INVALID;
  std::mutex mutex_;
  std::vector<ObservedCommunicator> observed_;
  uint64_t num_not_kept_ = 0;               ///< observed communicators beyond what is kept
  std::vector<Counterpart*> counterparts_;  ///< each owned by its communicator, which deletes it
  bool finalized_ = false;
};

/// Made at the first call, never destroyed: MPI may be used until the process ends. MPI must be initialised.
Registry& registry();
/// Whether registry() was ever called.
bool has_registry() noexcept;

}  // namespace banyan::preload
