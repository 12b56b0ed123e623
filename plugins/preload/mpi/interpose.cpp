// SPDX-License-Identifier: Apache-2.0
// The functions that take the place of MPI's: MPI_Alltoall, MPI_Alltoallv, and MPI_Comm_free and MPI_Comm_disconnect,
// by which a communicator's counterpart ends in good time. MPICH's Fortran calls them; Open MPI's does not, see
// fortran_openmpi.cpp.
#include <banyan/banyan.h>
#include <mpi.h>

#include <algorithm>
#include <exception>

#include "mpi/exchange.hpp"
#include "mpi/failure.hpp"
#include "mpi/mode.hpp"
#include "mpi/registry.hpp"

namespace banyan::preload {
namespace {

/// Whether a side's arguments are in themselves as MPI wants them; what is not is MPI's to report.
bool is_sound(const Side& side) { return side.type != MPI_DATATYPE_NULL && side.count >= 0; }

/// MPICH takes displacements that are absent where all counts are 0.
bool has_sound_counts(const Side& side, int size) {
  return side.counts == nullptr || std::all_of(side.counts, side.counts + size, [&](int count) {
           return count == 0 || (count > 0 && side.displs != nullptr);
         });
}

/// A program may have sessions only, and then has no MPI_COMM_SELF, which the registry needs.
bool is_world_there() {
  int initialized = 0;
  return has_registry() || (PMPI_Initialized(&initialized) == MPI_SUCCESS && initialized != 0);
}

/// Makes the exchange if it is Banyan's to make; false if it is MPI's.
bool exchanged(MPI_Comm comm, Call call, int& code) {
  if (comm == MPI_COMM_NULL || !is_world_there() || mode() == Mode::kOtherMpi) {
    return false;
  }
  if (call.in_place) {
    call.send = call.recv;
  }
  if (!is_sound(call.send) || !is_sound(call.recv)) {
    return false;
  }
  try {
    Counterpart* counterpart = registry().find_or_make(comm);
    if (counterpart == nullptr || !has_sound_counts(call.send, counterpart->size()) ||
        !has_sound_counts(call.recv, counterpart->size())) {
      return false;
    }
    exchange(*counterpart, call, registry().local());
    code = MPI_SUCCESS;
  } catch (const std::exception& error) {
    code = raise_error(comm, error.what());
  }
  return true;
}

void retire(const MPI_Comm* comm) {
  if (!has_registry() || comm == nullptr || *comm == MPI_COMM_NULL) {
    return;
  }
  try {
    registry().retire(*comm);
  } catch (const std::exception&) {
    return;  // MPI reports what is wrong with the communicator
  }
}

}  // namespace
}  // namespace banyan::preload

using banyan::preload::exchanged;
using banyan::preload::retire;

extern "C" {

BANYAN_API int MPI_Alltoall(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                            MPI_Datatype recvtype, MPI_Comm comm) {
  int code = MPI_SUCCESS;
  if (exchanged(comm,
                {.send = {.buffer = const_cast<void*>(sendbuf), .count = sendcount, .type = sendtype},
                 .recv = {.buffer = recvbuf, .count = recvcount, .type = recvtype},
                 .in_place = sendbuf == MPI_IN_PLACE,
                 .uniform = true},
                code)) {
    return code;
  }
  return PMPI_Alltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);
}

BANYAN_API int MPI_Alltoallv(const void* sendbuf, const int* sendcounts, const int* sdispls, MPI_Datatype sendtype,
                             void* recvbuf, const int* recvcounts, const int* rdispls, MPI_Datatype recvtype,
                             MPI_Comm comm) {
  int code = MPI_SUCCESS;
  if (exchanged(
          comm,
          {.send = {.buffer = const_cast<void*>(sendbuf), .counts = sendcounts, .displs = sdispls, .type = sendtype},
           .recv = {.buffer = recvbuf, .counts = recvcounts, .displs = rdispls, .type = recvtype},
           .in_place = sendbuf == MPI_IN_PLACE,
           .uniform = false},
          code)) {
    return code;
  }
  return PMPI_Alltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm);
}

BANYAN_API int MPI_Comm_free(MPI_Comm* comm) {
  retire(comm);
  return PMPI_Comm_free(comm);
}

BANYAN_API int MPI_Comm_disconnect(MPI_Comm* comm) {
  retire(comm);
  return PMPI_Comm_disconnect(comm);
}

/// How many exchanges of this process went through Banyan; for tests, found with dlsym.
BANYAN_API uint64_t banyan_preload_calls() { return banyan::preload::num_exchanges(); }

}  // extern "C"
