// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/shared_capacity.hpp"

#include <algorithm>
#include <utility>

namespace banyan::moe {
namespace {

/// The exchanges with the ranks of replicas that are chosen too often.
class KeyExchange {
 public:
  KeyExchange(Group& group, const PicksByReplica& picks, const Announced& all, size_t capacity)
      : group_(group), picks_(picks), all_(all), capacity_(capacity), rank_(static_cast<size_t>(group.rank())) {
    for (size_t replica = 0; replica < picks.num_replicas(); ++replica) {
      full_.push_back(total_picks(all, replica) > capacity ? 1 : 0);
    }
  }

  [[nodiscard]] bool needed() const { return std::find(full_.begin(), full_.end(), 1) != full_.end(); }

  [[nodiscard]] std::vector<uint32_t> run(const Routing& routing) {
    std::vector<uint32_t> keys, answers;
    std::vector<size_t> keys_to(num_ranks()), keys_from(num_ranks()), answers_to(num_ranks()),
        answers_from(num_ranks());
    for (size_t rank = 0; rank < num_ranks(); ++rank) {
      for_full(rank, rank_, [&](size_t replica, size_t count) {
        keys_to[rank] += count;
        ++answers_from[rank];
        for (size_t n = 0; n < count; ++n) {
          keys.push_back(drop_key(group_.routing_rules(), group_.rank(), routing, picks_.lists[replica][n]));
        }
      });
      for_full(rank_, rank, [&](size_t, size_t count) {
        keys_from[rank] += count;
        ++answers_to[rank];
      });
    }
    const auto received = exchange(keys, keys_to, keys_from);
    return take(exchange(decide(received, keys_from), answers_to, answers_from));
  }

 private:
  [[nodiscard]] size_t num_ranks() const { return all_.headers.size(); }

  /// Replicas of `holder` that are chosen too often and that `source` chose, and how many of its picks may stay.
  template <typename Visit>
  void for_full(size_t holder, size_t source, Visit visit) const {
    const auto counts = all_.counts_of(source);
    for (size_t replica = picks_.begin_of_rank[holder]; replica < picks_.begin_of_rank[holder + 1]; ++replica) {
      if (full_[replica] != 0 && counts[replica] > 0) {
        visit(replica, std::min<size_t>(counts[replica], capacity_));
      }
    }
  }

  std::vector<uint32_t> exchange(const std::vector<uint32_t>& out, const std::vector<size_t>& to,
                                 const std::vector<size_t>& from) {
    size_t received = 0;
    for (const size_t count : from) {
      received += count;
    }
    std::vector<uint32_t> in(received);
    group_.exchange(0, {.send = reinterpret_cast<const std::byte*>(out.data()),
                        .send_rows = to,
                        .recv = reinterpret_cast<std::byte*>(in.data()),
                        .recv_rows = from,
                        .bytes = sizeof(uint32_t)});
    return in;
  }

  /// What stays of each source's picks for the replicas here, by source, then replica.
  [[nodiscard]] std::vector<uint32_t> decide(const std::vector<uint32_t>& keys, const std::vector<size_t>& from) const {
    const size_t first = picks_.begin_of_rank[rank_];
    const std::vector<std::span<const uint32_t>> none(num_ranks());
    std::vector by_replica(picks_.begin_of_rank[rank_ + 1] - first, none);
    size_t at = 0;
    for (size_t source = 0; source < from.size(); ++source) {
      for_full(rank_, source, [&](size_t replica, size_t count) {
        by_replica[replica - first][source] = std::span(keys).subspan(at, count);
        at += count;
      });
    }
    std::vector<std::vector<uint32_t>> kept;
    for (const auto& replica : by_replica) {
      kept.push_back(kept_by_key(replica, capacity_));
    }
    std::vector<uint32_t> answers;
    for (size_t source = 0; source < from.size(); ++source) {
      for_full(rank_, source, [&](size_t replica, size_t) { answers.push_back(kept[replica - first][source]); });
    }
    return answers;
  }

  /// Answers by replica; of those that are not chosen too often all stay.
  [[nodiscard]] std::vector<uint32_t> take(const std::vector<uint32_t>& answers) const {
    const auto own = all_.counts_of(rank_);
    std::vector<uint32_t> kept(own.begin(), own.end());
    size_t at = 0;
    for (size_t rank = 0; rank < num_ranks(); ++rank) {
      for_full(rank, rank_, [&](size_t replica, size_t) { kept[replica] = answers[at++]; });
    }
    return kept;
  }

  Group& group_;
  const PicksByReplica& picks_;
  const Announced& all_;
  size_t capacity_;
  size_t rank_;
  std::vector<char> full_;  ///< by replica
};

}  // namespace

uint64_t total_picks(const Announced& all, size_t replica) {
  uint64_t total = 0;
  for (size_t rank = 0; rank < all.headers.size(); ++rank) {
    total += all.counts_of(rank)[replica];
  }
  return total;
}

uint64_t count_beyond(const Announced& all, CapacityScope scope, size_t capacity) {
  uint64_t count = 0;
  if (scope == CapacityScope::kPerRank) {
    for (const uint32_t picks : all.counts) {
      count += picks - std::min<uint64_t>(picks, capacity);
    }
    return count;
  }
  for (size_t replica = 0; replica < all.num_counts; ++replica) {
    const uint64_t total = total_picks(all, replica);
    count += total - std::min<uint64_t>(total, capacity);
  }
  return count;
}

std::vector<uint32_t> kept_by_rank(const Announced& all, size_t rank, size_t capacity) {
  std::vector<uint32_t> kept;
  for (size_t replica = 0; replica < all.num_counts; ++replica) {
    uint64_t before = 0;
    for (size_t other = 0; other < rank; ++other) {
      before += all.counts_of(other)[replica];
    }
    const uint64_t left = capacity - std::min<uint64_t>(before, capacity);
    kept.push_back(static_cast<uint32_t>(std::min<uint64_t>(left, all.counts_of(rank)[replica])));
  }
  return kept;
}

std::vector<uint32_t> kept_by_key(const std::vector<std::span<const uint32_t>>& keys, size_t capacity) {
  std::vector<std::pair<uint32_t, size_t>> all;  // key, source
  for (size_t source = 0; source < keys.size(); ++source) {
    for (const uint32_t key : keys[source]) {
      all.emplace_back(key, source);
    }
  }
  std::vector<uint32_t> kept(keys.size());
  const size_t most = std::min(capacity, all.size());
  std::partial_sort(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most), all.end(),
      [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  for (size_t n = 0; n < most; ++n) {
    ++kept[all[n].second];
  }
  return kept;
}

std::vector<uint32_t> share_capacity(Group& group, const Routing& routing, const PicksByReplica& picks,
                                     const Announced& all, size_t capacity) {
  const auto rank = static_cast<size_t>(group.rank());
  if (group.routing_rules().scope == CapacityScope::kPerRank) {
    return std::vector(all.num_counts, static_cast<uint32_t>(capacity));
  }
  if (group.routing_rules().drop == DropPolicy::kPosition) {
    return kept_by_rank(all, rank, capacity);
  }
  KeyExchange keys(group, picks, all, capacity);
  if (!keys.needed()) {
    const auto own = all.counts_of(rank);
    return {own.begin(), own.end()};
  }
  return keys.run(routing);
}

}  // namespace banyan::moe
