/* SPDX-License-Identifier: Apache-2.0 */
/** A tool that watches MPI, as profilers do: loaded behind the library, it must still see where MPI begins. */
#include <mpi.h>
#include <stdio.h>

__attribute__((visibility("default"))) int MPI_Init(int* argc, char*** argv) {
  const int code = PMPI_Init(argc, argv);
  fprintf(stderr, "tool: MPI has begun\n");
  return code;
}

__attribute__((visibility("default"))) int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  const int code = PMPI_Init_thread(argc, argv, required, provided);
  fprintf(stderr, "tool: MPI has begun\n");
  return code;
}
