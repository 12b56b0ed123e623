// SPDX-License-Identifier: Apache-2.0
// Preloaded before the library: an MPI that has no communicator left for the library, where PRELOAD_TEST_NO_SPLIT is
// set; and that counts what is packed.
#include <banyan/banyan.h>
#include <dlfcn.h>
#include <mpi.h>

#include <atomic>
#include <cstdlib>

namespace {

std::atomic<uint64_t> packs = 0;

template <typename Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

/// Programs call MPI_Comm_split; the library this.
BANYAN_API int PMPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm* made) {
  if (comm == MPI_COMM_SELF && std::getenv("PRELOAD_TEST_NO_SPLIT") != nullptr) {
    return MPI_ERR_OTHER;
  }
  return original<decltype(PMPI_Comm_split)>("PMPI_Comm_split")(comm, color, key, made);
}

BANYAN_API int PMPI_Pack(const void* from, int count, MPI_Datatype type, void* to, int size, int* position,
                         MPI_Comm comm) {
  ++packs;
  return original<decltype(PMPI_Pack)>("PMPI_Pack")(from, count, type, to, size, position, comm);
}

/// Calls of MPI_Pack that the library made.
BANYAN_API uint64_t preload_test_packs() { return packs; }

}  // extern "C"
