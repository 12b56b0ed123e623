// SPDX-License-Identifier: Apache-2.0
#include "compare/step_rounds.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "common/statistics.hpp"
#include "compare/mpi_api.hpp"
#include "compare/nic_counter.hpp"
#include "layer/values.hpp"

namespace banyan::perf {
namespace {

constexpr int kMostSteps = 500;  ///< of a round
constexpr int kFewestRounds = 3;
constexpr int kWeighedSteps = 2;
/// A library has settled when so many steps in a row tried nothing. A step has two exchanges or more, and Banyan looks
/// at every 16th call for a change of size (coll::TunedVariable), and checks trials 17 calls after them (coll::Tuner).
constexpr int kQuietSteps = 20;
constexpr int kFewestSettling = 2;    ///< where the library does not say: buffers are in place then
constexpr double kLongStep_s = 0.02;  ///< longer ones need no untimed step: cold caches are lost in them

/// One way while it is measured.
struct Contestant {
  Entrant* entrant = nullptr;
  WayResult result;
  int warmup = 0;
};

class StepRounds {
 public:
  StepRounds(std::vector<Entrant>& entrants, const std::vector<int>& host_of, int layer_rank,
             const StepOptions& options, int rank)
      : options_(options), layer_rank_(layer_rank), counter_(rank, host_of) {
    for (Entrant& entrant : entrants) {
      Contestant one;
      one.entrant = &entrant;
      one.result.name = entrant.name;
      one.result.used_as = entrant.way->name();
      one.result.kind = entrant.kind;
      one.result.facts = entrant.facts;
      contestants_.push_back(std::move(one));
    }
  }

  void calibrate() {
    for (Contestant& one : contestants_) {
      check(one);
      settle_in(one);
      const double step_s = time_of_step(*one.entrant->way);
      const double wanted = std::ceil(ratio(options_.min_round_s, step_s));
      one.result.steps_per_round = static_cast<int>(std::clamp(wanted, 1.0, double{kMostSteps}));
      one.warmup = step_s > kLongStep_s ? 0 : std::max(1, one.result.steps_per_round / 8);
    }
  }

  void run() {
    const double start = MPI_Wtime();
    std::vector<size_t> order(contestants_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same order on all ranks
    for (int round = 0; round < options_.rounds; ++round) {
      if (options_.max_point_s > 0 && round >= kFewestRounds &&
          from_rank_zero(MPI_Wtime() - start) > options_.max_point_s) {
        break;
      }
      std::shuffle(order.begin(), order.end(), random);
      for (const size_t turn : order) {
        play(contestants_[turn]);
      }
    }
    for (Contestant& one : contestants_) {
      check(one);
      for (int step = 0; step < kWeighedSteps; ++step) {
        weigh(one);
      }
    }
  }

  [[nodiscard]] std::vector<WayResult> take() {
    std::vector<WayResult> results;
    for (Contestant& one : contestants_) {
      WayResult& result = one.result;
      for (auto* times : {&result.route_s, &result.dispatch_s, &result.combine_s, &result.exchange_s, &result.step_s}) {
        *times = max_over_ranks(*times);
      }
      result.wire_rows = sum_over_ranks(one.entrant->way->wire_rows());
      result.nic_dispatch_bytes = sum_over_ranks(result.nic_dispatch_bytes);
      result.nic_combine_bytes = sum_over_ranks(result.nic_combine_bytes);
      result.wrong = sum_over_ranks(result.wrong);
      results.push_back(std::move(result));
    }
    return results;
  }

 private:
  void check(Contestant& one) const {
    Way& way = *one.entrant->way;
    barrier();
    whole_step(way);
    way.settle();
    one.result.wrong += count_wrong(*one.entrant->layer, layer_rank_, way.combined(), way.roundings());
    ++one.result.checked;
  }

  /// Until the library's trials are over.
  void settle_in(Contestant& one) const {
    Way& way = *one.entrant->way;
    const bool tells = way.trials().has_value();
    auto before = way.trials();
    barrier();
    const double start = MPI_Wtime();
    for (int quiet = 0; quiet < (tells ? kQuietSteps : kFewestSettling); ++one.result.settling_steps) {
      static_cast<void>(time_step(way));
      const auto now = way.trials();
      const bool tried = max_over_ranks(now == before ? 0.0 : 1.0) > 0;  // groups beside each other try by themselves
      quiet = tried ? 0 : quiet + 1;
      before = now;
      way.settle();
      if (one.result.settling_steps >= kFewestSettling && from_rank_zero(MPI_Wtime() - start) > options_.max_settle_s) {
        break;
      }
    }
    one.result.settling_s = max_over_ranks(MPI_Wtime() - start);
  }

  /// The shortest of three, at the slowest rank.
  static double time_of_step(Way& way) {
    std::vector<double> times_s;
    for (int i = 0; i < 3; ++i) {
      barrier();
      times_s.push_back(max_over_ranks(time_step(way).step_s()));
      way.settle();
      if (times_s.back() > kLongStep_s) {
        break;
      }
    }
    return *std::min_element(times_s.begin(), times_s.end());
  }

  static void play(Contestant& one) {
    Way& way = *one.entrant->way;
    barrier();
    for (int step = 0; step < one.warmup; ++step) {
      static_cast<void>(time_step(way));
    }
    way.settle();
    barrier();
    for (int step = 0; step < one.result.steps_per_round; ++step) {
      const StepTime time = time_step(way);
      one.result.route_s.push_back(time.route_s);
      one.result.dispatch_s.push_back(time.dispatch_s);
      one.result.combine_s.push_back(time.combine_s);
      one.result.exchange_s.push_back(time.exchange_s());
      one.result.step_s.push_back(time.step_s());
    }
    way.settle();
  }

  /// All ranks are still while the interfaces are read.
  uint64_t read_nics(Way& way) const {
    way.settle();
    barrier();
    const uint64_t bytes = counter_.read();
    barrier();
    return bytes;
  }

  void weigh(Contestant& one) const {
    Way& way = *one.entrant->way;
    way.route();
    const uint64_t routed = read_nics(way);
    way.dispatch();
    const uint64_t dispatched = read_nics(way);
    way.combine();
    one.result.nic_combine_bytes += read_nics(way) - dispatched;
    one.result.nic_dispatch_bytes += dispatched - routed;
    ++one.result.weighed_steps;
  }

  StepOptions options_;
  int layer_rank_;
  HostCounter counter_;
  std::vector<Contestant> contestants_;
};

}  // namespace

std::vector<WayResult> run_steps(std::vector<Entrant>& entrants, const std::vector<int>& host_of, int layer_rank,
                                 const StepOptions& options) {
  int rank = 0;
  require_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  StepRounds rounds(entrants, host_of, layer_rank, options, rank);
  rounds.calibrate();
  rounds.run();
  return rounds.take();
}

}  // namespace banyan::perf
