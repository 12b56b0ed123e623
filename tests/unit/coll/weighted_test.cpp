// SPDX-License-Identifier: Apache-2.0
// Weighted exchanges on ranks that are threads, of hosts by their ids: every row that fits arrives once, at its place.
#include "coll/weighted.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "base/error.hpp"
#include "complaints.hpp"
#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::Complaints;
using testing::consecutive;
using testing::HostList;
using testing::run_ranks;

/// What one job does. Matrices are row-major, from row to column.
struct Job {
  HostList hosts;
  size_t size = 0;
  std::vector<double> weights;
  std::vector<size_t> rows;
  std::vector<std::vector<size_t>> counts;  ///< by exchange
  double factor = 1;
  size_t row_bytes = 1;
  Overflow overflow = Overflow::kDrop;
  std::string algorithm;
  comm::Settings settings;
};

constexpr std::byte kGuard{0xE7};
constexpr size_t kGuardBytes = 64;

std::byte content(size_t from, size_t to, size_t exchange, size_t position) {
  return static_cast<std::byte>(from * 41 + to * 17 + exchange * 29 + position % 241);
}

/// One rank's side of a job.
class Side {
 public:
  Side(Engine& engine, const Job& job, Complaints& complaints)
      : job_(job),
        engine_(engine),
        complaints_(complaints),
        rank_(static_cast<size_t>(engine.communicator().rank())),
        weighted_(engine, {.capacity = {.weights = std::span(job.weights).subspan(rank_ * job.size, job.size),
                                        .rows = job.rows[rank_],
                                        .factor = job.factor,
                                        .min_capacity = 0},
                           .row_bytes = job.row_bytes,
                           .overflow = job.overflow,
                           .options = {.algorithm = job.algorithm, .timeout_s = 0}}) {
    size_t place = 0;
    for (size_t from = 0; from < job.size; ++from) {
      expect(weighted_.recv_capacities()[from] == capacity(from, rank_), "capacity from " + std::to_string(from));
      expect(weighted_.send_capacities()[from] == capacity(rank_, from), "capacity to " + std::to_string(from));
      expect(weighted_.recv_displs()[from] == place, "displacement of " + std::to_string(from));
      place += weighted_.recv_capacities()[from];
    }
    expect(weighted_.recv_rows() == place, "rows of the receive buffer");
  }

  void exchange(size_t number) {
    number_ = number;
    std::vector<size_t> counts(job_.counts[number].begin() + static_cast<std::ptrdiff_t>(rank_ * job_.size),
                               job_.counts[number].begin() + static_cast<std::ptrdiff_t>((rank_ + 1) * job_.size));
    fill(counts);
    bool failed = false;
    try {
      run(counts);
    } catch (const Error& error) {
      failed = true;
      expect(error.status() == BANYAN_ERR_LIMIT, std::string("status of: ") + error.what());
    }
    const bool overflows = num_overflowed() > 0;
    expect(failed == (overflows && job_.overflow == Overflow::kError), "fails if rows do not fit");
    expect(weighted_.num_overflowed() == num_overflowed(), "ranks that overflowed");
    if (!failed) {
      check();
      exchange_rest();
    }
  }

 private:
  [[nodiscard]] size_t capacity(size_t from, size_t to) const {
    return capacities_of({.weights = std::span(job_.weights).subspan(from * job_.size, job_.size),
                          .rows = job_.rows[from],
                          .factor = job_.factor,
                          .min_capacity = 0})[to];
  }
  [[nodiscard]] size_t count(size_t from, size_t to) const { return job_.counts[number_][from * job_.size + to]; }
  [[nodiscard]] size_t fitting(size_t from, size_t to) const { return std::min(count(from, to), capacity(from, to)); }

  [[nodiscard]] int num_overflowed() const {
    int number = 0;
    for (size_t from = 0; from < job_.size; ++from) {
      bool any = false;
      for (size_t to = 0; to < job_.size; ++to) {
        any = any || count(from, to) > capacity(from, to);
      }
      number += any ? 1 : 0;
    }
    return number;
  }

  void expect(bool right, const std::string& what) {
    if (!right) {
      complaints_.add("rank " + std::to_string(rank_) + " exchange " + std::to_string(number_) + ": " + what);
    }
  }

