// SPDX-License-Identifier: Apache-2.0
// Persistent forms, which are MPI's own: counted and passed on. An extension of Open MPI 4 has them before MPI 4 does.
#include <banyan/banyan.h>
#include <mpi.h>
#ifdef OPEN_MPI
#include <mpi-ext.h>
#endif

#include "mpi/taken.hpp"

using banyan::preload::leave;
using banyan::preload::Path;

extern "C" {

#if MPI_VERSION >= 4

BANYAN_API int MPI_Alltoall_init(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf,
                                 int recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                                 MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPI_Alltoall_init");
  return PMPI_Alltoall_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info, request);
}

BANYAN_API int MPI_Alltoallv_init(const void* sendbuf, const int* sendcounts, const int* sdispls, MPI_Datatype sendtype,
                                  void* recvbuf, const int* recvcounts, const int* rdispls, MPI_Datatype recvtype,
                                  MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPI_Alltoallv_init");
  return PMPI_Alltoallv_init(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm, info,
                             request);
}

BANYAN_API int MPI_Alltoallw_init(const void* sendbuf, const int* sendcounts, const int* sdispls,
                                  const MPI_Datatype* sendtypes, void* recvbuf, const int* recvcounts,
                                  const int* rdispls, const MPI_Datatype* recvtypes, MPI_Comm comm, MPI_Info info,
                                  MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPI_Alltoallw_init");
  return PMPI_Alltoallw_init(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm,
                             info, request);
}

#elif defined OMPI_HAVE_MPI_EXT_PCOLLREQ

BANYAN_API int MPIX_Alltoall_init(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf,
                                  int recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                                  MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPIX_Alltoall_init");
  return PMPIX_Alltoall_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info, request);
}

BANYAN_API int MPIX_Alltoallv_init(const void* sendbuf, const int* sendcounts, const int* sdispls,
                                   MPI_Datatype sendtype, void* recvbuf, const int* recvcounts, const int* rdispls,
                                   MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPIX_Alltoallv_init");
  return PMPIX_Alltoallv_init(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm,
                              info, request);
}

BANYAN_API int MPIX_Alltoallw_init(const void* sendbuf, const int* sendcounts, const int* sdispls,
                                   const MPI_Datatype* sendtypes, void* recvbuf, const int* recvcounts,
                                   const int* rdispls, const MPI_Datatype* recvtypes, MPI_Comm comm, MPI_Info info,
                                   MPI_Request* request) {
  leave(Path::kMpiPersistent, "MPIX_Alltoallw_init");
  return PMPIX_Alltoallw_init(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm,
                              info, request);
}

#endif

}  // extern "C"
