/* SPDX-License-Identifier: Apache-2.0 */
/* MPI_Alltoall of known size over the lab: checks the data, that the ranks see more than one host, and prints
 * what a node sent out.  Used by "banyan-lab selftest". */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBytesPerPair = 1 << 20, kRounds = 3 };

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank, size, local_size;
  MPI_Comm host;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host);
  MPI_Comm_size(host, &local_size);

  char* send = malloc((size_t)kBytesPerPair * (size_t)size);
  char* receive = malloc((size_t)kBytesPerPair * (size_t)size);
  memset(send, rank, (size_t)kBytesPerPair * (size_t)size);
  double best_s = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    memset(receive, -1, (size_t)kBytesPerPair * (size_t)size);
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    MPI_Alltoall(send, kBytesPerPair, MPI_BYTE, receive, kBytesPerPair, MPI_BYTE, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    double elapsed = MPI_Wtime() - start;
    best_s = elapsed < best_s ? elapsed : best_s;
  }

  int wrong = 0, wrong_anywhere = 0;
  for (int source = 0; source < size; ++source) {
    for (size_t offset = 0; offset < kBytesPerPair; ++offset) {
      wrong |= receive[(size_t)source * kBytesPerPair + offset] != (char)source;
    }
  }
  MPI_Reduce(&wrong, &wrong_anywhere, 1, MPI_INT, MPI_MAX, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    double sent_bits = 8.0 * kBytesPerPair * local_size * (size - local_size);
    printf("ranks %d, on this host %d, node egress %.0f Mbit/s, data %s\n", size, local_size, sent_bits / best_s / 1e6,
           wrong_anywhere ? "WRONG" : "right");
  }
  int failed = rank == 0 && (wrong_anywhere || local_size == size);
  MPI_Comm_free(&host);
  free(send);
  free(receive);
  MPI_Finalize();
  return failed;
}
