// SPDX-License-Identifier: Apache-2.0
#include "mpi/mode.hpp"

#include <mpi.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mpi/notice.hpp"

namespace banyan::preload {
namespace {

#ifdef OPEN_MPI
constexpr std::string_view kBuiltFor = "Open MPI";
#else
constexpr std::string_view kBuiltFor = "MPICH";
#endif

/// MPI_MAX_LIBRARY_VERSION_STRING of the other MPI may be larger than ours: MPICH has 8192, Open MPI 256.
constexpr size_t kLongestVersion = 1 << 14;

/// The handles of MPIs differ, so the library can do nothing under another than its own, not even ask for a rank.
bool is_own_mpi() {
  std::array<char, kLongestVersion> version{};
  int length = 0;
  PMPI_Get_library_version(version.data(), &length);
  return std::string_view(version.data()).starts_with(kBuiltFor);
}

Mode read_mode() {
  const char* value = std::getenv("BANYAN_PRELOAD");
  const std::string_view wanted = value != nullptr && *value != '\0' ? value : "on";
  if (!is_own_mpi()) {
    if (wanted != "off") {
      say("off: this is the library for " + std::string(kBuiltFor) + ", and the program uses another MPI");
    }
    return Mode::kOtherMpi;
  }
  if (wanted == "off") {
    return Mode::kOff;
  }
  if (wanted == "observe") {
    return Mode::kObserve;
  }
  if (wanted != "on") {
    say_on_rank_0("off: BANYAN_PRELOAD is \"" + std::string(wanted) + "\"; known are off, observe and on");
    return Mode::kOff;
  }
  return Mode::kOn;
}

}  // namespace

Mode mode() {
  static const Mode once = read_mode();
  return once;
}

}  // namespace banyan::preload