  void fill(const std::vector<size_t>& counts) {
    send_.clear();
    for (size_t to = 0; to < job_.size; ++to) {
      for (size_t i = 0; i < counts[to] * job_.row_bytes; ++i) {
        send_.push_back(content(rank_, to, number_, i));
      }
    }
    send_.push_back(kGuard);  // never without memory
    receive_.assign(weighted_.recv_rows() * job_.row_bytes + kGuardBytes, kGuard);
  }

  void run(const std::vector<size_t>& counts) {
    weighted_.start({.sendbuf = send_.data(),
                     .sendcounts = counts.data(),
                     .sdispls = nullptr,
                     .recvbuf = receive_.data(),
                     .rdispls = nullptr});
    engine_.wait(weighted_.request());
    weighted_.finish();
  }

  void check() {
    for (size_t peer = 0; peer < job_.size; ++peer) {
      const std::string whom = " of rank " + std::to_string(peer);
      expect(weighted_.received()[peer] == fitting(peer, rank_), "rows" + whom);
      expect(weighted_.recv_rest()[peer] == count(peer, rank_) - fitting(peer, rank_), "rest" + whom);
      expect(weighted_.send_rest()[peer] == count(rank_, peer) - fitting(rank_, peer), "rest for" + whom);
      const std::byte* rows = receive_.data() + weighted_.recv_displs()[peer] * job_.row_bytes;
      expect_content(rows, peer, 0, fitting(peer, rank_), "content" + whom);
    }
    for (size_t i = 0; i < kGuardBytes; ++i) {
      expect(receive_[receive_.size() - 1 - i] == kGuard, "bytes after the buffer");
    }
  }

  void expect_content(const std::byte* rows, size_t from, size_t first, size_t count, const std::string& what) {
    size_t wrong = 0;
    for (size_t i = 0; i < count * job_.row_bytes; ++i) {
      wrong += rows[i] != content(from, rank_, number_, first * job_.row_bytes + i) ? 1 : 0;
    }
    expect(wrong == 0, what + ": " + std::to_string(wrong) + " bytes are wrong");
  }

  void exchange_rest() {
    if (job_.overflow != Overflow::kRest) {
      return;
    }
    size_t rows = 0;
    for (const size_t more : weighted_.recv_rest()) {
      rows += more;
    }
    std::vector<std::byte> rest(rows * job_.row_bytes + 1, kGuard);
    weighted_.rest(rest.data(), nullptr);
    size_t at = 0;
    for (size_t from = 0; from < job_.size; ++from) {
      const size_t more = weighted_.recv_rest()[from];
      expect_content(rest.data() + at, from, fitting(from, rank_), more, "rest's content");
      at += more * job_.row_bytes;
    }
    expect(rest.back() == kGuard, "byte after the rest");
  }

  const Job& job_;
  Engine& engine_;
  Complaints& complaints_;
  size_t rank_;
  size_t number_ = 0;
  Weighted weighted_;
  std::vector<std::byte> send_, receive_;
};

/// Runs the job; all that was wrong.
std::string run(const Job& job) {
  Complaints complaints;
  const auto outcomes = run_ranks(job.hosts, job.settings, [&](Engine& engine) {
    Side side(engine, job, complaints);
    for (size_t number = 0; number < job.counts.size(); ++number) {
      side.exchange(number);
    }
    engine.barrier();
  });
  for (const auto& outcome : outcomes) {
    if (outcome.status != BANYAN_OK) {
      complaints.add(outcome.text);
    }
  }
  return complaints.text();
}

size_t size_of(const HostList& hosts) {
  size_t size = 0;
  for (const auto& host : hosts) {
    size += host.size();
  }
  return size;
}

/// Counts from none to somewhat more than the capacities, or just up to them.
std::vector<size_t> random_counts(const Job& job, bool may_overflow, std::mt19937& random) {
  std::vector<size_t> counts;
  for (size_t from = 0; from < job.size; ++from) {
    const auto capacities = capacities_of({.weights = std::span(job.weights).subspan(from * job.size, job.size),
                                           .rows = job.rows[from],
                                           .factor = job.factor,
                                           .min_capacity = 0});
    for (const size_t capacity : capacities) {
      const size_t kind = random() % 6;
      counts.push_back(kind == 0                   ? 0
                       : kind == 1                 ? capacity
                       : kind == 2 && may_overflow ? capacity + random() % 50
                                                   : random() % (capacity + 1));
    }
  }
  return counts;
}

