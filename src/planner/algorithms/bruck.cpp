// SPDX-License-Identifier: Apache-2.0
#include "planner/algorithms/bruck.hpp"

#include "planner/algorithms/message.hpp"

namespace banyan::planner::bruck {
namespace {

using schedule::Message;
using schedule::RankSchedule;

class Builder {
 public:
  Builder(const Hosts& hosts, int rank, const Options& options)
      : hosts_(hosts),
        rank_(rank),
        host_(hosts.host_of(rank)),
        options_(options),
        digits_(hosts.count(), options.radix) {
    part_.rank = rank;
  }

  RankSchedule build() {
    append_local_step(hosts_, part_, [this](int from, int to) { return gathered(from, to); });
    for (int round = 0; round < digits_.num_rounds(); ++round) {
      cross(round);
      append_local_step(hosts_, part_, [this, round](int from, int to) { return handed_on(round, from, to); });
    }
    return std::move(part_);
  }

 private:
  Message message(int step, int from, int to) const { return empty_message(hosts_, options_, step, from, to); }

  /// The rank that sends the host's message of that round and digit, and receives the one that comes.
  [[nodiscard]] int carrier(int host, int round, int digit) const {
    const int place = round * (digits_.radix() - 1) + digit - 1;
    return hosts_.ranks(host)[static_cast<size_t>(place % hosts_.size(host))];
  }

  [[nodiscard]] int carrier_of(int host, int round, int distance) const {
    return carrier(host, round, digits_.digit(distance, round));
  }

  /// The host from which a block of that distance has come to `host` when the hops of the rounds before are done.
  [[nodiscard]] int source_host(int host, int distance, int round) const {
    return hosts_.previous(host, distance % digits_.power(round));
  }

  void add_blocks(Message& message, int from_host, int distance) const {
    for (const int destination : hosts_.ranks(hosts_.next(from_host, distance))) {
      for (const int source : hosts_.ranks(from_host)) {
        message.blocks.push_back({source, destination});
      }
    }
  }

  /// Step 0: `from` hands `to` its block for it, and those that `to` carries on their first hop.
  [[nodiscard]] Message gathered(int from, int to) const {
    Message result = message(0, from, to);
    result.blocks.push_back({from, to});
    for (int distance = 1; distance < digits_.num_hosts(); ++distance) {
      if (carrier_of(host_, digits_.next_round(distance, 0), distance) != to) {
        continue;
      }
      for (const int destination : hosts_.ranks(hosts_.next(host_, distance))) {
        result.blocks.push_back({from, destination});
      }
    }
    return result;
  }

  /// Step 1 + 2 round: host x's message to the host that is `digit` r^round further.
  [[nodiscard]] Message hop(int x, int round, int digit) const {
    const int y = hosts_.next(x, digit * digits_.power(round));
    Message result = message(1 + 2 * round, carrier(x, round, digit), carrier(y, round, digit));
    for (int distance = 1; distance < digits_.num_hosts(); ++distance) {
      if (digits_.digit(distance, round) == digit) {
        add_blocks(result, source_host(x, distance, round), distance);
      }
    }
    return result;
  }

  void cross(int round) {
    for (int digit = 1; digit < digits_.radix() && digits_.used(round, digit); ++digit) {
      if (carrier(host_, round, digit) == rank_) {
        part_.sends.push_back(hop(host_, round, digit));
        part_.receives.push_back(hop(hosts_.previous(host_, digit * digits_.power(round)), round, digit));
      }
    }
  }

  /// Step 2 + 2 round: of what `from` received in the round, it hands `to` what is for it or what it carries next.
  [[nodiscard]] Message handed_on(int round, int from, int to) const {
    Message result = message(2 + 2 * round, from, to);
    for (int distance = 1; distance < digits_.num_hosts(); ++distance) {
      if (digits_.digit(distance, round) == 0 || carrier_of(host_, round, distance) != from) {
        continue;
      }
      const int next = digits_.next_round(distance, round + 1);
      const int from_host =
          source_host(hosts_.previous(host_, digits_.digit(distance, round) * digits_.power(round)), distance, round);
      if (next == digits_.num_rounds()) {
        for (const int source : hosts_.ranks(from_host)) {
          result.blocks.push_back({source, to});
        }
      } else if (carrier_of(host_, next, distance) == to) {
        add_blocks(result, from_host, distance);
      }
    }
    return result;
  }

  const Hosts& hosts_;
  int rank_;
  int host_;
  Options options_;
  Digits digits_;
  RankSchedule part_;
};

}  // namespace

Digits::Digits(int num_hosts, int radix) : num_hosts_(num_hosts), radix_(radix) {
  for (int power = 1; power < num_hosts; power *= radix) {
    powers_.push_back(power);
  }
}

int Digits::next_round(int distance, int round) const {
  while (round < num_rounds() && digit(distance, round) == 0) {
    ++round;
  }
  return round;
}

int Digits::num_pairs(int round, int digit) const {
  int pairs = 0;
  for (int distance = 1; distance < num_hosts_; ++distance) {
    pairs += this->digit(distance, round) == digit ? 1 : 0;
  }
  return pairs;
}

int Digits::num_hops(int distance) const {
  int hops = 0;
  for (int round = 0; round < num_rounds(); ++round) {
    hops += digit(distance, round) != 0 ? 1 : 0;
  }
  return hops;
}

schedule::RankSchedule build(const Hosts& hosts, int rank, const Options& options) {
  return Builder(hosts, rank, options).build();
}

}  // namespace banyan::planner::bruck
