// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/moves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/error.hpp"
#include "base/json.hpp"

namespace banyan::moe {
namespace {

using json::Value;
using topology::Tier;

/// Moves and links beyond this many are left to JSON.
constexpr size_t kMaxLines = 256;

std::string more_lines(size_t number) {
  return number > kMaxLines ? fmt::format("  ... and {} more\n", number - kMaxLines) : "";
}

void check_same(const Placement& from, const Placement& to) {
  if (from.num_experts() != to.num_experts()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("`from` has {} experts and `to` has {}", from.num_experts(), to.num_experts()));
  }
  if (from.hosts().num_ranks() != to.hosts().num_ranks()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("`from` is of {} ranks and `to` of {}", from.hosts().num_ranks(), to.hosts().num_ranks()));
  }
  for (int rank = 0; rank < from.hosts().num_ranks(); ++rank) {
    if (from.hosts().host_of(rank) != to.hosts().host_of(rank)) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("rank {} is on host {} in `from` and on host {} in `to`",
                                                           rank, from.hosts().host_of(rank), to.hosts().host_of(rank)));
    }
  }
}

bool holds(const std::vector<int>& ranks, int rank) { return std::binary_search(ranks.begin(), ranks.end(), rank); }

/// Counts bytes over ranks and links as copies are decided.
class Tally {
 public:
  explicit Tally(const Placement& map)
      : map_(map),
        sent_(static_cast<size_t>(map.hosts().num_ranks()), 0),
        out_(map.tree().nodes().size(), 0),
        in_(out_.size(), 0) {}

  /// The holder in the nearest tier that sends least so far, the lowest of equal ones.
  [[nodiscard]] int source(const std::vector<int>& holders, int to) const {
    const auto key = [&](int rank) {
      return std::tuple(map_.tree().common_tier(rank, to), sent_[static_cast<size_t>(rank)], rank);
    };
    return *std::min_element(holders.begin(), holders.end(), [&](int a, int b) { return key(a) < key(b); });
  }

  void add(const Move& move, Moves& moves) {
    moves.list.push_back(move);
    if (__builtin_add_overflow(moves.bytes, move.bytes, &moves.bytes)) {
      throw Error(BANYAN_ERR_LIMIT, fmt::format("bytes of moves overflow at expert {} of {} bytes for rank {}",
                                                move.expert, move.bytes, move.to));
    }
    sent_[static_cast<size_t>(move.from)] += move.bytes;
    if (!map_.tree().same_host(move.from, move.to)) {
      moves.remote_bytes += move.bytes;
    }
    for (const Tier tier : {Tier::kNode, Tier::kRack}) {
      if (map_.tree().common_tier(move.from, move.to) > tier) {
        out_[static_cast<size_t>(map_.tree().ancestor(move.from, tier))] += move.bytes;
        in_[static_cast<size_t>(map_.tree().ancestor(move.to, tier))] += move.bytes;
      }
    }
  }

  [[nodiscard]] std::vector<MoveLink> links() const {
    std::vector<MoveLink> links;
    for (size_t node = 0; node < out_.size(); ++node) {
      const auto& capacity = map_.model().subtrees[node];
      const std::string& name = map_.tree().nodes()[node].name;
      if (out_[node] > 0) {
        links.push_back({name, false, out_[node], capacity.egress_bytes_per_s});
      }
      if (in_[node] > 0) {
        links.push_back({name, true, in_[node], capacity.ingress_bytes_per_s});
      }
    }
    return links;
  }

 private:
  const Placement& map_;
  std::vector<uint64_t> sent_;  ///< [ranks]
  std::vector<uint64_t> out_;   ///< [tree nodes]
  std::vector<uint64_t> in_;    ///< [tree nodes]
};

/// Most experts on a rank that are in one of the maps.
int peak_slots(const Placement& from, const Placement& to) {
  std::vector<int> held(static_cast<size_t>(from.hosts().num_ranks()), 0);
  for (size_t expert = 0; expert < from.replicas().size(); ++expert) {
    for (const int rank : from.replicas()[expert]) {
      ++held[static_cast<size_t>(rank)];
    }
    for (const int rank : to.replicas()[expert]) {
      held[static_cast<size_t>(rank)] += holds(from.replicas()[expert], rank) ? 0 : 1;
    }
  }
  return *std::max_element(held.begin(), held.end());
}

}  // namespace

double Moves::time_s() const noexcept {
  double longest = 0;
  for (const MoveLink& link : links) {
    longest = std::max(longest, link.time_s());
  }
  return longest;
}

Moves moves_between(const Placement& from, const Placement& to, std::span<const size_t> expert_bytes) {
  check_same(from, to);
  Moves moves;
  Tally tally(to);
  for (size_t expert = 0; expert < from.replicas().size(); ++expert) {
    const std::vector<int>& holders = from.replicas()[expert];
    for (const int rank : to.replicas()[expert]) {
      if (!holds(holders, rank)) {
        tally.add({static_cast<int>(expert), tally.source(holders, rank), rank, expert_bytes[expert]}, moves);
      }
    }
  }
  moves.links = tally.links();
  moves.peak_slots = peak_slots(from, to);
  return moves;
}

std::string Moves::to_text() const {
  std::string text =
      fmt::format("{} copies of {} bytes, {} of them between hosts; at most {} experts on a rank meanwhile\n",
                  list.size(), bytes, remote_bytes, peak_slots);
  for (size_t i = 0; i < std::min(list.size(), kMaxLines); ++i) {
    text += fmt::format("  expert {}: rank {} -> rank {}, {} bytes\n", list[i].expert, list[i].from, list[i].to,
                        list[i].bytes);
  }
  text += more_lines(list.size());
  for (size_t i = 0; i < std::min(links.size(), kMaxLines); ++i) {
    text += fmt::format("  {} {}: {} bytes", links[i].name, links[i].incoming ? "in" : "out", links[i].bytes);
    text += links[i].capacity_bytes_per_s > 0 ? fmt::format(", {:.6g} s\n", links[i].time_s()) : "\n";
  }
  return text + more_lines(links.size());
}

std::string Moves::to_json() const {
  Value copies = Value::array();
  for (const Move& move : list) {
    copies.push_back({{"expert", move.expert}, {"from", move.from}, {"to", move.to}, {"bytes", move.bytes}});
  }
  Value crossed = Value::array();
  for (const MoveLink& link : links) {
    crossed.push_back({{"name", link.name},
                       {"direction", link.incoming ? "in" : "out"},
                       {"bytes", link.bytes},
                       {"capacity_bytes_per_s", link.capacity_bytes_per_s},
                       {"time_s", link.time_s()}});
  }
  const Value root = {{"format", "banyan-moves-1"}, {"bytes", bytes},     {"remote_bytes", remote_bytes},
                      {"peak_slots", peak_slots},   {"time_s", time_s()}, {"moves", std::move(copies)},
                      {"links", std::move(crossed)}};
  return root.dump(1) + "\n";
}

}  // namespace banyan::moe
