// SPDX-License-Identifier: Apache-2.0
// Our fluid simulation against SimGrid's, on the same machines with the same flows.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "planner/select.hpp"
#include "scenes.hpp"
#include "simgrid_run.hpp"
#include "simulator/simulate.hpp"

namespace banyan::oracle {
namespace {

using planner::Algorithm;
using schedule::Schedule;
using simulator::testing::Sizes;
using topology::LocalityTree;
using topology::Tier;

constexpr double kAgreement = 1e-4;  // the bar is 0.02

/// Wires and one latency: what SimGrid models.
cost::CostModel model_of(const LocalityTree& tree, double alpha_s, double flow_bytes_per_s) {
  cost::CostModel model = simulator::testing::wires_only(tree);
  for (const Tier tier : {Tier::kRack, Tier::kCluster}) {
    model.tiers[static_cast<size_t>(tier)].alpha_s = alpha_s;
    model.tiers[static_cast<size_t>(tier)].flow_bytes_per_s = flow_bytes_per_s;
  }
  return model;
}

/// Messages between ranks of one host take no time here and SimGrid has no link for them: their blocks are where they
/// are forwarded from the start.
Schedule between_hosts(const Schedule& schedule, const LocalityTree& tree) {
  Schedule result = schedule;
  std::erase_if(result.messages, [&](const auto& message) { return tree.same_host(message.from, message.to); });
  for (auto& message : result.messages) {
    for (auto& block : message.blocks) {
      block.src = tree.same_host(block.src, message.from) ? message.from : block.src;
    }
  }
  return result;
}

Schedule planned(const LocalityTree& tree, Algorithm algorithm, int window) {
  std::vector<schedule::RankSchedule> parts;
  const planner::Hosts hosts(tree);
  for (int rank = 0; rank < tree.num_ranks(); ++rank) {
    parts.push_back(planner::build_part(hosts, rank, algorithm, true, false));
  }
  return schedule::join(parts, "", window);
}

void expect_agreement(const Schedule& schedule, const Sizes& sizes, const LocalityTree& tree,
                      const cost::CostModel& model) {
  const double ours_s = simulator::simulate(schedule, sizes.view(), tree, model).total_s;
  const double oracle_s = simgrid_time_s(schedule, sizes.view(), tree, model);
  EXPECT_NEAR(ours_s / oracle_s, 1, kAgreement) << ours_s << " and " << oracle_s << " s";
  std::printf("%-60s %5zu messages, ours %.6g s, SimGrid %.6g s, %+.6f %%\n",
              ::testing::UnitTest::GetInstance()->current_test_info()->name(), schedule.messages.size(), ours_s,
              oracle_s, 100 * (ours_s / oracle_s - 1));
}

/// A tenth of all pairs, of random sizes, in random order.
Schedule random_flows(int ranks, int window, std::mt19937_64& random, Sizes& sizes) {
  Schedule schedule{.algorithm = "random", .num_ranks = ranks, .window = window, .messages = {}};
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      if (from != to && random() % 10 == 0) {
        schedule.messages.push_back(simulator::testing::block_message(from, to));
        sizes.at(from, to) = 1000 + random() % 1000000;
      }
    }
  }
  const auto of_a_rank = [](const auto& a, const auto& b) { return a.from < b.from; };
  std::shuffle(schedule.messages.begin(), schedule.messages.end(), random);
  std::stable_sort(schedule.messages.begin(), schedule.messages.end(), of_a_rank);
  return schedule;
}

/// Machines of 16 to 64 hosts of one rank.
constexpr const char* kMachines[] = {
    "16:1 nic=10gbit",
    "64:1 nic=10gbit",
    "64:1 nic=[10gbit x16,5gbit x16,2.5gbit x16,1gbit x16]",
    "64:1 nic=10gbit racks=8 uplink=20gbit",
    "48:1 nic=[10gbit x24,2.5gbit x24] racks=[16,20,12] uplink=[40gbit,20gbit,60gbit]",
};

class OnMachine : public ::testing::TestWithParam<const char*> {
 protected:
  OnMachine() : tree_(simulator::testing::tree_of(GetParam())) {}
  LocalityTree tree_;
};

TEST_P(OnMachine, RandomTrafficWithoutAWindow) {
  std::mt19937_64 random(1);
  Sizes sizes(tree_.num_ranks(), 0);
  const Schedule schedule = random_flows(tree_.num_ranks(), 0, random, sizes);
  expect_agreement(schedule, sizes, tree_, model_of(tree_, 2e-5, 0));
}

TEST_P(OnMachine, RandomTrafficWithAWindowAndAFlowLimit) {
  std::mt19937_64 random(2);
  Sizes sizes(tree_.num_ranks(), 0);
  const Schedule schedule = random_flows(tree_.num_ranks(), 2, random, sizes);
  expect_agreement(schedule, sizes, tree_, model_of(tree_, 2e-5, 3e8));
}

TEST_P(OnMachine, Direct) {
  const Sizes sizes(tree_.num_ranks(), 100000);
  expect_agreement(planned(tree_, Algorithm::kDirect, 2), sizes, tree_, model_of(tree_, 2e-5, 0));
}

TEST_P(OnMachine, Bruck) {
  const Sizes sizes(tree_.num_ranks(), 10000);
  expect_agreement(planned(tree_, Algorithm(Algorithm::kBruck, 4), 0), sizes, tree_, model_of(tree_, 2e-5, 0));
}

INSTANTIATE_TEST_SUITE_P(SimGrid, OnMachine, ::testing::ValuesIn(kMachines));

/// Hosts of several ranks: the messages between hosts, all ready at the start.
class OnHosts : public ::testing::TestWithParam<const char*> {};

TEST_P(OnHosts, HierarchicalRail) {
  const LocalityTree tree = simulator::testing::tree_of(GetParam());
  const Schedule schedule = between_hosts(planned(tree, Algorithm::kHierarchicalRail, 2), tree);
  expect_agreement(schedule, Sizes(tree.num_ranks(), 20000), tree, model_of(tree, 2e-5, 0));
}

TEST_P(OnHosts, HierarchicalNode) {
  const LocalityTree tree = simulator::testing::tree_of(GetParam());
  const Schedule schedule = between_hosts(planned(tree, Algorithm::kHierarchicalNode, 2), tree);
  expect_agreement(schedule, Sizes(tree.num_ranks(), 20000), tree, model_of(tree, 2e-5, 0));
}

INSTANTIATE_TEST_SUITE_P(SimGrid, OnHosts,
                         ::testing::Values("16:4 nic=10gbit racks=4 uplink=10gbit", "8:[3,4,2,4,4,1,4,4] nic=10gbit",
                                           "64:2 nic=10gbit racks=8 uplink=40gbit"));

}  // namespace
}  // namespace banyan::oracle
