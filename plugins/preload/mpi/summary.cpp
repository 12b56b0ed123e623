// SPDX-License-Identifier: Apache-2.0
#include "mpi/summary.hpp"

#include <string>

#include "common/flag.hpp"
#include "mpi/notice.hpp"
#include "mpi/tally.hpp"

namespace banyan::preload {

void say_summary() {
  if (!flag("BANYAN_PRELOAD_SUMMARY").value_or(false)) {
    return;
  }
  const auto calls = [](Path path) { return std::to_string(counted(path)); };
  say_on_rank_0("all-to-alls of rank 0: " + calls(Path::kBanyan) + " by Banyan, " + calls(Path::kMpi) + " by MPI, " +
                calls(Path::kMpiNonblocking) + " nonblocking and " + calls(Path::kMpiPersistent) +
                " persistent ones left to MPI");
}

}  // namespace banyan::preload
