// SPDX-License-Identifier: Apache-2.0
// Starts two processes of itself without the LD_PRELOAD library and makes all-to-alls with
// them: MPI's; those of the ranks that were started together are Banyan's.
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "program.hpp"

namespace {

/// Each rank sends its rank.
bool exchange(MPI_Comm comm) {
  int rank = -1, size = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  std::vector<int> sent(static_cast<size_t>(size), rank), received(sent.size(), -1);
  MPI_Alltoall(sent.data(), 1, MPI_INT, received.data(), 1, MPI_INT, comm);
  bool right = true;
  for (int i = 0; i < size; ++i) {
    right = right && received[static_cast<size_t>(i)] == i;
  }
  return right;
}

/// False, and said, where the MPI starts no processes: MPICH over UCX.
bool start_two(const char* program, MPI_Comm& across) {
#ifdef MPICH
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
#endif
  const int code =
      MPI_Comm_spawn(program, MPI_ARGV_NULL, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &across, MPI_ERRCODES_IGNORE);
  if (code != MPI_SUCCESS) {
    std::printf("SKIP: this MPI cannot start processes\n");
  }
  return code == MPI_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm across = MPI_COMM_NULL, all = MPI_COMM_NULL;
  MPI_Comm_get_parent(&across);
  const bool is_child = across != MPI_COMM_NULL;
  if (!is_child && !start_two(argv[0], across)) {
    MPI_Finalize();
    return 0;
  }
  MPI_Intercomm_merge(across, is_child ? 1 : 0, &all);
  bool right = exchange(all) && preload_test_banyan_calls() == 0;
  right = exchange(MPI_COMM_WORLD) && right;
  right = right && (is_child || preload_test_banyan_calls() == 1);
  right = exchange(all) && right;
  MPI_Comm_free(&all);
  MPI_Comm_disconnect(&across);
  if (!right) {
    std::fprintf(stderr, "wrong: an all-to-all with processes that were started later\n");
  }
  MPI_Finalize();
  return right ? 0 : 1;
}
