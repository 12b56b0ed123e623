// SPDX-License-Identifier: Apache-2.0
// hierarchical(rack): three tiers.
#include "planner/algorithms/racks.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "cost/profile.hpp"
#include "planner/select.hpp"
#include "schedule/verify.hpp"
#include "topology/discover.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

constexpr Algorithm kRack = Algorithm::kHierarchicalRack;

topology::LocalityTree racks_of(const std::string& description) {
  return topology::LocalityTree::derive(topology::from_synthetic(description).value(description));
}

schedule::Schedule build_all(const Hosts& hosts, bool mapped) {
  std::vector<schedule::RankSchedule> parts;
  for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
    parts.push_back(build_part(hosts, rank, kRack, mapped, false));
  }
  return schedule::join(parts, algorithm_name(kRack), /*window=*/0);
}

TEST(Racks, EvenOnesThenMessagesAndBytesFollowTheFormulas) {
  const auto tree = racks_of("8:3 nic=10gbit racks=[4,4] uplink=10gbit");
  const Hosts hosts(tree);
  ASSERT_EQ(hosts.num_racks(), 2);
  std::map<int, int> steps;  // messages
  std::map<int, size_t> blocks;
  std::map<int, int> sent_by;  // to other hosts
  for (const auto& message : build_all(hosts, true).messages) {
    ++steps[message.step];
    blocks[message.step] += message.blocks.size();
    sent_by[message.from] += hosts.host_of(message.from) != hosts.host_of(message.to) ? 1 : 0;
  }
  const int ranks = 24;
  EXPECT_EQ(steps[0], ranks * (3 - 1));
  EXPECT_EQ(steps[1], ranks * (4 - 1));
  EXPECT_EQ(steps[2], ranks * (2 - 1));
  for (const auto& [rank, count] : sent_by) {
    EXPECT_EQ(count, 4 - 1 + 2 - 1) << "rank " << rank;
  }
  EXPECT_EQ(blocks[1], size_t{ranks} * 3 * 3 * 2);  // h - 1 messages of m blocks for each of the R racks
  EXPECT_EQ(blocks[2], size_t{ranks} * 1 * 12);     // R - 1 messages of h m blocks
}

/// Racks, hosts and ranks of any number, in blocks or dealt round.
topology::LocalityTree random_racks() {
  std::string hosts;
  std::string racks;
  int count = 0;
  const int num_racks = *rc::gen::inRange(1, 5);
  for (int rack = 0; rack < num_racks; ++rack) {
    const int in_rack = *rc::gen::inRange(1, 5);
    racks += (racks.empty() ? "" : ",") + std::to_string(in_rack);
    for (int host = 0; host < in_rack; ++host) {
      hosts += (hosts.empty() ? "" : ",") + std::to_string(*rc::gen::inRange(1, 5));
      ++count;
    }
  }
  const bool cyclic = *rc::gen::arbitrary<bool>();
  return racks_of(std::to_string(count) + ":[" + hosts + "] nic=10gbit racks=[" + racks + "] uplink=10gbit" +
                  (cyclic ? " order=cyclic" : ""));
}

TEST(Racks, AnyThenVerified) {
  EXPECT_TRUE(rc::check("every byte arrives once in any racks", [] {
    const auto tree = random_racks();
    for (const bool mapped : {true, false}) {
      const auto verdict = schedule::verify(build_all(Hosts(tree), mapped), {});
      RC_ASSERT(verdict.problem == "");
    }
  }));
}

TEST(Racks, AnyMatrixThenNoPredictionIsBelowTheBound) {
  EXPECT_TRUE(rc::check("bound <= predicted, all algorithms", [] {
    const auto tree = random_racks();
    const Hosts hosts(tree);
    const auto model = cost::nominal_model(tree);
    const auto ranks = static_cast<size_t>(tree.num_ranks());
    const auto matrix = *rc::gen::container<std::vector<uint64_t>>(
        ranks * ranks, rc::gen::oneOf(rc::gen::just(uint64_t{0}), rc::gen::inRange<uint64_t>(0, 1 << 22)));
    const Loads loads = sum_loads(tree, hosts, of(matrix), 0, ~uint64_t{0});
    for (const Candidate& candidate : choose_v_for({tree, hosts, model}, of(matrix), {}).candidates) {
      RC_ASSERT(candidate.prediction.total_s() >= lower_bound_s(tree, model, loads));
    }
    const size_t bytes = *rc::gen::inRange<size_t>(0, 1 << 22);
    const Loads equal = sum_loads(tree, hosts, uniform(bytes), 0, ~uint64_t{0});
    for (const Candidate& candidate : choose_uniform({tree, hosts, model}, bytes, {}).candidates) {
      RC_ASSERT(candidate.prediction.total_s() >= lower_bound_s(tree, model, equal));
    }
  }));
}

TEST(Racks, AreComparedOnlyWhereTheyDifferFromRails) {
  const auto compared = [](const topology::LocalityTree& tree) {
    const Hosts hosts(tree);
    const auto model = cost::nominal_model(tree);
    const auto candidates = choose_uniform({tree, hosts, model}, 8, {}).candidates;
    return std::any_of(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.algorithm == kRack; });
  };
  EXPECT_TRUE(compared(racks_of("4:2 nic=10gbit racks=2 uplink=10gbit")));
  EXPECT_FALSE(compared(racks_of("4:2 nic=10gbit racks=4 uplink=10gbit")));
  EXPECT_FALSE(compared(tree_of({2, 2, 2, 2})));
}

TEST(Racks, TinyMessagesOfManyHostsThenFasterThanRails) {
  const auto tree = racks_of("64:8 nic=10gbit racks=8 uplink=80gbit");
  const Hosts hosts(tree);
  const auto model = cost::nominal_model(tree);
  std::map<std::string, double> time_s;
  for (const Candidate& candidate : choose_uniform({tree, hosts, model}, 8, {}).candidates) {
    time_s[algorithm_name(candidate.algorithm)] = candidate.prediction.total_s();
  }
  EXPECT_LT(time_s["hierarchical(rack)"], 0.5 * time_s["hierarchical(rail)"]);
  // And never below what the wires allow.
  const Loads loads = sum_loads(tree, hosts, uniform(1 << 20), 0, ~uint64_t{0});
  EXPECT_GE(predict_racks(tree, hosts, model, loads, 0).total_s(), lower_bound_s(tree, model, loads));
}

}  // namespace
}  // namespace banyan::planner
