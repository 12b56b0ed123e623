/* SPDX-License-Identifier: Apache-2.0 */
/* Makes an all-to-all after MPI_Finalize: a mistake, which MPI reports under the name that the program called. */
#include <mpi.h>

int main(int argc, char** argv) {
  int sent[64] = {0}, received[64] = {0};
  MPI_Init(&argc, &argv);
  MPI_Alltoall(sent, 1, MPI_INT, received, 1, MPI_INT, MPI_COMM_WORLD);
  MPI_Finalize();
  MPI_Alltoall(sent, 1, MPI_INT, received, 1, MPI_INT, MPI_COMM_WORLD);
  return 0;
}
