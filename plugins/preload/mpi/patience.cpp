// SPDX-License-Identifier: Apache-2.0
#include "mpi/patience.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "common/flag.hpp"
#include "mpi/notice.hpp"

namespace banyan::preload {
namespace {

/// A communicator costs tens of milliseconds of every rank and megabytes (docs/performance.md), and a call gains
/// microseconds, or milliseconds if it is large: not for those that programs and libraries make for a call or two.
constexpr int64_t kOthers = 16;
/// There is one of it, and programs whose main loop exchanges mostly use it.
constexpr int64_t kWorld = 1;
/// More than any program makes.
constexpr int64_t kMost = int64_t{1} << 50;

std::optional<int64_t> read_wish() {
  constexpr const char* kName = "BANYAN_PRELOAD_AFTER";
  if (!is_set(kName)) {
    return std::nullopt;
  }
  const std::string_view text = std::getenv(kName);
  int64_t calls = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), calls);
  if (error != std::errc() || end != text.data() + text.size() || calls < 0) {
    say_on_rank_0(std::string(kName) + " is \"" + std::string(text) + "\", not a number of calls; it does not count");
    return std::nullopt;
  }
  return std::min(calls, kMost);
}

}  // namespace

int64_t calls_before_banyan(MPI_Comm comm) {
  static const std::optional<int64_t> wish = read_wish();
  return wish.value_or(comm == MPI_COMM_WORLD ? kWorld : kOthers);
}

}  // namespace banyan::preload
