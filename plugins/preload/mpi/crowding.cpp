// SPDX-License-Identifier: Apache-2.0
#include "mpi/crowding.hpp"

#include <sched.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "common/flag.hpp"
#include "mpi/failure.hpp"

namespace banyan::preload {
namespace {

struct Place {
  std::array<char, 64> host;
  cpu_set_t cores;  ///< that the process may run on
};

Place own_place() {
  Place mine{};
  ::gethostname(mine.host.data(), mine.host.size() - 1);
  if (::sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0) {
    CPU_ZERO(&mine.cores);
  }
  return mine;
}

}  // namespace

bool outnumber_cores(MPI_Comm comm) {
  const Place mine = own_place();
  int size = 0;
  check_mpi(PMPI_Comm_size(comm, &size), "MPI_Comm_size");
  std::vector<Place> places(static_cast<size_t>(size));
  check_mpi(PMPI_Allgather(&mine, sizeof mine, MPI_BYTE, places.data(), sizeof mine, MPI_BYTE, comm), "MPI_Allgather");
  cpu_set_t cores;
  CPU_ZERO(&cores);
  int neighbours = 0;
  for (const Place& place : places) {
    if (place.host == mine.host) {
      ++neighbours;
      CPU_OR(&cores, &cores, &place.cores);
    }
  }
  if (const auto spin = flag("BANYAN_SPIN")) {
    return !*spin;
  }
  return neighbours > CPU_COUNT(&cores);
}

}  // namespace banyan::preload
