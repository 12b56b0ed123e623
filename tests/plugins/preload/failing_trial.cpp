// SPDX-License-Identifier: Apache-2.0
// Preloaded before the library: on rank 2, the exchange that tries a new Banyan communicator fails, as behind a
// firewall.
#include <banyan/banyan.h>
#include <dlfcn.h>

#include <cstdlib>
#include <string_view>

extern "C" BANYAN_API banyan_status banyan_alltoall(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count,
                                                    size_t element_size, const banyan_alltoall_options* options) {
  const auto original = reinterpret_cast<decltype(&banyan_alltoall)>(::dlsym(RTLD_NEXT, "banyan_alltoall"));
  const banyan_status status = original(comm, sendbuf, recvbuf, count, element_size, options);
  const char* of_openmpi = std::getenv("OMPI_COMM_WORLD_RANK");
  const char* rank = of_openmpi != nullptr ? of_openmpi : std::getenv("PMI_RANK");
  return rank != nullptr && std::string_view(rank) == "2" ? BANYAN_ERR_TIMEOUT : status;
}
