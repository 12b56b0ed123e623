// SPDX-License-Identifier: Apache-2.0
#include "planner/select.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.hpp"
#include "planner/algorithms/direct.hpp"
#include "schedule/size_list.hpp"

namespace banyan::planner {
namespace {

constexpr std::array kAlgorithms = {Algorithm::kDirect, Algorithm::kHierarchicalRail, Algorithm::kHierarchicalNode};

hierarchical::Fan fan_of(Algorithm algorithm) {
  return algorithm == Algorithm::kHierarchicalNode ? hierarchical::Fan::kNode : hierarchical::Fan::kRail;
}

bool wanted(const std::string& wish, Algorithm algorithm) {
  const std::string_view name = algorithm_name(algorithm);
  return wish.empty() || wish == "auto" || wish == name || (wish == "hierarchical" && name.starts_with("hierarchical"));
}

void check_wish(const std::string& wish) {
  if (std::any_of(kAlgorithms.begin(), kAlgorithms.end(), [&](Algorithm a) { return wanted(wish, a); })) {
    return;
  }
  std::string names = "auto, hierarchical";
  for (const Algorithm algorithm : kAlgorithms) {
    names += std::string(", ") + algorithm_name(algorithm);
  }
  throw Error(BANYAN_ERR_NOT_FOUND, "no algorithm is named \"" + wish + "\"; there are: " + names);
}

void pick(Choice& choice, const Situation& situation, const Wish& wish) {
  std::stable_sort(choice.candidates.begin(), choice.candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.prediction.total_s() < b.prediction.total_s();
  });
  choice.forced = !wish.algorithm.empty() && wish.algorithm != "auto";
  choice.pace = choose_pace(situation.tree, situation.hosts, situation.model, wish.pace);
  for (const Candidate& candidate : choice.candidates) {
    if (wanted(wish.algorithm, candidate.algorithm)) {
      choice.chosen = candidate;
      return;
    }
  }
}

Prediction predict(const Situation& situation, Algorithm algorithm, const Loads& loads, double header_bytes) {
  if (algorithm == Algorithm::kDirect) {
    return predict_direct(situation.tree, situation.hosts, situation.model, loads);
  }
  return predict_hierarchical(situation.tree, situation.hosts, situation.model, loads, fan_of(algorithm), header_bytes);
}

Loads uniform_loads(const Situation& situation, size_t block_bytes) {
  return sum_loads(situation.tree, situation.hosts, {.block_bytes = block_bytes, .matrix = {}}, 0,
                   std::numeric_limits<uint64_t>::max());
}

double uniform_time(const Situation& situation, Algorithm algorithm, size_t block_bytes) {
  const auto header_bytes = static_cast<double>(schedule::listed_bytes(block_bytes));
  return predict(situation, algorithm, uniform_loads(situation, block_bytes), header_bytes).total_s();
}

/// Of the demand's pairs, the mean of what a header takes for one.
double mean_header_bytes(const Demand& demand) {
  size_t sum = 0;
  for (const uint64_t size : demand.matrix) {
    sum += schedule::listed_bytes(size);
  }
  return static_cast<double>(sum) / static_cast<double>(std::max<size_t>(1, demand.matrix.size()));
}

/// The largest power of two for which some aggregation is no slower than direct messages.
size_t crossover(const Situation& situation) {
  size_t limit = 0;
  for (size_t bytes = 64; bytes <= kMaxBlockLimit / 4; bytes *= 2) {
    const double aggregated = std::min(uniform_time(situation, Algorithm::kHierarchicalRail, bytes),
                                       uniform_time(situation, Algorithm::kHierarchicalNode, bytes));
    if (aggregated <= uniform_time(situation, Algorithm::kDirect, bytes)) {
      limit = bytes;
    }
  }
  return limit;
}

}  // namespace

const char* algorithm_name(Algorithm algorithm) noexcept {
  switch (algorithm) {
    case Algorithm::kDirect:
      return "direct";
    case Algorithm::kHierarchicalRail:
      return "hierarchical(rail)";
    case Algorithm::kHierarchicalNode:
      return "hierarchical(node)";
  }
  return "unknown";
}

Choice choose_uniform(const Situation& situation, size_t block_bytes, const Wish& wish) {
  check_wish(wish.algorithm);
  const Loads loads = uniform_loads(situation, block_bytes);
  Choice choice;
  for (const Algorithm algorithm : kAlgorithms) {
    choice.candidates.push_back({algorithm, predict(situation, algorithm, loads, 0)});
  }
  pick(choice, situation, wish);
  return choice;
}

Choice choose_v(const Situation& situation, const Wish& wish) {
  check_wish(wish.algorithm);
  Choice choice;
  constexpr size_t kSmall = 64;
  for (const Algorithm algorithm : kAlgorithms) {
    choice.candidates.push_back(
        {algorithm, predict(situation, algorithm, uniform_loads(situation, kSmall), schedule::listed_bytes(kSmall))});
  }
  pick(choice, situation, wish);
  if (wish.algorithm == "direct" || wish.aggregate_limit_bytes == std::numeric_limits<size_t>::max()) {
    choice.chosen.algorithm = Algorithm::kDirect;
    return choice;
  }
  choice.block_limit = wish.aggregate_limit_bytes > 0 ? std::min(wish.aggregate_limit_bytes, kMaxBlockLimit)
                                                      : std::max<size_t>(crossover(situation), kMinBlockLimit);
  if (choice.chosen.algorithm == Algorithm::kDirect) {
    choice.chosen = *std::find_if(choice.candidates.begin(), choice.candidates.end(),
                                  [](const Candidate& c) { return c.algorithm != Algorithm::kDirect; });
  }
  return choice;
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
  return hierarchical::build(hosts, rank,
                             {.fan = fan_of(algorithm), .mapped = mapped, .self_describing = self_describing});
}

}  // namespace banyan::planner
