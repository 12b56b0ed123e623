// SPDX-License-Identifier: Apache-2.0
#include "planner/select.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.hpp"
#include "planner/algorithms/bruck.hpp"
#include "planner/algorithms/direct.hpp"
#include "planner/algorithms/racks.hpp"
#include "schedule/size_list.hpp"

namespace banyan::planner {
namespace {

constexpr int kMaxRadix = 1024;
/// Hosts from which bruck is compared unasked. With fewer it saves a host at most three messages, for two rounds more.
constexpr int kLeastBruckHosts = 8;
/// Nothing slower by more than this, as predicted, is tried where the traffic is known: predictions are nearer.
constexpr double kWorthTrying = 1.6;

hierarchical::Fan fan_of(Algorithm algorithm) {
  return algorithm.kind == Algorithm::kHierarchicalNode ? hierarchical::Fan::kNode : hierarchical::Fan::kRail;
}

/// The radix of "bruck(R)", R as algorithm_name writes it, without leading zeros: names are compared as text.
std::optional<int> radix_of(std::string_view name) {
  constexpr std::string_view kBefore = "bruck(";
  int radix = 0;
  if (!name.starts_with(kBefore) || name.substr(kBefore.size()).starts_with('0')) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(name.data() + kBefore.size(), name.data() + name.size(), radix);
  const bool whole = error == std::errc{} && std::string_view(end, name.data() + name.size()) == ")";
  return whole && radix >= 2 && radix <= kMaxRadix ? std::optional(radix) : std::nullopt;
}

bool is_auto(const std::string& wish) { return wish.empty() || wish == "auto"; }

bool wanted(const std::string& wish, Algorithm algorithm) {
  const std::string name = algorithm_name(algorithm);
  return is_auto(wish) || wish == name || name.starts_with(wish + "(");
}

/// What is compared. Of radices, one with the fewest messages, one with few rounds, one with two; from the number of
/// hosts on a radix is hierarchical(node).
std::vector<Algorithm> algorithms_for(const Hosts& hosts, const std::string& wish) {
  std::vector<Algorithm> algorithms = {Algorithm::kDirect, Algorithm::kHierarchicalRail, Algorithm::kHierarchicalNode};
  if (racks::differs_from_rail(hosts)) {
    algorithms.emplace_back(Algorithm::kHierarchicalRack);
  }
  const int two_rounds = static_cast<int>(std::ceil(std::sqrt(hosts.count())));
  for (const int radix : {2, 4, two_rounds}) {
    const Algorithm bruck(Algorithm::kBruck, radix);
    if (hosts.count() >= kLeastBruckHosts && radix < hosts.count() && algorithms.back() != bruck &&
        radix >= algorithms.back().radix) {
      algorithms.push_back(bruck);
    }
  }
  const auto named = wish == "bruck" && algorithms.back().kind != Algorithm::kBruck ? std::optional(2) : radix_of(wish);
  if (named) {
    algorithms.emplace_back(Algorithm::kBruck, *named);
  }
  return algorithms;
}

void check_wish(const Wish& wish, const std::vector<Algorithm>& algorithms) {
  if (std::any_of(algorithms.begin(), algorithms.end(), [&](Algorithm a) { return wanted(wish.algorithm, a); })) {
    return;
  }
  throw Error(BANYAN_ERR_NOT_FOUND, (wish.origin.empty() ? "" : wish.origin + ": ") + "no algorithm is named \"" +
                                        wish.algorithm + "\"; there are: " + algorithm_names());
}

void pick(Choice& choice, const Situation& situation, const Wish& wish) {
  std::stable_sort(choice.candidates.begin(), choice.candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.prediction.total_s() < b.prediction.total_s();
  });
  choice.forced = !is_auto(wish.algorithm);
  choice.origin = choice.forced ? wish.origin : "";
  choice.pace = choose_pace(situation.tree, situation.hosts, situation.model, wish.pace);
  for (const Candidate& candidate : choice.candidates) {
    if (wanted(wish.algorithm, candidate.algorithm)) {
      choice.chosen = candidate;
      return;
    }
  }
}

Rails rails_of(const Situation& situation) {
  if (situation.num_rails <= 1) {
    return {};
  }
  return {.count = situation.num_rails,
          .least_piece_bytes = choose_pace(situation.tree, situation.hosts, situation.model, {}).least_piece_bytes};
}

Prediction predict(const Situation& situation, Algorithm algorithm, const Loads& loads, double header_bytes) {
  if (algorithm == Algorithm::kDirect) {
    return predict_direct(situation.tree, situation.hosts, situation.model, loads);
  }
  if (algorithm == Algorithm::kHierarchicalRack) {
    return predict_racks(situation.tree, situation.hosts, situation.model, loads, header_bytes);
  }
  if (algorithm.kind == Algorithm::kBruck) {
    return predict_bruck(situation.tree, situation.hosts, situation.model, loads, algorithm.radix, header_bytes);
  }
  return predict_hierarchical(situation.tree, situation.hosts, situation.model, loads, fan_of(algorithm), header_bytes,
                              rails_of(situation));
}

Loads uniform_loads(const Situation& situation, size_t block_bytes) {
  return sum_loads(situation.tree, situation.hosts, {.block_bytes = block_bytes, .matrix = {}}, 0,
                   std::numeric_limits<uint64_t>::max());
}

/// Of the demand's pairs, the mean of what a header takes for one.
double mean_header_bytes(const Demand& demand) {
  size_t sum = 0;
  for (const uint64_t size : demand.matrix) {
    sum += schedule::listed_bytes(size);
  }
  return static_cast<double>(sum) / static_cast<double>(std::max<size_t>(1, demand.matrix.size()));
}

/// The other limits that are tried: the model takes blocks to be equal, so the next higher one may be better where they
/// are not; those further away are for a model that is wrong.
std::vector<size_t> limits_beside(size_t limit) {
  std::vector<size_t> others;
  for (const size_t other : {limit / 8, limit * 2, limit * 8}) {
    const size_t allowed = std::clamp(other, kMinBlockLimit, kMaxBlockLimit);
    if (allowed != limit && std::find(others.begin(), others.end(), allowed) == others.end()) {
      others.push_back(allowed);
    }
  }
  return others;
}

/// The largest power of two for which some aggregation is no slower than direct messages.
size_t crossover(const Situation& situation, const std::vector<Algorithm>& algorithms) {
  size_t limit = 0;
  for (size_t bytes = 64; bytes <= kMaxBlockLimit / 4; bytes *= 2) {
    const Loads loads = uniform_loads(situation, bytes);
    const auto header_bytes = static_cast<double>(schedule::listed_bytes(bytes));
    const auto time_s = [&](Algorithm algorithm) {
      return predict(situation, algorithm, loads, header_bytes).total_s();
    };
    const double direct_s = time_s(Algorithm::kDirect);
    if (std::any_of(algorithms.begin(), algorithms.end(), [&](Algorithm algorithm) {
          return algorithm != Algorithm::kDirect && time_s(algorithm) <= direct_s;
        })) {
      limit = bytes;
    }
  }
  return limit;
}

}  // namespace