/// Shapes, sizes, limits and pieces such that pairs are aggregated or travel alone, in one piece or many.
Job random_job(uint32_t seed) {
  std::mt19937 random(seed);
  const std::vector<HostList> shapes = {consecutive({1}),         consecutive({2}),       consecutive({1, 1}),
                                        consecutive({2, 2}),      consecutive({3, 1, 3}), {{0, 2, 4}, {1, 3}, {5, 6}},
                                        consecutive({1, 1, 1, 1})};
  const std::vector<std::string> algorithms = {
      "", "auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)", "bruck(3)", "auto"};
  Job job;
  job.hosts = shapes[random() % shapes.size()];
  job.size = size_of(job.hosts);
  job.algorithm = algorithms[random() % algorithms.size()];
  job.overflow = static_cast<Overflow>(random() % 3);
  job.factor = 0.5 + static_cast<double>(random() % 100) / 50;
  const size_t row_sizes[] = {1, 3, 64, 700};
  job.row_bytes = row_sizes[random() % 4];
  const size_t limits[] = {0, 0, 1, 300, 100000, SIZE_MAX};
  job.settings.aggregate_limit_bytes = limits[random() % 6];
  const size_t chunks[] = {0, 0, 500, 4096};
  job.settings.chunk_bytes = chunks[random() % 4];
  if (random() % 3 == 0) {
    job.settings.window = 1;
    job.settings.window_bytes = 1;
  }
  for (size_t from = 0; from < job.size; ++from) {
    job.rows.push_back(random() % 5 == 0 ? 0 : 1 + random() % (random() % 4 == 0 ? 3000 : 100));
    for (size_t to = 0; to < job.size; ++to) {
      job.weights.push_back(random() % 4 == 0 ? 0 : static_cast<double>(random() % 1000) / 7);
    }
    job.weights[from * job.size + random() % job.size] += 1;
  }
  for (int exchange = 0; exchange < 4; ++exchange) {
    job.counts.push_back(random_counts(job, random() % 2 == 0, random));
  }
  return job;
}

TEST(Weighted, RandomJobsThenEveryRowThatFitsArrivesOnceAtItsPlace) {
  EXPECT_TRUE(rc::check([] {
    const auto seed = *rc::gen::arbitrary<uint32_t>();
    const std::string complaints = run(random_job(seed));
    RC_LOG() << "seed " << seed << ":\n" << complaints;
    RC_ASSERT(complaints.empty());
  }));
}

/// Pairs with room for megabytes and few rows: all but the first receives are taken back.
TEST(Weighted, LargeCapacitiesHardlyUsedThenArrives) {
  for (const char* algorithm : {"direct", "hierarchical(rail)", "hierarchical(node)"}) {
    Job job;
    job.hosts = consecutive({2, 1, 1});
    job.size = 4;
    job.algorithm = algorithm;
    job.row_bytes = 1000;
    job.settings.chunk_bytes = 4096;
    job.weights.assign(16, 1);
    job.rows.assign(4, 4000);
    job.counts = {std::vector<size_t>(16, 0), std::vector<size_t>(16, 1), std::vector<size_t>(16, 1000),
                  std::vector<size_t>(16, 0), std::vector<size_t>(16, 270)};
    job.counts[4][3] = 1000;
    job.counts[4][4] = 0;
    EXPECT_EQ(run(job), "") << algorithm;
  }
}

TEST(Weighted, SevenRanksAllPoliciesThenArrives) {
  for (const Overflow overflow : {Overflow::kError, Overflow::kDrop, Overflow::kRest}) {
    Job job;
    job.hosts = consecutive({4, 3});
    job.size = 7;
    job.overflow = overflow;
    job.row_bytes = 128;
    job.weights.assign(49, 1);
    job.rows.assign(7, 70);
    job.counts = {std::vector<size_t>(49, 10), std::vector<size_t>(49, 10), std::vector<size_t>(49, 10)};
    job.counts[1][7 * 2 + 5] = 30;  // of a neighbour on another host,
    job.counts[1][7 * 3 + 3] = 11;  // and of a rank for itself
    EXPECT_EQ(run(job), "") << static_cast<int>(overflow);
  }
}

}  // namespace
}  // namespace banyan::coll
