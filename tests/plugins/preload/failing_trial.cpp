// SPDX-License-Identifier: Apache-2.0
// Preloaded before the library: on rank 2, the exchange that tries a new Banyan communicator fails, as behind a
// firewall; after the seconds that PRELOAD_TEST_TRIAL_S names, if it does. And what was tried.
#include <banyan/banyan.h>
#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

uint64_t creations = 0;
double creation_deadline_s = 0, trial_deadline_s = 0;

template <typename Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

BANYAN_API banyan_status banyan_comm_create(int rank, int size, banyan_allgather_fn allgather, void* context,
                                            const banyan_comm_config* config, banyan_comm** comm) {
  ++creations;
  creation_deadline_s = config->bootstrap_timeout_s;
  return original<decltype(banyan_comm_create)>("banyan_comm_create")(rank, size, allgather, context, config, comm);
}

BANYAN_API banyan_status banyan_alltoall(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count,
                                         size_t element_size, const banyan_alltoall_options* options) {
  trial_deadline_s = options->timeout_s;
  const banyan_status status =
      original<decltype(banyan_alltoall)>("banyan_alltoall")(comm, sendbuf, recvbuf, count, element_size, options);
  const char* of_openmpi = std::getenv("OMPI_COMM_WORLD_RANK");
  const char* rank = of_openmpi != nullptr ? of_openmpi : std::getenv("PMI_RANK");
  if (rank == nullptr || std::string_view(rank) != "2") {
    return status;
  }
  if (const char* seconds = std::getenv("PRELOAD_TEST_TRIAL_S")) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(seconds)));
  }
  return BANYAN_ERR_TIMEOUT;
}

BANYAN_API uint64_t preload_test_creations() { return creations; }
BANYAN_API double preload_test_creation_deadline_s() { return creation_deadline_s; }
BANYAN_API double preload_test_trial_deadline_s() { return trial_deadline_s; }

}  // extern "C"
