// SPDX-License-Identifier: Apache-2.0
// An MPI program that has a session and never MPI_COMM_WORLD: its all-to-all is MPI's.
#include <mpi.h>

#include <cstdio>
#include <vector>

#include "program.hpp"

int main() {
  MPI_Session session = MPI_SESSION_NULL;
  MPI_Group group = MPI_GROUP_NULL;
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &session);
  MPI_Group_from_session_pset(session, "mpi://WORLD", &group);
  MPI_Comm_create_from_group(group, "preload_test", MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &comm);
  int rank = -1, size = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  std::vector<int> sent(static_cast<size_t>(size), rank), received(sent.size(), -1);
  MPI_Alltoall(sent.data(), 1, MPI_INT, received.data(), 1, MPI_INT, comm);
  bool right = preload_test_is_loaded() && preload_test_banyan_calls() == 0;
  for (int i = 0; i < size; ++i) {
    right = right && received[static_cast<size_t>(i)] == i;
  }
  MPI_Comm_free(&comm);
  MPI_Group_free(&group);
  MPI_Session_finalize(&session);
  if (!right) {
    std::fprintf(stderr, "wrong: an all-to-all of a session\n");
  }
  return right ? 0 : 1;
}
