// SPDX-License-Identifier: Apache-2.0
#include "profiler/copy_rate.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <vector>

#include "comm/communicator.hpp"

namespace banyan::profiler {
namespace {

using Clock = std::chrono::steady_clock;
using topology::Tier;

/// Larger than what a core's own caches hold; packing reads what a network or another core has just written.
constexpr size_t kCopyBytes = size_t{16} << 20;

/// Copies for about `target_s`; bytes/s.
double copy_for(double target_s) {
  const std::vector<std::byte> from(kCopyBytes, std::byte{1});
  std::vector<std::byte> to(kCopyBytes);
  double bytes = 0;
  double elapsed_s = 0;
  const auto start = Clock::now();
  do {
    std::memcpy(to.data(), from.data(), kCopyBytes);
    // Without this the compiler may drop copies that nobody reads.
    asm volatile("" : : "r"(to.data()) : "memory");
    bytes += kCopyBytes;
    elapsed_s = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed_s < target_s);
  return bytes / std::max(elapsed_s, 1e-9);
}

}  // namespace

CopyRates measure_copies(Runner& runner, double target_s) {
  comm::Communicator& comm = runner.engine().communicator();
  const topology::LocalityTree& tree = comm.tree();
  const auto host_of = [&](int rank) -> const topology::TreeNode& {
    return tree.node(tree.ancestor(rank, Tier::kNode));
  };
  const bool first_of_host = host_of(comm.rank()).ranks.front() == comm.rank();
  const auto alone = runner.gather(first_of_host ? copy_for(target_s / 2) : 0);
  const auto together = runner.gather(copy_for(target_s / 2));
  CopyRates rates{std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
  for (const int index : tree.at_tier(Tier::kNode)) {
    const auto& ranks = tree.node(index).ranks;
    double host_rate = 0;
    for (const int rank : ranks) {
      host_rate += together[static_cast<size_t>(rank)];
    }
    rates.one_core = std::min(rates.one_core, alone[static_cast<size_t>(ranks.front())]);
    rates.whole_host = std::min(rates.whole_host, host_rate);
  }
  return rates;
}

}  // namespace banyan::profiler
