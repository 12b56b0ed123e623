// SPDX-License-Identifier: Apache-2.0
// Forms that are MPI's own: counted and passed on. Nonblocking here; forwarded_persistent.cpp has the others.
#include <banyan/banyan.h>
#include <mpi.h>

#include "mpi/taken.hpp"

using banyan::preload::leave;
using banyan::preload::Path;

extern "C" {

BANYAN_API int MPI_Ialltoall(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                             MPI_Datatype recvtype, MPI_Comm comm, MPI_Request* request) {
  leave(Path::kMpiNonblocking, "MPI_Ialltoall");
  return PMPI_Ialltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

BANYAN_API int MPI_Ialltoallv(const void* sendbuf, const int* sendcounts, const int* sdispls, MPI_Datatype sendtype,
                              void* recvbuf, const int* recvcounts, const int* rdispls, MPI_Datatype recvtype,
                              MPI_Comm comm, MPI_Request* request) {
  leave(Path::kMpiNonblocking, "MPI_Ialltoallv");
  return PMPI_Ialltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm, request);
}

BANYAN_API int MPI_Ialltoallw(const void* sendbuf, const int* sendcounts, const int* sdispls,
                              const MPI_Datatype* sendtypes, void* recvbuf, const int* recvcounts, const int* rdispls,
                              const MPI_Datatype* recvtypes, MPI_Comm comm, MPI_Request* request) {
  leave(Path::kMpiNonblocking, "MPI_Ialltoallw");
  return PMPI_Ialltoallw(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm,
                         request);
}

}  // extern "C"
