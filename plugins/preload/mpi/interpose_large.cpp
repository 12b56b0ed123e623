// SPDX-License-Identifier: Apache-2.0
// The blocking all-to-alls with large counts, of MPI 4.
#include <banyan/banyan.h>
#include <mpi.h>

#include "mpi/call.hpp"
#include "mpi/taken.hpp"

#if MPI_VERSION >= 4

using banyan::preload::call_of;
using banyan::preload::serve;

extern "C" {

BANYAN_API int MPI_Alltoall_c(const void* sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void* recvbuf,
                              MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm) {
  return serve(
      comm,
      call_of(sendbuf, {.count = sendcount, .type = sendtype}, recvbuf, {.count = recvcount, .type = recvtype}, true),
      [&] { return PMPI_Alltoall_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm); });
}

BANYAN_API int MPI_Alltoallv_c(const void* sendbuf, const MPI_Count* sendcounts, const MPI_Aint* sdispls,
                               MPI_Datatype sendtype, void* recvbuf, const MPI_Count* recvcounts,
                               const MPI_Aint* rdispls, MPI_Datatype recvtype, MPI_Comm comm) {
  return serve(comm,
               call_of(sendbuf, {.counts = sendcounts, .displs = sdispls, .type = sendtype}, recvbuf,
                       {.counts = recvcounts, .displs = rdispls, .type = recvtype}),
               [&] {
                 return PMPI_Alltoallv_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype,
                                         comm);
               });
}

BANYAN_API int MPI_Alltoallw_c(const void* sendbuf, const MPI_Count* sendcounts, const MPI_Aint* sdispls,
                               const MPI_Datatype* sendtypes, void* recvbuf, const MPI_Count* recvcounts,
                               const MPI_Aint* rdispls, const MPI_Datatype* recvtypes, MPI_Comm comm) {
  return serve(comm,
               call_of(sendbuf, {.counts = sendcounts, .displs = sdispls, .types = sendtypes}, recvbuf,
                       {.counts = recvcounts, .displs = rdispls, .types = recvtypes}),
               [&] {
                 return PMPI_Alltoallw_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls,
                                         recvtypes, comm);
               });
}

}  // extern "C"

#endif
