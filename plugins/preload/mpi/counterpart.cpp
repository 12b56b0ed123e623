// SPDX-License-Identifier: Apache-2.0
#include "mpi/counterpart.hpp"

#include <atomic>
#include <random>
#include <string>

#include "mpi/agreement.hpp"
#include "mpi/crowding.hpp"
#include "mpi/failure.hpp"
#include "mpi/notice.hpp"

namespace banyan::preload {
namespace {

int64_t random_number() {
  std::random_device device;
  return static_cast<int64_t>((uint64_t{device()} << 31) ^ device());
}

void say_once(const std::string& text) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  if (!said.test_and_set()) {
    say(text);
  }
}

}  // namespace

Counterpart::Counterpart(MPI_Comm owner, Mode wanted, MPI_Comm local) : owner_(owner) {
  check_mpi(PMPI_Comm_rank(owner, &rank_), "MPI_Comm_rank");
  check_mpi(PMPI_Comm_size(owner, &size_), "MPI_Comm_size");
  if (size_ == 1) {
    return;
  }
  Agreement agreement(owner);
  if (agreement.agree_on_mode(wanted) == Mode::kOn) {
    comm_ = agreement.make();
  }
  if (comm_ == nullptr) {
    if (rank_ == 0 && !agreement.cause().empty()) {
      say_once("MPI's own all-to-all serves a communicator of " + std::to_string(size_) + " ranks, because Banyan's " +
               "could not be made: " + agreement.cause());
    }
    return;
  }
  identity_ = random_number();
  check_mpi(PMPI_Bcast(&identity_, 1, MPI_INT64_T, 0, owner), "MPI_Bcast");
  yields_ = outnumber_cores(owner);
  check_mpi(PMPI_Irecv(nullptr, 0, MPI_BYTE, 0, 0, local, &never_), "MPI_Irecv");
}

void Counterpart::let_mpi_progress() {
  // Not MPI_Iprobe: MPICH 4.0 answers it for a process alone without a look at anything else.
  int done = 0;
  check_mpi(PMPI_Test(&never_, &done, MPI_STATUS_IGNORE), "MPI_Test");
}

void Counterpart::retire() noexcept {
  if (comm_ == nullptr) {
    return;
  }
  // A rank that waits for its peers in Banyan does not serve MPI's messages, on which they may still depend: they meet
  // in MPI first.
  PMPI_Barrier(owner_);
  banyan_comm_destroy(comm_);
  comm_ = nullptr;
  PMPI_Cancel(&never_);
  PMPI_Wait(&never_, MPI_STATUS_IGNORE);
}

}  // namespace banyan::preload
