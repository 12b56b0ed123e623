// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/packing.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <tuple>
#include <utility>

namespace banyan::moe {
namespace {

/// What a rank is preferred by, the smaller the better.
using Preference = std::tuple<int, int, int64_t, double, int>;

class Packer {
 public:
  Packer(const PackingTerms& terms, const std::vector<int>& counts, Replicas start)
      : terms_(terms),
        counts_(counts),
        replicas_(std::move(start)),
        free_(terms.slots),
        load_(free_.size(), 0),
        in_host_(static_cast<size_t>(terms.hosts.count())),
        in_rack_(static_cast<size_t>(terms.hosts.num_racks())) {
    replicas_.resize(counts.size());
    for (size_t expert = 0; expert < replicas_.size(); ++expert) {
      for (const int rank : replicas_[expert]) {
        take(rank, piece(expert));
      }
    }
  }

  Replicas run() {
    std::vector<size_t> order(counts_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return piece(a) > piece(b); });
    for (const size_t expert : order) {
      place(expert);
    }
    for (auto& ranks : replicas_) {
      std::sort(ranks.begin(), ranks.end());
    }
    return std::move(replicas_);
  }

 private:
  [[nodiscard]] int64_t piece(size_t expert) const {
    return terms_.demand.load(static_cast<int>(expert)) / counts_[expert];
  }

  void take(int rank, int64_t size) {
    --free_[static_cast<size_t>(rank)];
    load_[static_cast<size_t>(rank)] += size;
  }

  /// All pieces of an expert that are not placed yet.
  void place(size_t expert) {
    std::fill(in_host_.begin(), in_host_.end(), 0);
    std::fill(in_rack_.begin(), in_rack_.end(), 0);
    std::vector<bool> has(free_.size(), false);
    for (const int rank : replicas_[expert]) {
      note(rank, has);
    }
    while (static_cast<int>(replicas_[expert].size()) < counts_[expert]) {
      const int rank = choose(expert, has);
      if (rank < 0) {
        return;
      }
      take(rank, piece(expert));
      replicas_[expert].push_back(rank);
      note(rank, has);
    }
  }

  void note(int rank, std::vector<bool>& has) {
    has[static_cast<size_t>(rank)] = true;
    ++in_host_[static_cast<size_t>(terms_.hosts.host_of(rank))];
    ++in_rack_[static_cast<size_t>(terms_.hosts.rack_of(rank))];
  }

  /// -1: no rank has a slot for it.
  [[nodiscard]] int choose(size_t expert, const std::vector<bool>& has) const {
    const int64_t size = piece(expert);
    const int64_t mean = terms_.demand.total() / static_cast<int64_t>(free_.size());
    const int64_t rounding = mean >> 40;
    int best = -1;
    std::tuple<int64_t, Preference> best_key;
    for (int rank = 0; rank < terms_.hosts.num_ranks(); ++rank) {
      const auto r = static_cast<size_t>(rank);
      if (free_[r] <= 0 || has[r]) {
        continue;
      }
      const bool fits = load_[r] + size <= mean + rounding;
      // Experts of no load fit anywhere; they go where they leave most slots to others.
      const int64_t strain = size == 0 ? -free_[r] : fits ? -1 : load_[r];
      const std::tuple<int64_t, Preference> key{strain, preference(rank, expert)};
      if (best < 0 || key < best_key) {
        best = rank;
        best_key = key;
      }
    }
    return best;
  }

  [[nodiscard]] Preference preference(int rank, size_t expert) const {
    const int host = terms_.hosts.host_of(rank);
    return {in_host_[static_cast<size_t>(host)], in_rack_[static_cast<size_t>(terms_.hosts.rack_of(rank))],
            -terms_.demand.units(host, static_cast<int>(expert)), -room(host), rank};
  }

  /// Capacity into a host for each of its ranks; a host without a limit has most.
  [[nodiscard]] double room(int host) const {
    const double ingress = terms_.model.subtrees[static_cast<size_t>(terms_.hosts.tree_node(host))].ingress_bytes_per_s;
    return ingress > 0 ? ingress / terms_.hosts.size(host) : 1e300;
  }

  const PackingTerms& terms_;
  const std::vector<int>& counts_;
  Replicas replicas_;
  std::vector<int> free_;      ///< [ranks] slots
  std::vector<int64_t> load_;  ///< [ranks] units
  std::vector<int> in_host_;   ///< replicas of the expert in hand
  std::vector<int> in_rack_;
};

}  // namespace

std::vector<int> replica_counts(const PackingTerms& terms, bool fill) {
  const auto ranks = static_cast<int64_t>(terms.slots.size());
  const auto usable =
      static_cast<int>(std::count_if(terms.slots.begin(), terms.slots.end(), [](int slots) { return slots > 0; }));
  const int most = terms.max_replicas > 0 ? std::min(terms.max_replicas, usable) : usable;
  std::vector<int> counts(static_cast<size_t>(terms.demand.num_experts()), 1);
  const auto wanted = [&](int expert) {
    const double exact = static_cast<double>(ranks) * static_cast<double>(terms.demand.load(expert)) /
                         static_cast<double>(terms.demand.total());
    const auto rounded = static_cast<int>(exact * (1 - 1e-12)) + 1;  // up, but not for rounding's sake
    return fill ? most : std::min(most, rounded);
  };
  int64_t left = std::accumulate(terms.slots.begin(), terms.slots.end(), int64_t{0}) - terms.demand.num_experts();
  std::priority_queue<std::pair<double, int>> queue;  // load a replica, and -expert
  const auto offer = [&](int expert) {
    const int count = counts[static_cast<size_t>(expert)];
    if (terms.demand.load(expert) > 0 && count < wanted(expert)) {
      queue.emplace(static_cast<double>(terms.demand.load(expert)) / count, -expert);
    }
  };
  for (int expert = 0; expert < terms.demand.num_experts(); ++expert) {
    offer(expert);
  }
  for (; left > 0 && !queue.empty(); --left) {
    const int expert = -queue.top().second;
    queue.pop();
    ++counts[static_cast<size_t>(expert)];
    offer(expert);
  }
  return counts;
}

Replicas packed_once(const PackingTerms& terms) {
  return packed(terms, std::vector<int>(static_cast<size_t>(terms.demand.num_experts()), 1), {});
}

Replicas packed(const PackingTerms& terms, const std::vector<int>& counts, Replicas start) {
  return Packer(terms, counts, std::move(start)).run();
}

}  // namespace banyan::moe
