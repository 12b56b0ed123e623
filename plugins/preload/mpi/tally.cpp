// SPDX-License-Identifier: Apache-2.0
#include "mpi/tally.hpp"

#include <array>
#include <atomic>

namespace banyan::preload {
namespace {

std::array<std::atomic<uint64_t>, kNumPaths> calls{};

}  // namespace

void count(Path path) noexcept { calls[static_cast<size_t>(path)].fetch_add(1, std::memory_order_relaxed); }

uint64_t counted(Path path) noexcept { return calls[static_cast<size_t>(path)].load(std::memory_order_relaxed); }

}  // namespace banyan::preload