std::string algorithm_name(Algorithm algorithm) {
  switch (algorithm.kind) {
    case Algorithm::kDirect:
      return "direct";
    case Algorithm::kHierarchicalRail:
      return "hierarchical(rail)";
    case Algorithm::kHierarchicalNode:
      return "hierarchical(node)";
    case Algorithm::kHierarchicalRack:
      return "hierarchical(rack)";
    case Algorithm::kBruck:
      return "bruck(" + std::to_string(algorithm.radix) + ")";
  }
  return "unknown";
}

bool is_algorithm_name(std::string_view name) {
  constexpr std::array kNames = {
      "auto", "direct", "hierarchical", "hierarchical(rail)", "hierarchical(node)", "hierarchical(rack)", "bruck"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() || radix_of(name);
}

std::string algorithm_names() {
  return "auto, direct, hierarchical, hierarchical(rail), hierarchical(node), hierarchical(rack) where there are "
         "racks, "
         "bruck, bruck(R) of radix R from 2 to " +
         std::to_string(kMaxRadix);
}

Choice choose_uniform(const Situation& situation, size_t block_bytes, const Wish& wish) {
  const auto algorithms = algorithms_for(situation.hosts, wish.algorithm);
  check_wish(wish, algorithms);
  const Loads loads = uniform_loads(situation, block_bytes);
  Choice choice;
  for (const Algorithm algorithm : algorithms) {
    choice.candidates.push_back({algorithm, predict(situation, algorithm, loads, 0)});
  }
  pick(choice, situation, wish);
  return choice;
}

Choice choose_v(const Situation& situation, const Wish& wish) {
  const auto algorithms = algorithms_for(situation.hosts, wish.algorithm);
  check_wish(wish, algorithms);
  Choice choice;
  constexpr size_t kSmall = 64;
  const Loads loads = uniform_loads(situation, kSmall);
  for (const Algorithm algorithm : algorithms) {
    choice.candidates.push_back({algorithm, predict(situation, algorithm, loads, schedule::listed_bytes(kSmall))});
  }
  pick(choice, situation, wish);
  if (wish.algorithm == "direct" || wish.aggregate_limit_bytes == std::numeric_limits<size_t>::max()) {
    choice.chosen.algorithm = Algorithm::kDirect;
    return choice;
  }
  choice.block_limit = wish.aggregate_limit_bytes > 0
                           ? std::min(wish.aggregate_limit_bytes, kMaxBlockLimit)
                           : std::max<size_t>(crossover(situation, algorithms), kMinBlockLimit);
  if (choice.chosen.algorithm == Algorithm::kDirect) {
    choice.chosen = *std::find_if(choice.candidates.begin(), choice.candidates.end(),
                                  [](const Candidate& c) { return c.algorithm != Algorithm::kDirect; });
  }
  return choice;
}

std::vector<Choice> ways_v(const Situation& situation, const Wish& wish) {
  std::vector<Choice> ways = {choose_v(situation, wish)};
  const Choice first = ways[0];
  if (first.forced || first.block_limit == 0 || situation.hosts.count() == 1) {
    return ways;
  }
  bool has_bruck = first.chosen.algorithm.kind == Algorithm::kBruck;
  for (const Candidate& candidate : first.candidates) {
    const bool is_bruck = candidate.algorithm.kind == Algorithm::kBruck;
    const bool is_first = candidate.algorithm == first.chosen.algorithm;
    if (candidate.algorithm != Algorithm::kDirect && !is_first && !(is_bruck && has_bruck)) {
      ways.push_back(first);
      ways.back().chosen = candidate;
      has_bruck = has_bruck || is_bruck;  // one radix, the best by the model
    }
  }
  if (wish.aggregate_limit_bytes == 0) {
    for (const size_t limit : limits_beside(first.block_limit)) {
      ways.push_back(first);
      ways.back().block_limit = limit;
    }
    ways.push_back(first);
    ways.back().chosen = *std::find_if(first.candidates.begin(), first.candidates.end(),
                                       [](const Candidate& c) { return c.algorithm == Algorithm::kDirect; });
    ways.back().block_limit = 0;
  }
  return ways;
}

std::vector<Choice> ways_uniform(const Situation& situation, size_t block_bytes, const Wish& wish) {
  std::vector<Choice> ways = {choose_uniform(situation, block_bytes, wish)};
  const Choice first = ways[0];
  const bool aggregates = wish.aggregate_limit_bytes != std::numeric_limits<size_t>::max();
  if (first.forced || !aggregates || block_bytes == 0 || situation.hosts.count() == 1) {
    return ways;
  }
  for (const Candidate& candidate : first.candidates) {
    const bool is_near = candidate.prediction.total_s() <= kWorthTrying * first.chosen.prediction.total_s();
    if (is_near && candidate.algorithm != first.chosen.algorithm) {
      ways.push_back(first);
      ways.back().chosen = candidate;
    }
  }
  return ways;
}

Choice choose_v_for(const Situation& situation, const Demand& demand, const Wish& wish) {
  Choice choice = choose_v(situation, wish);
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  const uint64_t limit = choice.block_limit;
  const Prediction all_direct = predict_direct(situation.tree, situation.hosts, situation.model,
                                               sum_loads(situation.tree, situation.hosts, demand, 0, kAll));
  const Loads small = sum_loads(situation.tree, situation.hosts, demand, 0, limit);
  const Loads large = sum_loads(situation.tree, situation.hosts, demand, limit, kAll);
  const double header_bytes = mean_header_bytes(demand);
  const bool any_large = large.rank_messages_max > 0 || large.rank_local_max > 0;
  for (Candidate& candidate : choice.candidates) {
    candidate.prediction = all_direct;
    if (candidate.algorithm != Algorithm::kDirect) {
      candidate.prediction = predict(situation, candidate.algorithm, small, header_bytes);
      if (any_large) {
        const auto direct = predict_direct(situation.tree, situation.hosts, situation.model, large);
        candidate.prediction = combine(candidate.prediction, direct, all_direct);
      }
    }
    if (candidate.algorithm == choice.chosen.algorithm) {
      choice.chosen = candidate;
    }
  }
  std::stable_sort(choice.candidates.begin(), choice.candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.prediction.total_s() < b.prediction.total_s();
  });
  return choice;
}

schedule::RankSchedule build_part(const Hosts& hosts, int rank, Algorithm algorithm, bool mapped,
                                  bool self_describing) {
  if (algorithm == Algorithm::kDirect) {
    return direct::build(hosts, rank, mapped);
  }
  if (algorithm == Algorithm::kHierarchicalRack) {
    return racks::build(hosts, rank, {.mapped = mapped, .self_describing = self_describing});
  }
  if (algorithm.kind == Algorithm::kBruck) {
    return bruck::build(hosts, rank, {.radix = algorithm.radix, .mapped = mapped, .self_describing = self_describing});
  }
  return hierarchical::build(hosts, rank,
                             {.fan = fan_of(algorithm), .mapped = mapped, .self_describing = self_describing});
}

}  // namespace banyan::planner
