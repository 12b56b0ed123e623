// SPDX-License-Identifier: Apache-2.0
// The same with large counts, of MPI 4.
#include <banyan/banyan.h>
#include <mpi.h>

#include "mpi/taken.hpp"

#if MPI_VERSION >= 4

using banyan::preload::leave;
using banyan::preload::Path;

extern "C" {

BANYAN_API int MPI_Ialltoall_c(const void* sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void* recvbuf,
                               MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request* request) {
  leave(Path::kMpiNonblocking, "MPI_Ialltoall_c");
  return PMPI_Ialltoall_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

BANYAN_API int MPI_Ialltoallv_c(const void* sendbuf, const MPI_Count* sendcounts, const MPI_Aint* sdispls,
                                MPI_Datatype sendtype, void* recvbuf, const MPI_Count* recvcounts,
                                const MPI_Aint* rdispls, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request* request) {
  leave(Path::kMpiNonblocking, "MPI_Ialltoallv_c");
  return PMPI_Ialltoallv_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm,
                           request);
}

BANYAN_API int MPI_Ialltoallw_c(const void* sendbuf, const MPI_Count* sendcounts, const MPI_Aint* sdispls,
                                const MPI_Datatype* sendtypes, void* recvbuf, const MPI_Count* recvcounts,
                                const MPI_Aint* rdispls, const MPI_Datatype* recvtypes, MPI_Comm comm,
                                MPI_Request* request) {
  leave(Path::kMpiNonblocking, "MPI_Ialltoallw_c");
  return PMPI_Ialltoallw_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm,
                           request);
}

BANYAN_API int MPI_Alltoall_init_c(const void* sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void* recvbuf,
                                   MPI_Count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                                   MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPI_Alltoall_init_c");
  return PMPI_Alltoall_init_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info, request);
}

BANYAN_API int MPI_Alltoallv_init_c(const void* sendbuf, const MPI_Count* sendcounts, const MPI_Aint* sdispls,
                                    MPI_Datatype sendtype, void* recvbuf, const MPI_Count* recvcounts,
                                    const MPI_Aint* rdispls, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                                    MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPI_Alltoallv_init_c");
  return PMPI_Alltoallv_init_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm,
                               info, request);
}

BANYAN_API int MPI_Alltoallw_init_c(const void* sendbuf, const MPI_Count* sendcounts, const MPI_Aint* sdispls,
                                    const MPI_Datatype* sendtypes, void* recvbuf, const MPI_Count* recvcounts,
                                    const MPI_Aint* rdispls, const MPI_Datatype* recvtypes, MPI_Comm comm,
                                    MPI_Info info, MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPI_Alltoallw_init_c");
  return PMPI_Alltoallw_init_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm,
                               info, request);
}

}  // extern "C"

#endif
