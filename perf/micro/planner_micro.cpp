// SPDX-License-Identifier: Apache-2.0
// planner_micro: what planning costs a rank. "Call" is everything between a call of all-to-all-v with new counts, whose
// plan is in the cache, and the posts to the transport, whose own work is left out: finding out which pairs travel
// alone, in which pieces and order, and packing what is aggregated. "Plan" is what the first call does besides.
#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <vector>

#include "coll/compile.hpp"
#include "cost/profile.hpp"
#include "executor/host_executor.hpp"

namespace banyan {
namespace {

constexpr int kRanksPerHost = 8;
constexpr double kNicBytesPerS = 1.25e9;
constexpr size_t kSets = 8;  // of counts, in turn

/// A transport that takes posts and never ends them.
banyan_transport_ops silent_transport() {
  banyan_transport_ops ops{};
  ops.version = BANYAN_TRANSPORT_ABI_VERSION;
  ops.struct_size = sizeof ops;
  ops.name = "silent";
  ops.open = [](const banyan_transport_config*, void** transport) {
    static int object = 0;
    *transport = &object;
    return BANYAN_OK;
  };
  ops.close = [](void*) {};
  ops.post_send = [](void*, int, const void*, size_t, uint64_t, banyan_transport_request* request) {
    request->status = BANYAN_IN_PROGRESS;
    return BANYAN_OK;
  };
  ops.post_recv = [](void*, int, void*, size_t, uint64_t, banyan_transport_request* request) {
    request->status = BANYAN_IN_PROGRESS;
    return BANYAN_OK;
  };
  ops.last_error = [](void*) { return ""; };
  return ops;
}

/// Rank 0 of hosts of eight ranks, one card of 10 Gbit/s each, nominal speeds.
class Rank {
 public:
  explicit Rank(int num_ranks) : tree_(tree_of(num_ranks)), hosts_(tree_), model_(cost::nominal_model(tree_)) {
    banyan_transport_config config{};
    config.struct_size = sizeof config;
    config.size = num_ranks;
    transport_ = std::make_unique<transport::Transport>(ops_, config);
    fabric_.peers.resize(static_cast<size_t>(num_ranks));
    fabric_.transports = {transport_.get()};
    for (int peer = 0; peer < num_ranks; ++peer) {
      fabric_.peers[static_cast<size_t>(peer)] = {
          .transport = transport_.get(), .ring_out = nullptr, .ring_in = nullptr, .same_host = peer < kRanksPerHost};
    }
    executor_ = std::make_unique<executor::HostExecutor>(fabric_);
  }

  [[nodiscard]] std::shared_ptr<coll::Planned> plan() const {
    const planner::Situation situation{tree_, hosts_, model_};
    return coll::compile_variable({.hosts = hosts_, .rank = 0}, planner::choose_v(situation, {}));
  }

  void start(coll::Planned& planned, const executor::Exchange& exchange) {
    if (executor_->start(planned.program, exchange, ++operation_) != BANYAN_OK) {
      throw Error(BANYAN_ERR_INTERNAL, executor_->error());
    }
  }
  void forget() { executor_->abandon(); }

 private:
  static topology::LocalityTree tree_of(int num_ranks) {
    std::vector<std::vector<int>> hosts(static_cast<size_t>(num_ranks / kRanksPerHost));
    for (int rank = 0; rank < num_ranks; ++rank) {
      hosts[static_cast<size_t>(rank / kRanksPerHost)].push_back(rank);
    }
    return topology::LocalityTree::from_hosts(hosts, kNicBytesPerS);
  }

  topology::LocalityTree tree_;
  planner::Hosts hosts_;
  cost::CostModel model_;
  banyan_transport_ops ops_ = silent_transport();
  std::unique_ptr<transport::Transport> transport_;
  transport::Fabric fabric_;
  std::unique_ptr<executor::HostExecutor> executor_;
  uint64_t operation_ = 0;
};

/// Counts as a gate makes them: a quarter of the pairs large, the others small, some empty; `mean` bytes on average.
struct Counts {
  Counts(size_t num_ranks, size_t mean, unsigned seed) : bytes(num_ranks), offsets(num_ranks) {
    std::mt19937 random(seed);
    size_t offset = 0;
    for (size_t peer = 0; peer < num_ranks; ++peer) {
      bytes[peer] = random() % 4 == 0 ? random() % (6 * mean) : random() % (mean / 2 + 1);
      offsets[peer] = offset;
      offset += 6 * mean;
    }
    bytes[0] = 0;  // a rank's copy to itself is no planning
  }
  std::vector<size_t> bytes;
  std::vector<size_t> offsets;
};

void call(benchmark::State& state) {
  const auto num_ranks = static_cast<int>(state.range(0));
  const auto mean = static_cast<size_t>(state.range(1));
  Rank rank(num_ranks);
  const auto planned = rank.plan();
  std::vector<Counts> sends;
  std::vector<Counts> receives;
  for (unsigned set = 0; set < kSets; ++set) {
    sends.emplace_back(static_cast<size_t>(num_ranks), mean, 2 * set);
    receives.emplace_back(static_cast<size_t>(num_ranks), mean, 2 * set + 1);
  }
  std::vector<std::byte> buffer(6 * mean * static_cast<size_t>(num_ranks));
  size_t next = 0;
  for (auto _ : state) {
    const Counts& send = sends[next % kSets];
    const Counts& receive = receives[next++ % kSets];
    rank.start(*planned, {.sendbuf = buffer.data(),
                          .recvbuf = buffer.data(),
                          .uniform = false,
                          .block_bytes = 0,
                          .send_bytes = send.bytes,
                          .send_offsets = send.offsets,
                          .recv_bytes = receive.bytes,
                          .recv_offsets = receive.offsets});
    rank.forget();
  }
  state.SetLabel(planned->algorithm);
}

void plan(benchmark::State& state) {
  const Rank rank(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(rank.plan());
  }
}

BENCHMARK(call)
    ->Name("call")
    ->ArgNames({"ranks", "mean_bytes"})
    ->ArgsProduct({{64, 4096}, {64, 4096, 65536}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(plan)->Name("plan")->ArgName("ranks")->Arg(64)->Arg(4096)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace banyan

BENCHMARK_MAIN();
