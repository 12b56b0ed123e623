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
constexpr size_t kFewestKept = 2;
constexpr double kNearlyAsFast = 1.25;    ///< a single round is no better than that
constexpr double kNear = 1.5;             ///< of medians: may yet come out as the fastest, or as nearly so
constexpr double kLongExchange_s = 0.02;  ///< longer ones need no untimed exchange: cold caches are lost in them

/// One candidate while it is measured.
struct Contestant {
  std::unique_ptr<Player> player;
  CandidateResult result;
  int warmup = 0;
  bool may_be_left_out = false;
  bool is_out = false;  ///< takes no further part
  bool rests = false;   ///< has all its rounds

  [[nodiscard]] double median_s() const {
    return median(result.round_s).value_or(std::numeric_limits<double>::infinity());
  }
};

class Rounds {
 public:
  Rounds(const Traffic& traffic, const std::vector<int>& host_of, const RoundOptions& options, int rank)
      : traffic_(traffic), options_(options), counter_(rank, host_of), buffers_(traffic, rank) {}

  void add(Candidate& candidate) {
    Contestant contestant;
    contestant.player = candidate.prepare(traffic_, buffers_);
    contestant.may_be_left_out = candidate.may_be_left_out();
    contestant.result.name = candidate.name();
    contestant.result.is_banyan = candidate.is_banyan();
    contestant.result.plan = contestant.player->plan();
    contestants_.push_back(std::move(contestant));
  }

  void calibrate() {
    for (auto& one : contestants_) {
      check(one);
      const Settling settling = one.player->settle_in();
      one.result.settling_calls = settling.calls;
      one.result.settling_s = settling.seconds;
      const double exchange_s = time_of_exchange(*one.player);
      if (std::isinf(exchange_s)) {
        one.is_out = true;
        continue;
      }
      one.result.exchanges_per_round = exchanges_in_round(exchange_s);
      const int untimed =
          std::max(one.result.exchanges_per_round / 8, exchanges_in(options_.min_untimed_s, exchange_s));
      one.warmup = exchange_s > kLongExchange_s ? 0 : std::max(1, untimed);
    }
  }

  /// A short exchange is timed again, as often as a round would repeat it, until that is long enough, and the shortest
  /// time counts: the caches are cold after the check, and rounds that are too short by one slow exchange would fit
  /// into what the lab's shapers let through at once.
  [[nodiscard]] double time_of_exchange(Player& player) const {
    constexpr int kFewest = 3;
    constexpr int kMost = 8;
    constexpr double kLongEnough = 0.8;
    const double first_s = player.time(0, 1).exchange_s;
    if (first_s > kLongExchange_s) {
      return first_s;
    }
    double least_s = std::numeric_limits<double>::infinity();
    int exchanges = exchanges_in_round(first_s);
    for (int i = 0; i < kMost; ++i) {
      least_s = std::min(least_s, player.time(0, exchanges).exchange_s);
      const bool long_enough = least_s * exchanges >= kLongEnough * options_.min_round_s;
      if (i + 1 >= kFewest && (long_enough || exchanges == kMaxExchangesPerRound)) {
        break;
      }
      exchanges = exchanges_in_round(least_s);
    }
    return least_s;
  }

  /// So many that they take min_round_s.
  [[nodiscard]] int exchanges_in_round(double exchange_s) const {
    return exchanges_in(options_.min_round_s, exchange_s);
  }
  [[nodiscard]] static int exchanges_in(double seconds, double exchange_s) {
    const double wanted = exchange_s > 0 ? std::ceil(seconds / exchange_s) : double{kMaxExchangesPerRound};
    return static_cast<int>(std::clamp(wanted, 1.0, double{kMaxExchangesPerRound}));
  }

  void run() {
    const double start = MPI_Wtime();
    std::vector<size_t> order(contestants_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same order on all ranks
    for (int round = 0; another_round(round, start); ++round) {
      std::shuffle(order.begin(), order.end(), random);
      for (const size_t turn : order) {
        if (!contestants_[turn].is_out && !contestants_[turn].rests) {
          play(contestants_[turn]);
        }
      }
      if (round == 0) {
        leave_out_the_slow();
      }
    }
    for (auto& one : contestants_) {
      if (!one.is_out) {
        check(one);
      }
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

  [[nodiscard]] bool another_round(int round, double start) {
    if (round < kFewestRounds) {
      return round < options_.rounds;
    }
    const double spent_s = from_rank_zero(MPI_Wtime() - start);
    const auto within = [&](int times) {
      return round < times * options_.rounds && (options_.max_point_s == 0 || spent_s <= times * options_.max_point_s);
    };
    return within(1) || (options_.steady > 0 && within(1 + kMostExtra) && is_unsteady());
  }

  /// Whether a candidate near the fastest has an uncertain median; those that are not near rest from now on.
  bool is_unsteady() {
    double least_s = std::numeric_limits<double>::infinity();
    for (const auto& one : contestants_) {
      least_s = std::min(least_s, one.median_s());
    }
    bool unsteady = false;
    for (auto& one : contestants_) {
      one.rests = one.median_s() > kNear * least_s;
      unsteady = unsteady || (!one.rests && uncertainty_of_median(one.result.round_s) > options_.steady);
    }
    return unsteady;
  }

  void play(Contestant& one) {
    barrier();
    const uint64_t nic_before = counter_.read();
    const Turn turn = one.player->time(one.warmup, one.result.exchanges_per_round);
    if (std::isinf(turn.exchange_s)) {
      one.is_out = true;
      one.result.round_s.clear();
      return;
    }
    // All ranks have been joined: their exchanges are over.
    one.result.round_s.push_back(turn.exchange_s);
    one.result.nic_bytes += counter_.read() - nic_before;
    one.result.num_exchanges += static_cast<uint64_t>(one.warmup + one.result.exchanges_per_round);
    if (turn.counters) {
      one.result.counters = one.result.counters.value_or(Counters{}) + *turn.counters;
    }
  }

  /// After the first round: of those that may be left out only the fastest go on, and who was nearly as fast.
  void leave_out_the_slow() {
    std::vector<double> first_s;
    for (const auto& one : contestants_) {
      if (one.may_be_left_out && !one.is_out) {
        first_s.push_back(one.result.round_s.front());
      }
    }
    if (first_s.size() <= kFewestKept) {
      return;
    }
    std::sort(first_s.begin(), first_s.end());
    const double limit_s = std::max(first_s[kFewestKept - 1], first_s.front() * kNearlyAsFast);
    for (auto& one : contestants_) {
      if (one.may_be_left_out && !one.is_out && one.result.round_s.front() > limit_s) {
        one.is_out = true;
        one.result.left_out_s = one.result.round_s.front();
        one.result.round_s.clear();
      }
    }
  }

  void check(Contestant& one) {
    for (int i = 0; i < options_.checks; ++i) {
      one.result.wrong += one.player->check(++salt_);
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
