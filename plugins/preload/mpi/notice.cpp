// SPDX-License-Identifier: Apache-2.0
#include "mpi/notice.hpp"

#include <mpi.h>

#include <cstdio>

namespace banyan::preload {

void say(const std::string& text) { std::fprintf(stderr, "banyan preload: %s\n", text.c_str()); }

void say_on_rank_0(const std::string& text) {
  int rank = -1;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) {
    say(text);
  }
}

}  // namespace banyan::preload
