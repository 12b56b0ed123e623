// SPDX-License-Identifier: Apache-2.0
#include "mpi/exchange.hpp"

#include <exception>
#include <new>
#include <string>

#include "mpi/failure.hpp"
#include "mpi/tally.hpp"

namespace banyan::preload {
namespace {

struct Waiting {
  Counterpart& counterpart;
  std::exception_ptr failure;  ///< of MPI
};

/// MPI promises that a rank in a blocking call still serves what it began before: a peer may wait for just that before
/// it comes to this exchange.
int let_mpi_progress(void* context) noexcept {
  auto& waiting = *static_cast<Waiting*>(context);
  try {
    waiting.counterpart.let_mpi_progress();
    return 0;
  } catch (const std::exception& error) {
    banyan_comm_abort(waiting.counterpart.comm(), error.what());
    waiting.failure = std::current_exception();
    return 1;
  }
}

banyan_status exchange_bytes(banyan_comm* comm, const Blocks& send, const Blocks& recv, bool uniform,
                             const banyan_alltoall_options& options) {
  if (!uniform) {
    return banyan_alltoallv(comm, send.base(), send.bytes().data(), send.offsets().data(), recv.base(),
                            recv.bytes().data(), recv.offsets().data(), 1, &options);
  }
  if (send.bytes()[0] != recv.bytes()[0]) {  // Banyan takes one size for both
    throw Failure("a rank sends " + std::to_string(send.bytes()[0]) + " bytes to each rank and expects " +
                  std::to_string(recv.bytes()[0]) + " from each");
  }
  return banyan_alltoall(comm, send.base(), recv.base(), send.bytes()[0], 1, &options);
}

void move(Counterpart& counterpart, const Blocks& send, const Blocks& recv, bool uniform) {
  Waiting waiting{counterpart, nullptr};
  banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
  options.while_waiting = let_mpi_progress;
  options.waiting_context = &waiting;
  const banyan_status status = exchange_bytes(counterpart.comm(), send, recv, uniform, options);
  if (waiting.failure != nullptr) {
    std::rethrow_exception(waiting.failure);
  }
  if (status != BANYAN_OK) {
    throw Failure(banyan_last_error());
  }
}

void exchange_blocks(Counterpart& counterpart, const Call& call, MPI_Comm local) {
  Blocks& send = counterpart.send();
  Blocks& recv = counterpart.recv();
  send.lay_out(call.send, counterpart.size(), call.in_place);
  recv.lay_out(call.recv, counterpart.size(), false);
  send.pack(local);
  move(counterpart, send, recv, call.uniform);
  recv.unpack(local);
  send.clear();
  recv.clear();
}

/// The peers fail too, and no later call of the counterpart will use its copies.
void give_up(Counterpart& counterpart, const char* cause) noexcept {
  banyan_comm_abort(counterpart.comm(), cause);
  counterpart.send().clear();
  counterpart.recv().clear();
}

}  // namespace

void exchange(Counterpart& counterpart, const Call& call, MPI_Comm local) {
  try {
    exchange_blocks(counterpart, call, local);
  } catch (const Failure& failure) {
    give_up(counterpart, failure.what());
    throw;
  } catch (const std::bad_alloc&) {
    give_up(counterpart, "no memory for a copy of what is exchanged");
    throw Failure("no memory for a copy of what is exchanged");
  }
  count(Path::kBanyan);
}

}  // namespace banyan::preload
