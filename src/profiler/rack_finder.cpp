// SPDX-License-Identifier: Apache-2.0
#include "profiler/rack_finder.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "profiler/pattern.hpp"

namespace banyan::profiler {
namespace {

/// Tournaments are repeated until there are so many rounds: with few hosts a pair is met in few, and each counts much.
constexpr int kLeastTournamentRounds = 12;
/// Rounds after the tournaments.
constexpr int kCheckRounds = 6;
/// From this part of its hosts' best share down a pair is slow for sure; between this and RackFinder::kSlow, rather so.
constexpr double kSlowForSure = 0.6;
/// Hosts whose rates differ by more do not load each other fully.
constexpr double kUnlike = 1.5;

size_t at(int index) { return static_cast<size_t>(index); }

int tournament_rounds(int num_hosts) { return num_hosts - (num_hosts % 2 == 0 ? 1 : 0); }

/// 0 to count - 1 in an order that only `seed` decides, equal on all machines.
std::vector<int> shuffled(int count, uint64_t seed) {
  std::vector<int> order(at(count));
  std::iota(order.begin(), order.end(), 0);
  // Knuth's MMIX linear congruential generator.
  uint64_t state = seed * 6364136223846793005U + 1442695040888963407U;
  for (size_t i = order.size(); i > 1; --i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    std::swap(order[i - 1], order[(state >> 33) % i]);
  }
  return order;
}

std::vector<int> labels_of(const Clusters& racks, int num_hosts) {
  std::vector<int> labels(at(num_hosts));
  for (size_t rack = 0; rack < racks.size(); ++rack) {
    for (const int host : racks[rack]) {
      labels[at(host)] = static_cast<int>(rack);
    }
  }
  return labels;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

/// 0 to 1, how sure it is that a pair was slowed; `part`: its share over its hosts' best.
double slowness_of(double part) {
  return std::clamp((RackFinder::kSlow - part) / (RackFinder::kSlow - kSlowForSure), 0.0, 1.0);
}

/// How often pairs are slow, inside a rack (errors of measurement) and across; bounds that a few pairs cannot move.
struct SlowRates {
  double inside = 0.02;
  double across = 0.5;

  static SlowRates of(double inside, double across) {
    return {std::clamp(inside, 0.02, 0.2), std::clamp(across, 0.4, 0.95)};
  }
  /// Logarithm of the likelihood of such a pair inside a rack over that across.
  [[nodiscard]] double evidence(double slowness) const {
    return slowness * std::log(inside / across) + (1 - slowness) * std::log((1 - inside) / (1 - across));
  }
  /// Logarithm of the likelihood of such a pair.
  [[nodiscard]] double likelihood(double slowness, bool is_inside) const {
    const double rate = is_inside ? inside : across;
    return slowness * std::log(rate) + (1 - slowness) * std::log(1 - rate);
  }
};

/// Two racks with the most hosts left; the second is the first if there is no other.
std::pair<size_t, size_t> fullest(const Clusters& left) {
  size_t first = 0;
  for (size_t rack = 1; rack < left.size(); ++rack) {
    first = left[rack].size() > left[first].size() ? rack : first;
  }
  size_t second = first;
  for (size_t rack = 0; rack < left.size(); ++rack) {
    if (rack != first && !left[rack].empty() && (second == first || left[rack].size() > left[second].size())) {
      second = rack;
    }
  }
  return {first, second};
}

}  // namespace

RackFinder::RackFinder(std::vector<double> rates) : rates_(std::move(rates)) {
  BANYAN_CHECK(num_hosts() >= kLeastHosts, "too few hosts to tell racks");
}

int RackFinder::num_rounds(int num_hosts) {
  const int once = tournament_rounds(num_hosts);
  return (kLeastTournamentRounds + once - 1) / once * once + kCheckRounds;
}

HostPairs RackFinder::next_pairs() const {
  const int done = static_cast<int>(rounds_.size());
  const int once = tournament_rounds(num_hosts());
  if (done < num_rounds(num_hosts()) - kCheckRounds) {
    // Each tournament in another order, so that pairs meet in other company.
    const std::vector<int> order = shuffled(num_hosts(), static_cast<uint64_t>(done / once));
    HostPairs pairs = tournament(num_hosts())[at(done % once)];
    for (auto& [a, b] : pairs) {
      a = order[at(a)];
      b = order[at(b)];
    }
    return pairs;
  }
  Clusters racks = likeliest();
  if (racks.size() == 1 || racks.size() == at(num_hosts())) {
    const std::vector<int> order = shuffled(num_hosts(), static_cast<uint64_t>(done));
    racks = {{order.begin(), order.begin() + num_hosts() / 2}, {order.begin() + num_hosts() / 2, order.end()}};
  }
  return done % 2 == 0 ? crossing_pairs(racks) : inner_pairs(racks);
}

std::vector<PairRound> RackFinder::distinct_rounds() const {
  std::map<HostPairs, std::map<std::pair<int, int>, std::vector<double>>> by_pairs;
  for (const PairRound& round : rounds_) {
    HostPairs key;
    for (const auto& [a, b] : round.pairs) {
      key.emplace_back(std::min(a, b), std::max(a, b));
    }
    HostPairs sorted = key;
    std::sort(sorted.begin(), sorted.end());
    auto& shares = by_pairs[sorted];
    for (size_t i = 0; i < key.size(); ++i) {
      shares[key[i]].push_back(round.shares.at(i));
    }
  }
  std::vector<PairRound> rounds;
  for (const auto& [pairs, shares] : by_pairs) {
    PairRound& round = rounds.emplace_back();
    for (const auto& [pair, values] : shares) {
      round.pairs.push_back(pair);
      round.shares.push_back(median(values));
    }
  }
  return rounds;
}

/// Of each host; at most 1, since shares above that are errors.
std::vector<double> RackFinder::best_shares(const std::vector<PairRound>& rounds) const {
  std::vector<double> best(rates_.size());
  for (const PairRound& round : rounds) {
    for (size_t i = 0; i < round.pairs.size(); ++i) {
      for (const int host : {round.pairs[i].first, round.pairs[i].second}) {
        best[at(host)] = std::min(1.0, std::max(best[at(host)], round.shares[i]));
      }
    }
  }
  return best;
}

std::vector<RackFinder::Meeting> RackFinder::meetings() const {
  const auto rounds = distinct_rounds();
  const std::vector<double> best = best_shares(rounds);
  std::vector<Meeting> meetings;
  for (const PairRound& round : rounds) {
    for (size_t i = 0; i < round.pairs.size(); ++i) {
      const auto [a, b] = round.pairs[i];
      meetings.push_back({a, b, slowness_of(round.shares[i] / std::min(best[at(a)], best[at(b)]))});
    }
  }
  return meetings;
}

/// The likeliest racks: how often pairs inside and across are slow, and the racks that follow, in turn, from two
/// starts. If uplinks are a limit in most rounds, a fast pair says as much as a slow one; else it says little.
Clusters RackFinder::likeliest() const {
  constexpr int kTurns = 4;
  const std::vector<Meeting> meetings = this->meetings();
  Clusters best;
  double best_likelihood = 0;
  for (const double across : {0.5, 0.95}) {
    SlowRates rates = SlowRates::of(0, across);
    for (int turn = 0; turn < kTurns; ++turn) {
      Evidence evidence(num_hosts());
      for (const Meeting& meeting : meetings) {
        evidence.set(meeting.a, meeting.b, evidence.get(meeting.a, meeting.b) + rates.evidence(meeting.slowness));
      }
      Clusters racks = cluster(evidence);
      const std::vector<int> labels = labels_of(racks, num_hosts());
      double slow[2] = {0, 0};
      double all[2] = {1e-9, 1e-9};
      for (const Meeting& meeting : meetings) {
        const int inside = labels[at(meeting.a)] == labels[at(meeting.b)] ? 1 : 0;
        slow[inside] += meeting.slowness;
        all[inside] += 1;
      }
      rates = SlowRates::of(slow[1] / all[1], slow[0] / all[0]);
      double likelihood = 0;
      for (const Meeting& meeting : meetings) {
        likelihood += rates.likelihood(meeting.slowness, labels[at(meeting.a)] == labels[at(meeting.b)]);
      }
      if (best.empty() || likelihood > best_likelihood) {
        best = std::move(racks);
        best_likelihood = likelihood;
      }
    }
  }
  return best;
}

/// From the two fullest racks, again and again, hosts that are alike; of these, a pair that was fast before rather than
/// one that was slow.
HostPairs RackFinder::crossing_pairs(const Clusters& racks) const {
  Evidence slowness(num_hosts());
  for (const Meeting& meeting : meetings()) {
    slowness.set(meeting.a, meeting.b, slowness.get(meeting.a, meeting.b) + meeting.slowness);
  }
  Clusters left = racks;
  const auto preference = [&](int a, int b) {
    const bool unlike = std::max(rates_[at(a)], rates_[at(b)]) > kUnlike * std::min(rates_[at(a)], rates_[at(b)]);
    return -slowness.get(a, b) - (unlike ? num_rounds(num_hosts()) : 0);
  };
  HostPairs pairs;
  while (pairs.size() < at(num_hosts() / 2)) {
    const auto [first, second] = fullest(left);
    const int host = left[first].back();
    left[first].pop_back();
    auto best = left[second].begin();
    for (auto other = best; other != left[second].end(); ++other) {
      best = preference(host, *other) > preference(host, *best) ? other : best;
    }
    pairs.emplace_back(host, *best);
    left[second].erase(best);
  }
  return pairs;
}

HostPairs RackFinder::inner_pairs(const Clusters& racks) const {
  HostPairs pairs;
  std::vector<int> alone;
  for (const auto& rack : racks) {
    const auto rounds = tournament(static_cast<int>(rack.size()));
    std::vector<bool> paired(rack.size());
    if (!rounds.empty()) {
      for (const auto& [a, b] : rounds[rounds_.size() / 2 % rounds.size()]) {
        pairs.emplace_back(rack[at(a)], rack[at(b)]);
        paired[at(a)] = paired[at(b)] = true;
      }
    }
    for (size_t i = 0; i < rack.size(); ++i) {
      if (!paired[i]) {
        alone.push_back(rack[i]);
      }
    }
  }
  for (size_t i = 0; i + 1 < alone.size(); i += 2) {
    pairs.emplace_back(alone[i], alone[i + 1]);
  }
  return pairs;
}

/// Whether its hosts are slower in the rounds that load its uplink most than among each other.
bool RackFinder::is_limited(const std::vector<int>& rack) const {
  std::vector<double> inside;
  std::map<size_t, std::vector<double>> across;  // by number of pairs that cross
  for (const PairRound& round : distinct_rounds()) {
    std::vector<double> crossing;
    for (size_t i = 0; i < round.pairs.size(); ++i) {
      const bool first = std::binary_search(rack.begin(), rack.end(), round.pairs[i].first);
      const bool second = std::binary_search(rack.begin(), rack.end(), round.pairs[i].second);
      if (first && second) {
        inside.push_back(round.shares[i]);
      } else if (first || second) {
        crossing.push_back(round.shares[i]);
      }
    }
    auto& same = across[crossing.size()];
    same.insert(same.end(), crossing.begin(), crossing.end());
  }
  return !inside.empty() && !across.empty() && !across.rbegin()->second.empty() &&
         median(across.rbegin()->second) < kSlow * median(inside);
}

Clusters RackFinder::racks() const {
  Clusters racks = likeliest();
  const bool any = std::any_of(racks.begin(), racks.end(), [&](const auto& rack) { return is_limited(rack); });
  return racks.size() > 1 && any ? racks : Clusters{};
}

}  // namespace banyan::profiler
