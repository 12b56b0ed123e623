// SPDX-License-Identifier: Apache-2.0
#include "schedules.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <tuple>
#include <utility>

namespace banyan::schedule::testing {
namespace {

size_t index(int rank) { return static_cast<size_t>(rank); }

/// Collects blocks by hop and makes one message of each hop's blocks between two ranks.
class Hops {
 public:
  void add(int step, int from, int to, const Block& block) { blocks_[{step, from, to}].push_back(block); }

  [[nodiscard]] std::vector<Message> messages(Path last_path, bool self_describing) const {
    std::vector<Message> result;
    for (const auto& [hop, blocks] : blocks_) {
      const auto [step, from, to] = hop;
      result.push_back({.step = step,
                        .from = from,
                        .to = to,
                        .path = step > 0 ? last_path : Path::kMessage,
                        .self_describing = self_describing,
                        .blocks = blocks});
    }
    return result;
  }

 private:
  std::map<std::tuple<int, int, int>, std::vector<Block>> blocks_;
};

}  // namespace

void sort_messages(Schedule& schedule) {
  std::stable_sort(schedule.messages.begin(), schedule.messages.end(), [](const Message& a, const Message& b) {
    return std::pair(a.step, a.from) < std::pair(b.step, b.from);
  });
}

Schedule direct(int num_ranks) {
  Schedule schedule{.algorithm = "direct", .num_ranks = num_ranks, .window = 4, .messages = {}};
  for (int from = 0; from < num_ranks; ++from) {
    for (int shift = 1; shift < num_ranks; ++shift) {
      const int to = (from + shift) % num_ranks;
      schedule.messages.push_back({.from = from, .to = to, .blocks = {{from, to}}});
    }
  }
  return schedule;
}

Schedule ring(int num_ranks) {
  Schedule schedule{.algorithm = "ring", .num_ranks = num_ranks, .window = 1, .messages = {}};
  Hops hops;
  for (int src = 0; src < num_ranks; ++src) {
    for (int distance = 1; distance < num_ranks; ++distance) {
      const Block block{src, (src + distance) % num_ranks};
      for (int hop = 0; hop < distance; ++hop) {
        hops.add(hop, (src + hop) % num_ranks, (src + hop + 1) % num_ranks, block);
      }
    }
  }
  schedule.messages = hops.messages(Path::kMessage, true);
  return schedule;
}

Schedule two_level(const std::vector<std::vector<int>>& hosts) {
  Schedule schedule{.algorithm = "two_level", .num_ranks = 0, .window = 2, .messages = {}};
  Hops hops;
  for (const std::vector<int>& from_host : hosts) {
    schedule.num_ranks += static_cast<int>(from_host.size());
    for (size_t place = 0; place < from_host.size(); ++place) {
      const int src = from_host[place];
      for (const std::vector<int>& to_host : hosts) {
        const int relay = &to_host == &from_host ? src : to_host[place % to_host.size()];
        for (const int dst : to_host) {
          if (relay != src) {
            hops.add(0, src, relay, {src, dst});
          }
          if (dst != relay) {
            hops.add(1, relay, dst, {src, dst});
          }
        }
      }
    }
  }
  schedule.messages = hops.messages(Path::kMapped, true);
  return schedule;
}

Schedule random_paths(int num_ranks, int max_relays, uint64_t seed) {
  Schedule schedule{.algorithm = "random_paths", .num_ranks = num_ranks, .window = 1, .messages = {}};
  std::mt19937_64 random(seed);
  Hops hops;
  for (int src = 0; src < num_ranks; ++src) {
    for (int dst = 0; dst < num_ranks; ++dst) {
      if (src == dst) {
        continue;
      }
      std::vector<int> others;
      for (int rank = 0; rank < num_ranks; ++rank) {
        if (rank != src && rank != dst) {
          others.push_back(rank);
        }
      }
      std::shuffle(others.begin(), others.end(), random);
      others.resize(std::min(others.size(), index(static_cast<int>(random() % index(max_relays + 1)))));
      others.push_back(dst);
      int at = src;
      for (size_t hop = 0; hop < others.size(); ++hop) {
        hops.add(static_cast<int>(hop), at, others[hop], {src, dst});
        at = others[hop];
      }
    }
  }
  schedule.messages = hops.messages(Path::kMessage, true);
  return schedule;
}

}  // namespace banyan::schedule::testing
