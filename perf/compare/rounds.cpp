// SPDX-License-Identifier: Apache-2.0
#include "compare/rounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "common/statistics.hpp"
#include "compare/nic_counter.hpp"

namespace banyan::perf {
namespace {

constexpr int kMaxExchangesPerRound = 2000;
/// A library that tries ways has settled when so many calls in a row tried none, or after so many seconds. Banyan looks
/// at every 16th call for a change of size (coll::TunedVariable).
constexpr int kQuietCalls = 32;
constexpr double kMostTrials_s = 6;
constexpr double kLongExchange_s = 0.02;  ///< longer ones need no untimed exchange: cold caches are lost in them

/// One candidate while it is measured.
struct Contestant {
  std::unique_ptr<PreparedExchange> exchange;
  CandidateResult result;
  int warmup = 0;
  std::optional<Counters> after;  ///< this rank's counters when its last timed exchange was over
};

/// Reads the host's counters on one rank per host, so that a sum over ranks counts each host once.
class HostCounter {
 public:
  HostCounter(int rank, const std::vector<int>& host_of)
      : reads_(std::find(host_of.begin(), host_of.end(), host_of[static_cast<size_t>(rank)]) - host_of.begin() ==
               rank) {}
  [[nodiscard]] uint64_t read() const { return reads_ ? nic_bytes_sent() : 0; }

 private:
  bool reads_;
};

class Rounds {
 public:
  Rounds(const Traffic& traffic, const std::vector<int>& host_of, const RoundOptions& options, int rank)
      : traffic_(traffic), options_(options), counter_(rank, host_of), buffers_(traffic, rank) {}

  void add(Candidate& candidate) {
    Contestant contestant;
    contestant.exchange = candidate.prepare(traffic_, buffers_);
    contestant.result.name = candidate.name();
    contestant.result.is_banyan = candidate.is_banyan();
    contestant.result.plan = contestant.exchange->plan();
    if (contestant.exchange->counters()) {
      contestant.result.counters = Counters{};
    }
    contestants_.push_back(std::move(contestant));
  }

  void calibrate() {
    for (auto& one : contestants_) {
      check(one);
      settle_in(one);
      // Two timed runs: the first connects and faults pages in.
      (void)timed(one, 1);
      const double exchange_s = timed(one, 1);
      const double wanted = std::ceil(ratio(options_.min_round_s, exchange_s));
      one.result.exchanges_per_round = static_cast<int>(std::clamp(wanted, 1.0, double{kMaxExchangesPerRound}));
      one.warmup = exchange_s > kLongExchange_s ? 0 : std::max(1, one.result.exchanges_per_round / 8);
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
        contestants_[turn].result.round_s.push_back(play(contestants_[turn]));
      }
    }
    for (auto& one : contestants_) {
      check(one);
    }
  }

  [[nodiscard]] std::vector<CandidateResult> take() {
    std::vector<CandidateResult> results;
    for (auto& one : contestants_) {
      auto& result = one.result;
      result.nic_bytes = sum_over_ranks(result.nic_bytes);
      result.wrong = sum_over_ranks(result.wrong);
      if (result.counters) {
        result.counters = sum_of(*result.counters);
      }
      results.push_back(std::move(result));
    }
    return results;
  }

 private:
  static Counters sum_of(const Counters& own) {
    return {sum_over_ranks(own.messages),
            sum_over_ranks(own.message_bytes),
            sum_over_ranks(own.mapped_writes),
            sum_over_ranks(own.mapped_bytes),
            sum_over_ranks(own.inter_host_messages),
            sum_over_ranks(own.inter_host_bytes)};
  }

  /// Seconds per exchange of the slowest rank. The second barrier keeps the end of the untimed exchanges, where ranks
  /// wait for each other, out of the time.
  double timed(Contestant& one, int exchanges) {
    barrier();
    for (int i = 0; i < one.warmup; ++i) {
      one.exchange->run();
    }
    one.exchange->settle();
    barrier();
    const double start = MPI_Wtime();
    for (int i = 0; i < exchanges; ++i) {
      one.exchange->run();
    }
    const double exchange_s = (MPI_Wtime() - start) / exchanges;
    one.after = one.exchange->counters();
    one.exchange->settle();
    return max_over_ranks(exchange_s);
  }

  /// Lets a library try what it tries of a repeated exchange: rounds show the steady state. What it cost is told.
  static void settle_in(Contestant& one) {
    auto before = one.exchange->trials();
    if (!before) {
      return;
    }
    barrier();
    const double start = MPI_Wtime();
    for (int quiet = 0; quiet < kQuietCalls; ++one.result.settling_calls) {
      one.exchange->run();
      const auto now = one.exchange->trials();
      quiet = now == before ? quiet + 1 : 0;
      before = now;
      if (one.result.settling_calls % 64 == 63 && from_rank_zero(MPI_Wtime() - start) > kMostTrials_s) {
        break;
      }
    }
    one.exchange->settle();
    one.result.settling_s = max_over_ranks(MPI_Wtime() - start);
  }

  double play(Contestant& one) {
    barrier();
    const uint64_t nic_before = counter_.read();
    const auto before = one.exchange->counters();
    const double exchange_s = timed(one, one.result.exchanges_per_round);
    // max_over_ranks has joined all ranks: their exchanges are over.
    one.result.nic_bytes += counter_.read() - nic_before;
    one.result.num_exchanges += static_cast<uint64_t>(one.warmup + one.result.exchanges_per_round);
    if (before && one.after && one.result.counters) {
      *one.result.counters = *one.result.counters + (*one.after - *before);
    }
    return exchange_s;
  }

  void check(Contestant& one) {
    for (int i = 0; i < options_.checks; ++i) {
      const uint64_t salt = ++salt_;
      buffers_.prepare(salt);
      barrier();
      one.exchange->run();
      one.exchange->settle();
      one.result.wrong += buffers_.count_wrong(salt);
      ++one.result.checked;
    }
  }

  const Traffic& traffic_;
  RoundOptions options_;
  HostCounter counter_;
  ExchangeBuffers buffers_;
  std::vector<Contestant> contestants_;
  uint64_t salt_ = 0;
};

}  // namespace

std::vector<CandidateResult> run_rounds(const std::vector<std::unique_ptr<Candidate>>& candidates,
                                        const Traffic& traffic, const std::vector<int>& host_of,
                                        const RoundOptions& options) {
  int rank = 0;
  require_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  Rounds rounds(traffic, host_of, options, rank);
  for (const auto& candidate : candidates) {
    rounds.add(*candidate);
  }
  rounds.calibrate();
  rounds.run();
  return rounds.take();
}

}  // namespace banyan::perf
