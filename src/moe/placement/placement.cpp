// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.hpp"
#include "moe/placement/packing.hpp"

namespace banyan::moe {
namespace {

constexpr int kMaxExperts = 1 << 16;
/// More replicas than this are no expert map, but memory that runs out.
constexpr int kMaxSlotsPerRank = kMaxExperts;

[[noreturn]] void reject(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

void check_loads(std::span<const double> loads, const char* name) {
  for (size_t i = 0; i < loads.size(); ++i) {
    if (!(loads[i] >= 0) || std::isinf(loads[i])) {
      reject(fmt::format("{}[{}] is {}; loads are 0 or positive, and finite", name, i, loads[i]));
    }
  }
}

void check_terms(const PlacementTerms& terms) {
  if (terms.tree.num_ranks() == 0) {
    reject("topology has no ranks");
  }
  if (terms.num_experts < 1 || terms.num_experts > kMaxExperts) {
    reject(fmt::format("num_experts is {}, must be 1 to {}", terms.num_experts, kMaxExperts));
  }
  if (!terms.load.empty() && !terms.rank_load.empty()) {
    reject("load and rank_load are both given; only one is used");
  }
  check_loads(terms.load, "load");
  check_loads(terms.rank_load, "rank_load");
  if (!(terms.balance_slack >= 0) || std::isinf(terms.balance_slack)) {
    reject(fmt::format("balance_slack is {}; it is 0 or positive, and finite", terms.balance_slack));
  }
}

/// [hosts, experts] rows.
std::vector<double> host_rows(const PlacementTerms& terms, const planner::Hosts& hosts) {
  const auto experts = static_cast<size_t>(terms.num_experts);
  std::vector<double> rows(static_cast<size_t>(hosts.count()) * experts, 0);
  for (int host = 0; host < hosts.count(); ++host) {
    for (size_t expert = 0; expert < experts; ++expert) {
      double& sum = rows[static_cast<size_t>(host) * experts + expert];
      if (terms.rank_load.empty()) {
        sum = (terms.load.empty() ? 1 : terms.load[expert]) * hosts.size(host) / hosts.num_ranks();
        continue;
      }
      for (const int rank : hosts.ranks(host)) {
        sum += terms.rank_load[static_cast<size_t>(rank) * experts + expert];
      }
    }
  }
  if (!std::isfinite(std::accumulate(rows.begin(), rows.end(), 0.0))) {
    reject("the sum of all loads is not finite");
  }
  return rows;
}

std::vector<int> slots_of(const PlacementTerms& terms) {
  const int ranks = terms.tree.num_ranks();
  const int once = (terms.num_experts + ranks - 1) / ranks;
  std::vector<int> slots(static_cast<size_t>(ranks), terms.slots_per_rank == 0 ? once : terms.slots_per_rank);
  if (terms.slots_per_rank < 0 || terms.slots_per_rank > kMaxSlotsPerRank) {
    reject(fmt::format("slots_per_rank is {}, must be 0 to {}", terms.slots_per_rank, kMaxSlotsPerRank));
  }
  if (!terms.slots.empty()) {
    slots.assign(terms.slots.begin(), terms.slots.end());
  }
  int64_t total = 0;
  for (size_t rank = 0; rank < slots.size(); ++rank) {
    if (slots[rank] < 0 || slots[rank] > kMaxSlotsPerRank) {
      reject(fmt::format("slots[{}] is {}, must be 0 to {}", rank, slots[rank], kMaxSlotsPerRank));
    }
    total += slots[rank];
  }
  if (total < terms.num_experts) {
    reject(fmt::format("{} slots on all ranks are too few for {} experts", total, terms.num_experts));
  }
  return slots;
}

Replicas homes_of(const PlacementTerms& terms, const std::vector<int>& slots) {
  std::vector<int> taken(slots.size(), 0);
  Replicas homes;
  for (size_t expert = 0; expert < terms.home.size(); ++expert) {
    const int rank = terms.home[expert];
    if (rank < 0 || rank >= static_cast<int>(slots.size())) {
      reject(fmt::format("home[{}] is {}, must be a rank of 0 to {}", expert, rank, slots.size() - 1));
    }
    if (++taken[static_cast<size_t>(rank)] > slots[static_cast<size_t>(rank)]) {
      reject(fmt::format("home[{}] is {}, but rank {} has {} slots and as many experts before", expert, rank, rank,
                         slots[static_cast<size_t>(rank)]));
    }
    homes.push_back({rank});
  }
  return homes;
}

/// Of flows [hosts, replicas], what leaves its host, in units.
double remote_units(const Replicas& replicas, const std::vector<std::vector<double>>& flows,
                    const planner::Hosts& hosts) {
  double sum = 0;
  for (size_t expert = 0; expert < replicas.size(); ++expert) {
    const size_t n = replicas[expert].size();
    for (size_t i = 0; i < flows[expert].size(); ++i) {
      sum += hosts.host_of(replicas[expert][i % n]) == static_cast<int>(i / n) ? 0 : flows[expert][i];
    }
  }
  return sum;
}

/// Replicas that get no rows are not worth their memory; `kept` and an expert's last stay.
void drop_idle(Replicas& replicas, std::vector<std::vector<double>>& flows, const Replicas& kept) {
  for (size_t expert = 0; expert < replicas.size(); ++expert) {
    auto& ranks = replicas[expert];
    for (size_t i = ranks.size(); i-- > 0 && ranks.size() > 1;) {
      const size_t n = ranks.size();
      double sum = 0;
      for (size_t k = i; k < flows[expert].size(); k += n) {
        sum += flows[expert][k];
      }
      if (sum > 0 || (!kept.empty() && kept[expert][0] == ranks[i])) {
        continue;
      }
      ranks.erase(ranks.begin() + static_cast<std::ptrdiff_t>(i));
      std::vector<double> rest;
      for (size_t k = 0; k < flows[expert].size(); ++k) {
        if (k % n != i) {
          rest.push_back(flows[expert][k]);
        }
      }
      flows[expert] = std::move(rest);
    }
  }
}

/// A placement that might be chosen.
struct Candidate {
  Replicas replicas;
  Shares shares;
  double remote = 0;

  [[nodiscard]] bool better_than(const Candidate& other) const {
    return shares.max_load != other.shares.max_load ? shares.max_load < other.shares.max_load : remote < other.remote;
  }
};

Candidate evaluate(const PackingTerms& packing, Replicas replicas, double slack, int64_t ceiling) {
  Candidate candidate;
  candidate.replicas = std::move(replicas);
  candidate.shares = share_out(packing.demand, candidate.replicas, packing.hosts, slack, ceiling);
  candidate.remote = remote_units(candidate.replicas, candidate.shares.flows, packing.hosts);
  return candidate;
}

/// The unreplicated map, and the best of several replicated ones: each number of replicas packed anew, and added to it.
/// Of the latter the largest load can't be larger, since their shares may be those of the unreplicated map.
std::pair<Candidate, Candidate> choose(const PlacementTerms& terms, const PackingTerms& packing) {
  const Replicas homes = homes_of(terms, packing.slots);
  Candidate before = evaluate(packing, homes.empty() ? packed_once(packing) : homes, 0, 0);
  const int64_t ceiling = before.shares.max_load;
  std::optional<Candidate> best;
  const auto consider = [&](const std::vector<int>& counts, const Replicas& start) {
    Candidate candidate = evaluate(packing, packed(packing, counts, start), terms.balance_slack, ceiling);
    if (!best || candidate.better_than(*best)) {
      best = std::move(candidate);
    }
  };
  for (const bool fill : {false, true}) {
    if (fill && !terms.fill_slots) {
      break;
    }
    const std::vector<int> counts = replica_counts(packing, fill);
    consider(counts, before.replicas);
    if (homes.empty()) {
      consider(counts, {});
    }
  }
  drop_idle(best->replicas, best->shares.flows, homes);
  return {std::move(before), std::move(*best)};
}

/// Units of each rank.
double largest_load(const Replicas& replicas, const std::vector<std::vector<double>>& flows, int num_ranks) {
  std::vector<double> loads(static_cast<size_t>(num_ranks), 0);
  for (size_t expert = 0; expert < replicas.size(); ++expert) {
    for (size_t i = 0; i < flows[expert].size(); ++i) {
      loads[static_cast<size_t>(replicas[expert][i % replicas[expert].size()])] += flows[expert][i];
    }
  }
  return *std::max_element(loads.begin(), loads.end());
}

}  // namespace

/// Takes replicas and what flows to them, in units.
void Placement::adopt(const PlacementTerms& terms, const Demand& demand, Replicas replicas,
                      const std::vector<std::vector<double>>& flows) {
  replicas_ = std::move(replicas);
  epoch_ = terms.epoch;
  for (size_t expert = 0; expert < replicas_.size(); ++expert) {
    shares_.push_back(normalised(flows[expert], replicas_[expert], hosts_));
  }
  const double row = demand.rows_of(1);
  figures_.mean_load = static_cast<double>(demand.total()) * row / hosts_.num_ranks();
  figures_.max_load = largest_load(replicas_, flows, hosts_.num_ranks()) * row;
  figures_.remote_rows = remote_units(replicas_, flows, hosts_) * row;
}

Placement Placement::make(const PlacementTerms& terms) {
  check_terms(terms);
  if (terms.load.empty() && terms.rank_load.empty()) {
    reject("load and rank_load are both NULL; one is required");
  }
  if (terms.max_replicas < 0) {
    reject(fmt::format("max_replicas is {}, must be at least 0", terms.max_replicas));
  }
  const std::vector<int> slots = slots_of(terms);
  Placement placement(terms);
  const Demand demand(host_rows(terms, placement.hosts_), placement.hosts_.count(), terms.num_experts);
  const PackingTerms packing{.hosts = placement.hosts_,
                             .model = placement.model_,
                             .demand = demand,
                             .slots = slots,
                             .max_replicas = terms.max_replicas};
  auto [before, best] = choose(terms, packing);
  placement.adopt(terms, demand, std::move(best.replicas), best.shares.flows);
  placement.figures_.max_load_before =
      largest_load(before.replicas, before.shares.flows, placement.hosts_.num_ranks()) * demand.rows_of(1);
  placement.figures_.remote_rows_before = before.remote * demand.rows_of(1);
  return placement;
}

Placement Placement::from_replicas(const PlacementTerms& terms, const int* num_replicas, const int* ranks) {
  check_terms(terms);
  Placement placement(terms);
  Replicas replicas;
  size_t at = 0;
  for (int expert = 0; expert < terms.num_experts; ++expert) {
    const int number = num_replicas[expert];
    if (number < 1 || number > placement.hosts_.num_ranks()) {
      reject(fmt::format("num_replicas[{}] is {}, must be 1 to {}", expert, number, placement.hosts_.num_ranks()));
    }
    std::vector<int> own(ranks + at, ranks + at + static_cast<size_t>(number));
    std::sort(own.begin(), own.end());
    for (size_t i = 0; i < own.size(); ++i) {
      if (own[i] < 0 || own[i] >= placement.hosts_.num_ranks()) {
        reject(fmt::format("ranks of expert {} have {}, must be 0 to {}", expert, own[i],
                           placement.hosts_.num_ranks() - 1));
      }
      if (i > 0 && own[i] == own[i - 1]) {
        reject(fmt::format("ranks of expert {} have {} twice", expert, own[i]));
      }
    }
    at += static_cast<size_t>(number);
    replicas.push_back(std::move(own));
  }
  const Demand demand(host_rows(terms, placement.hosts_), placement.hosts_.count(), terms.num_experts);
  const Shares shares = share_out(demand, replicas, placement.hosts_, terms.balance_slack, 0);
  placement.adopt(terms, demand, std::move(replicas), shares.flows);
  placement.figures_.max_load_before = placement.figures_.max_load;
  placement.figures_.remote_rows_before = placement.figures_.remote_rows;
  return placement;
}

Placement Placement::with_epoch(uint64_t epoch) const {
  Placement copy = *this;
  copy.epoch_ = epoch;
  return copy;
}

int Placement::num_replicas() const noexcept {
  size_t number = 0;
  for (const auto& ranks : replicas_) {
    number += ranks.size();
  }
  return static_cast<int>(number);
}

std::span<const double> Placement::shares(int source_rank, int expert) const {
  if (source_rank < 0 || source_rank >= hosts_.num_ranks()) {
    reject(fmt::format("source_rank is {}, must be 0 to {}", source_rank, hosts_.num_ranks() - 1));
  }
  if (expert < 0 || expert >= num_experts()) {
    reject(fmt::format("expert is {}, must be 0 to {}", expert, num_experts() - 1));
  }
  const size_t n = replicas_[static_cast<size_t>(expert)].size();
  return std::span(shares_[static_cast<size_t>(expert)])
      .subspan(static_cast<size_t>(hosts_.host_of(source_rank)) * n, n);
}

/// Rounds the sums of the first 1, 2, ... shares, so that each count is within a row of its share and all are `rows`.
std::vector<size_t> Placement::split(int source_rank, int expert, size_t rows) const {
  const std::span<const double> parts = shares(source_rank, expert);
  if (rows >= size_t{1} << 53) {
    throw Error(BANYAN_ERR_LIMIT, fmt::format("rows is {}, must be below 2^53", rows));
  }
  std::vector<size_t> counts;
  size_t given = 0;
  double sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    sum += parts[i];
    const bool last = std::all_of(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1, parts.end(),
                                  [](double part) { return part == 0; });
    const size_t upto =
        last ? rows : std::min(rows, static_cast<size_t>(std::llround(sum * static_cast<double>(rows))));
    counts.push_back(std::max(upto, given) - given);
    given = std::max(upto, given);
  }
  return counts;
}

/// FNV-1a (Fowler, Noll, Vo) of 64 bits.
uint64_t Placement::digest() const noexcept {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](uint64_t value) {
    for (int byte = 0; byte < 8; ++byte) {
      hash = (hash ^ ((value >> (8 * byte)) & 0xff)) * 0x100000001b3;
    }
  };
  add(static_cast<uint64_t>(hosts_.num_ranks()));
  add(epoch_);
  for (size_t expert = 0; expert < replicas_.size(); ++expert) {
    add(replicas_[expert].size());
    for (const int rank : replicas_[expert]) {
      add(static_cast<uint64_t>(rank));
    }
    for (const double share : shares_[expert]) {
      add(std::bit_cast<uint64_t>(share));
    }
  }
  return hash;
}

}  // namespace banyan::moe
