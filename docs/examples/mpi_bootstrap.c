/* SPDX-License-Identifier: Apache-2.0 */
/* Banyan inside an MPI program: MPI_Allgather is all that Banyan needs to find its peers. Data does not go through MPI.
 * mpirun -n 4 build/dev/docs/examples/mpi_bootstrap */
#include <limits.h>
#include <stdio.h>

#include <banyan/banyan.h>
#include <mpi.h>

/** `context` points to the communicator whose ranks take part. */
static int allgather_over_mpi(const void* sendbuf, void* recvbuf, size_t size, void* context) {
  if (size > INT_MAX) {
    return 1;
  }
  return MPI_Allgather(sendbuf, (int)size, MPI_BYTE, recvbuf, (int)size, MPI_BYTE, *(MPI_Comm*)context) != MPI_SUCCESS;
}

static int exchange(banyan_comm* comm, int rank, int size) {
  int sendbuf[64] = {0}, recvbuf[64] = {0}, peer;
  for (peer = 0; peer < size; ++peer) {
    sendbuf[peer] = 100 * rank + peer;
  }
  if (banyan_alltoall(comm, sendbuf, recvbuf, 1, sizeof(int), NULL) != BANYAN_OK) {
    fprintf(stderr, "rank %d: %s\n", rank, banyan_last_error());
    return 1;
  }
  for (peer = 0; peer < size; ++peer) {
    if (recvbuf[peer] != 100 * peer + rank) {
      return 1;
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  MPI_Comm world;
  banyan_comm* comm = NULL;
  int rank, size, wrong = 1;
  MPI_Init(&argc, &argv);
  MPI_Comm_dup(MPI_COMM_WORLD, &world); /* our messages do not meet the program's own */
  MPI_Comm_rank(world, &rank);
  MPI_Comm_size(world, &size);
  if (size > 64) {
    fprintf(stderr, "this example has room for 64 ranks\n");
  } else if (banyan_comm_create(rank, size, allgather_over_mpi, &world, NULL, &comm) != BANYAN_OK) {
    fprintf(stderr, "rank %d: %s\n", rank, banyan_last_error());
  } else {
    wrong = exchange(comm, rank, size);
    wrong |= banyan_comm_destroy(comm) != BANYAN_OK;
    printf("rank %d of %d: %s\n", rank, size, wrong ? "wrong" : "right");
  }
  MPI_Comm_free(&world);
  MPI_Finalize();
  return wrong;
}
