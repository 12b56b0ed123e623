// SPDX-License-Identifier: Apache-2.0
#include "profiler/domain.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include "comm/communicator.hpp"
#include "comm/factory.hpp"
#include "cost/profile.hpp"

namespace banyan::profiler {
namespace {

using Clock = std::chrono::steady_clock;
using topology::Tier;

constexpr size_t kSmallBytes = 8;
constexpr int kTrial = 16;
constexpr double kMaxRepeats = 20000;
constexpr int kRuns = 4;

size_t largest_domain(const topology::LocalityTree& tree) {
  size_t largest = 0;
  for (const int index : tree.at_tier(Tier::kDomain)) {
    largest = std::max(largest, tree.node(index).ranks.size());
  }
  return largest;
}

/// A communicator of some ranks and its engine; no communicator on ranks that are not in one.
class Group {
 public:
  Group(comm::Communicator& parent, int color) : comm_(comm::split(parent, color, parent.rank())) {
    if (comm_ && comm_->size() > 1) {
      engine_ = std::make_unique<coll::Engine>(*comm_);
    }
  }
  ~Group() {
    if (comm_) {
      comm_->say_goodbye();
    }
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] size_t size() const { return comm_ ? static_cast<size_t>(comm_->size()) : 1; }
  [[nodiscard]] size_t slot_bytes() const { return engine_ ? comm_->fabric().ring_capacity : 0; }

  /// Seconds of one exchange of `bytes` per pair among `count` back to back; 0 without peers.
  double exchange_s(size_t bytes, int count) {
    if (!engine_) {
      return 0;
    }
    const size_t total = bytes * size();
    send_.resize(std::max(send_.size(), total), std::byte{1});
    recv_.resize(std::max(recv_.size(), total));
    std::vector<double> times;
    for (int i = 0; i < count; ++i) {
      const auto start = Clock::now();
      engine_->alltoall(send_.data(), recv_.data(), bytes, {.algorithm = "direct", .timeout_s = 0});
      times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return midmean(std::move(times));
  }

 private:
  std::unique_ptr<comm::Communicator> comm_;
  std::unique_ptr<coll::Engine> engine_;
  std::vector<std::byte> send_;
  std::vector<std::byte> recv_;
};

double largest(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

/// One kind of exchange whose time is wanted.
struct Exchange {
  Group* group = nullptr;
  size_t bytes = kSmallBytes;
  bool counts = true;    ///< whether this rank's time does
  double seconds = 1e3;  ///< of the slowest rank, in the fastest run
};

/// Times all of them, in turn kRuns times: whatever keeps a core busy for a while, such as two ranks on one of several
/// free cores, meets one run or two.
void time_exchanges(Runner& runner, std::vector<Exchange>& exchanges, double target_s) {
  const double part_s = target_s / static_cast<double>(kRuns * exchanges.size());
  for (int run = 0; run < kRuns; ++run) {
    for (Exchange& exchange : exchanges) {
      const auto once = [&](int repeats) {
        const double mine = exchange.group->exchange_s(exchange.bytes, repeats);
        return std::max(largest(runner.gather(exchange.counts ? mine : 0)), 1e-9);
      };
      const double repeats = std::clamp(part_s / once(kTrial), static_cast<double>(kTrial), kMaxRepeats);
      exchange.seconds = std::min(exchange.seconds, once(static_cast<int>(repeats)));
    }
  }
}

}  // namespace

bool has_mapped_domain(comm::Communicator& comm) { return comm.mapped() && largest_domain(comm.tree()) > 1; }

cost::TierCost measure_domain(Runner& runner, double target_s) {
  comm::Communicator& comm = runner.engine().communicator();
  const topology::LocalityTree& tree = comm.tree();
  const int domain = tree.ancestor(comm.rank(), Tier::kDomain);
  const auto& ranks = tree.node(domain).ranks;
  const auto index = static_cast<size_t>(std::lower_bound(ranks.begin(), ranks.end(), comm.rank()) - ranks.begin());
  const size_t most = largest_domain(tree);
  const int alone = -1;

  Group pair(comm, index == ranks.size() - 1 && index % 2 == 0 ? alone : ranks[index / 2 * 2]);
  // Slots are equally large in all pairs.
  const auto large_bytes = static_cast<size_t>(largest(runner.gather(static_cast<double>(pair.slot_bytes()))));
  std::unique_ptr<Group> whole;
  std::vector<Exchange> exchanges = {{.group = &pair}, {.group = &pair, .bytes = std::max(large_bytes, kSmallBytes)}};
  if (most > 2) {
    whole = std::make_unique<Group>(comm, domain);
    exchanges.push_back({.group = whole.get(), .counts = ranks.size() == most});
  }
  time_exchanges(runner, exchanges, target_s);
  const double pair_s = exchanges[0].seconds;
  const double large_s = exchanges[1].seconds;
  cost::TierCost cost = cost::nominal_model(tree).tiers[static_cast<size_t>(Tier::kDomain)];
  // With two ranks, latency and overhead cannot be told apart: split as the nominal figures are.
  cost.overhead_s = pair_s * cost.overhead_s / (cost.alpha_s + 2 * cost.overhead_s);
  cost.alpha_s = pair_s;
  cost.measured = true;
  if (large_bytes > kSmallBytes) {
    // Less than half of the time for the bytes is noise.
    cost.flow_bytes_per_s = static_cast<double>(large_bytes) / std::max(large_s - pair_s, large_s / 2);
  }
  if (most > 2) {
    const double slope_s = (exchanges[2].seconds - pair_s) / (2.0 * static_cast<double>(most - 2));
    cost.overhead_s = slope_s > 0 ? slope_s : cost.overhead_s;
  }
  return cost;
}

}  // namespace banyan::profiler
