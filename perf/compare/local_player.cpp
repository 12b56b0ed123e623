// SPDX-License-Identifier: Apache-2.0
#include "compare/local_player.hpp"

#include <algorithm>

#include "compare/mpi_api.hpp"

namespace banyan::perf {
namespace {

/// A library that tries ways has settled when so many calls in a row tried none, or after so many seconds. Banyan looks
/// at every 16th call for a change of size (coll::TunedVariable).
constexpr int kQuietCalls = 20;
constexpr double kMostTrials_s = 6;

}  // namespace

LocalPlayer::LocalPlayer(std::unique_ptr<PreparedExchange> exchange, ExchangeBuffers& buffers)
    : exchange_(std::move(exchange)), buffers_(buffers) {}

Turn LocalPlayer::time(int warmup, int exchanges) {
  const auto before = exchange_->counters();
  barrier();
  for (int i = 0; i < warmup; ++i) {
    exchange_->run();
  }
  exchange_->settle();
  barrier();
  closing_s_ = std::min(closing_s_, time_of_closing());
  const double start = MPI_Wtime();
  for (int i = 0; i < exchanges; ++i) {
    exchange_->run();
  }
  const auto after = exchange_->counters();
  static_cast<void>(time_of_closing());
  const double exchange_s = std::max(0.0, MPI_Wtime() - start - closing_s_) / exchanges;
  Turn turn;
  turn.exchange_s = max_over_ranks(exchange_s);
  if (before && after) {
    turn.counters = *after - *before;
  }
  return turn;
}

double LocalPlayer::time_of_closing() {
  const double start = MPI_Wtime();
  exchange_->settle();
  barrier();
  return MPI_Wtime() - start;
}

uint64_t LocalPlayer::check(uint64_t salt) {
  buffers_.prepare(salt);
  barrier();
  exchange_->run();
  exchange_->settle();
  return buffers_.count_wrong(salt);
}

Settling LocalPlayer::settle_in() {
  auto before = exchange_->trials();
  if (!before) {
    return {};
  }
  Settling settling;
  barrier();
  const double start = MPI_Wtime();
  for (int quiet = 0; quiet < kQuietCalls; ++settling.calls) {
    exchange_->run();
    const auto now = exchange_->trials();
    quiet = now == before ? quiet + 1 : 0;
    before = now;
    if (settling.calls % 64 == 63 && from_rank_zero(MPI_Wtime() - start) > kMostTrials_s) {
      break;
    }
  }
  exchange_->settle();
  settling.seconds = max_over_ranks(MPI_Wtime() - start);
  return settling;
}

}  // namespace banyan::perf
