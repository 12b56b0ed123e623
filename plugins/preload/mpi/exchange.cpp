// SPDX-License-Identifier: Apache-2.0
#include "mpi/exchange.hpp"

#include <sched.h>

#include <memory>
#include <new>
#include <string>

#include "mpi/failure.hpp"
#include "mpi/tally.hpp"

namespace banyan::preload {
namespace {

/// Looks at the exchange between looks at MPI, and before the first: most exchanges of a host end within it.
constexpr unsigned kRoundsBetweenMpi = 32;
/// Looks at the exchange before the core is offered to others each time, when there are enough cores.
constexpr unsigned kRoundsBeforeYield = 2000;

struct FreeRequest {
  void operator()(banyan_request* request) const noexcept { banyan_request_free(request); }
};
using Request = std::unique_ptr<banyan_request, FreeRequest>;

void check(banyan_status status) {
  if (status != BANYAN_OK) {
    throw Failure(banyan_last_error());
  }
}

Request prepare(banyan_comm* comm, const Blocks& send, const Blocks& recv, bool uniform) {
  banyan_request* request = nullptr;
  if (uniform) {
    if (send.bytes()[0] != recv.bytes()[0]) {  // Banyan takes one size for both
      throw Failure("a rank sends " + std::to_string(send.bytes()[0]) + " bytes to each rank and expects " +
                    std::to_string(recv.bytes()[0]) + " from each");
    }
    check(banyan_alltoall_init(comm, send.base(), recv.base(), send.bytes()[0], 1, nullptr, &request));
  } else {
    check(banyan_alltoallv_init(comm, send.base(), send.bytes().data(), send.offsets().data(), recv.base(),
                                recv.bytes().data(), recv.offsets().data(), 1, nullptr, &request));
  }
  return Request(request);
}

/// MPI promises that a rank in a blocking call still serves what it began before: a peer may wait for just that before
/// it comes to this exchange.
void run(banyan_request* request, Counterpart& counterpart) {
  check(banyan_request_start(request));
  for (unsigned round = 1;; ++round) {
    const banyan_status status = banyan_request_test(request);
    if (status != BANYAN_IN_PROGRESS) {
      check(status);
      return;
    }
    if (round % kRoundsBetweenMpi == 0) {
      counterpart.let_mpi_progress();
    }
    if (counterpart.yields() || round > kRoundsBeforeYield) {
      ::sched_yield();
    }
  }
}

void exchange_blocks(Counterpart& counterpart, const Call& call, MPI_Comm local) {
  Blocks& send = counterpart.send();
  Blocks& recv = counterpart.recv();
  send.lay_out(call.send, counterpart.size(), call.in_place);
  recv.lay_out(call.recv, counterpart.size(), false);
  send.pack(local);
  const Request request = prepare(counterpart.comm(), send, recv, call.uniform);
  try {
    run(request.get(), counterpart);
  } catch (const Failure& failure) {
    banyan_comm_abort(counterpart.comm(), failure.what());  // a request that goes on cannot be freed
    throw;
  }
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
