// SPDX-License-Identifier: Apache-2.0
#include "comm/watched_bootstrap.hpp"

#include <chrono>
#include <thread>

#include "base/error.hpp"

namespace banyan::comm {
namespace {

/// How long the cause may take to arrive after the connection of a rank that left because of it.
constexpr double kCauseSeconds = 0.5;
constexpr std::chrono::milliseconds kLook(1);

}  // namespace

void WatchedBootstrap::allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) {
  try {
    bootstrap_.allgatherv(mine, all, sizes, deadline);
  } catch (const Error& error) {
    bootstrap::AbortState& state = control_.state();
    const Deadline limit = Deadline::in(error.status() == BANYAN_ERR_PEER_FAILED ? kCauseSeconds : 0);
    while (!state.raised() && !limit.passed()) {
      std::this_thread::sleep_for(kLook);
    }
    if (!state.raised()) {
      control_.abort(error.status(), error.what());
    }
    throw Error(state.status(), state.text());
  }
}

}  // namespace banyan::comm
