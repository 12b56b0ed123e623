// SPDX-License-Identifier: Apache-2.0
// hooks_program c|fortran|unseen: an MPI program of three ranks that has work to do in MPI_Finalize, by an attribute of
// MPI_COMM_SELF: rank 0 sends what rank 1 waits for before its own MPI_Finalize, and all make an all-to-all. Some made
// one before the attribute was set, some after it. `unseen`: no such work; rank 1 is initialised by a way that the
// library does not see.
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "program.hpp"

#ifdef WITH_FORTRAN
extern "C" void mpi_init_thread_(const int* required, int* provided, int* ierror);
#endif

namespace {

bool all_right = true;
constexpr int kTag = 9;

int rank_in(MPI_Comm comm) {
  int rank = -1;
  MPI_Comm_rank(comm, &rank);
  return rank;
}

/// Each rank sends its rank; whether Banyan made the exchange is as expected.
void exchange(MPI_Comm comm, bool by_banyan, const char* when) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  std::vector<int> sent(static_cast<size_t>(size), rank_in(comm)), received(sent.size(), -1);
  const uint64_t before = preload_test_banyan_calls();
  MPI_Alltoall(sent.data(), 1, MPI_INT, received.data(), 1, MPI_INT, comm);
  bool right = preload_test_banyan_calls() - before == (by_banyan ? 1 : 0);
  for (int i = 0; i < size; ++i) {
    right = right && received[static_cast<size_t>(i)] == i;
  }
  if (!right) {
    std::fprintf(stderr, "wrong: an all-to-all %s\n", when);
    all_right = false;
  }
}

int finish_work(MPI_Comm /*self*/, int /*key*/, void* /*value*/, void* /*state*/) {
  if (rank_in(MPI_COMM_WORLD) == 0) {
    MPI_Ssend(nullptr, 0, MPI_BYTE, 1, kTag, MPI_COMM_WORLD);
  }
  exchange(MPI_COMM_WORLD, true, "in MPI_Finalize");
  return MPI_SUCCESS;
}

void initialise(std::string_view how) {
#ifdef WITH_FORTRAN
  if (how == "fortran") {
    const int required = MPI_THREAD_MULTIPLE;
    int provided = 0, ierror = MPI_SUCCESS;
    mpi_init_thread_(&required, &provided, &ierror);
    return;
  }
#endif
  const char* of_openmpi = std::getenv("OMPI_COMM_WORLD_RANK");
  const char* rank = of_openmpi != nullptr ? of_openmpi : std::getenv("PMI_RANK");
  if (how == "unseen" && rank != nullptr && std::string_view(rank) == "1") {
    PMPI_Init(nullptr, nullptr);
  } else {
    MPI_Init(nullptr, nullptr);
  }
}

void with_hooks() {
  const int rank = rank_in(MPI_COMM_WORLD);
  MPI_Comm pair = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank == 0 ? MPI_UNDEFINED : 0, rank, &pair);
  if (pair != MPI_COMM_NULL) {
    exchange(pair, true, "of a pair");
  }
  int key = MPI_KEYVAL_INVALID;
  MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, finish_work, &key, nullptr);
  MPI_Comm_set_attr(MPI_COMM_SELF, key, nullptr);
  exchange(MPI_COMM_WORLD, true, "of all");
  if (rank == 1) {
    MPI_Recv(nullptr, 0, MPI_BYTE, 0, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view how = argc > 1 ? argv[1] : "";
  initialise(how);
  if (how == "unseen") {
    exchange(MPI_COMM_WORLD, true, "after an unseen MPI_Init");
  } else {
    with_hooks();
  }
  MPI_Finalize();
  return all_right ? 0 : 1;
}
