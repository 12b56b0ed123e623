// SPDX-License-Identifier: Apache-2.0
// The functions that take the place of MPI's: the blocking all-to-alls, MPI_Init and MPI_Init_thread, and MPI_Comm_free
// and MPI_Comm_disconnect, by which a communicator's counterpart ends in good time. MPICH's Fortran calls them; Open
// MPI's does not, see fortran_openmpi.cpp. interpose_large.cpp has those with large counts.
#include <banyan/banyan.h>
#include <dlfcn.h>
#include <mpi.h>

#include "mpi/call.hpp"
#include "mpi/taken.hpp"

using banyan::preload::arm;
using banyan::preload::call_of;
using banyan::preload::retire;
using banyan::preload::serve;

namespace {

/// The function that would have been called without this library: a tool's, which begins its work there, or MPI's own.
template <class Function>
Function next(const char* name, Function own) {
  void* found = ::dlsym(RTLD_NEXT, name);
  return found != nullptr ? reinterpret_cast<Function>(found) : own;
}

}  // namespace

extern "C" {

BANYAN_API int MPI_Init(int* argc, char*** argv) {
  const int code = next("MPI_Init", PMPI_Init)(argc, argv);
  if (code == MPI_SUCCESS) {
    arm();
  }
  return code;
}

BANYAN_API int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  const int code = next("MPI_Init_thread", PMPI_Init_thread)(argc, argv, required, provided);
  if (code == MPI_SUCCESS) {
    arm();
  }
  return code;
}

BANYAN_API int MPI_Alltoall(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                            MPI_Datatype recvtype, MPI_Comm comm) {
  return serve(
      comm,
      call_of(sendbuf, {.count = sendcount, .type = sendtype}, recvbuf, {.count = recvcount, .type = recvtype}, true),
      [&] { return PMPI_Alltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm); });
}

BANYAN_API int MPI_Alltoallv(const void* sendbuf, const int* sendcounts, const int* sdispls, MPI_Datatype sendtype,
                             void* recvbuf, const int* recvcounts, const int* rdispls, MPI_Datatype recvtype,
                             MPI_Comm comm) {
  return serve(comm,
               call_of(sendbuf, {.counts = sendcounts, .displs = sdispls, .type = sendtype}, recvbuf,
                       {.counts = recvcounts, .displs = rdispls, .type = recvtype}),
               [&] {
                 return PMPI_Alltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype,
                                       comm);
               });
}

BANYAN_API int MPI_Alltoallw(const void* sendbuf, const int* sendcounts, const int* sdispls,
                             const MPI_Datatype* sendtypes, void* recvbuf, const int* recvcounts, const int* rdispls,
                             const MPI_Datatype* recvtypes, MPI_Comm comm) {
  return serve(comm,
               call_of(sendbuf, {.counts = sendcounts, .displs = sdispls, .types = sendtypes}, recvbuf,
                       {.counts = recvcounts, .displs = rdispls, .types = recvtypes}),
               [&] {
                 return PMPI_Alltoallw(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes,
                                       comm);
               });
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
BANYAN_API uint64_t banyan_preload_calls() { return banyan::preload::counted(banyan::preload::Path::kBanyan); }

/// How many of its all-to-alls were left to MPI, of all forms.
BANYAN_API uint64_t banyan_preload_calls_left() {
  using banyan::preload::counted;
  using banyan::preload::Path;
  return counted(Path::kMpi) + counted(Path::kMpiNonblocking) + counted(Path::kMpiPersistent);
}

}  // extern "C"
