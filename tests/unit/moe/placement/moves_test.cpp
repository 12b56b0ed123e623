// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/moves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/error.hpp"
#include "cost/profile.hpp"
#include "topology/discover.hpp"

namespace banyan::moe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Placement map_of(const std::string& machine, const Replicas& replicas) {
  const auto tree = topology::LocalityTree::derive(topology::from_synthetic(machine).value(machine));
  const auto model = cost::nominal_model(tree);
  PlacementTerms terms{.tree = tree, .model = model, .load = {}, .rank_load = {}, .slots = {}, .home = {}};
  terms.num_experts = static_cast<int>(replicas.size());
  std::vector<int> numbers;
  std::vector<int> ranks;
  for (const auto& own : replicas) {
    numbers.push_back(static_cast<int>(own.size()));
    ranks.insert(ranks.end(), own.begin(), own.end());
  }
  return Placement::from_replicas(terms, numbers.data(), ranks.data());
}

TEST(Moves, SameMapThenNothing) {
  const Placement map = map_of("2:2", {{0, 3}, {1}});
  const Moves moves = moves_between(map, map.with_epoch(5), std::vector<size_t>{10, 10});
  EXPECT_THAT(moves.list, IsEmpty());
  EXPECT_THAT(moves.links, IsEmpty());
  EXPECT_EQ(moves.peak_slots, 1);
  EXPECT_EQ(moves.time_s(), 0);
}

TEST(Moves, ByHandThenFromTheSameHostAndElseFromWhoSendsLeast) {
  const std::string machine = "3:2 nic=10gbit";
  const Placement from = map_of(machine, {{0, 2}, {0, 2}, {1}});
  const Placement to = map_of(machine, {{1, 2, 4}, {2, 4}, {1, 5}});
  const Moves moves = moves_between(from, to, std::vector<size_t>{100, 100, 50});
  // Expert 0 on 1 comes from 0, of its host; on 4 from 2, which has sent nothing. Expert 1 on 4 from 0 or 2, which have
  // sent 100 each: the lower. Expert 2 is on rank 1 only.
  EXPECT_THAT(moves.list, ElementsAre(Move{0, 0, 1, 100}, Move{0, 2, 4, 100}, Move{1, 0, 4, 100}, Move{2, 1, 5, 50}));
  EXPECT_EQ(moves.bytes, 350U);
  EXPECT_EQ(moves.remote_bytes, 250U);
  EXPECT_EQ(moves.peak_slots, 2);
  const double rate = 10e9 / 8;
  EXPECT_THAT(moves.links, ElementsAre(MoveLink{"node0", false, 150, rate}, MoveLink{"node1", false, 100, rate},
                                       MoveLink{"node2", true, 250, rate}));
  EXPECT_DOUBLE_EQ(moves.time_s(), 250 / rate);
  EXPECT_THAT(moves.to_text(), HasSubstr("expert 2: rank 1 -> rank 5, 50 bytes"));
  EXPECT_THAT(moves.to_json(), HasSubstr("banyan-moves-1"));
}

Replicas any_map(int num_ranks, size_t experts) {
  Replicas map;
  for (size_t expert = 0; expert < experts; ++expert) {
    std::set<int> ranks = {*rc::gen::inRange(0, num_ranks)};
    const int more = *rc::gen::inRange(0, 3);
    for (int i = 0; i < more; ++i) {
      ranks.insert(*rc::gen::inRange(0, num_ranks));
    }
    map.emplace_back(ranks.begin(), ranks.end());
  }
  return map;
}

TEST(Moves, RandomThenEachNewHolderGetsOneCopyFromTheNearestOldOne) {
  EXPECT_TRUE(rc::check([] {
    const std::string machine = "4:2 nic=10gbit racks=[2,2] uplink=10gbit";
    const auto experts = *rc::gen::inRange<size_t>(1, 8);
    const Placement from = map_of(machine, any_map(8, experts));
    const Placement to = map_of(machine, any_map(8, experts));
    const auto bytes = *rc::gen::container<std::vector<size_t>>(experts, rc::gen::inRange<size_t>(1, 1000));
    const Moves moves = moves_between(from, to, bytes);
    RC_ASSERT(moves == moves_between(from, to, bytes));
    Replicas held = from.replicas();
    std::map<std::pair<std::string, bool>, uint64_t> crossed;
    for (const Move& move : moves.list) {
      const auto expert = static_cast<size_t>(move.expert);
      const auto& old = from.replicas()[expert];
      RC_ASSERT(std::count(old.begin(), old.end(), move.from) == 1);
      RC_ASSERT(std::count(held[expert].begin(), held[expert].end(), move.to) == 0);
      RC_ASSERT(move.bytes == bytes[expert]);
      for (const int other : old) {
        RC_ASSERT(to.tree().common_tier(move.from, move.to) <= to.tree().common_tier(other, move.to));
      }
      held[expert].push_back(move.to);
      for (const auto tier : {topology::Tier::kNode, topology::Tier::kRack}) {
        const int out = to.tree().ancestor(move.from, tier);
        const int in = to.tree().ancestor(move.to, tier);
        if (out != in) {
          crossed[{to.tree().node(out).name, false}] += move.bytes;
          crossed[{to.tree().node(in).name, true}] += move.bytes;
        }
      }
    }
    for (size_t expert = 0; expert < experts; ++expert) {
      for (const int rank : to.replicas()[expert]) {
        RC_ASSERT(std::count(held[expert].begin(), held[expert].end(), rank) == 1);
      }
    }
    RC_ASSERT(moves.links.size() == crossed.size());
    for (const MoveLink& link : moves.links) {
      RC_ASSERT(link.bytes == (crossed[{link.name, link.incoming}]));
      RC_ASSERT(link.time_s() <= moves.time_s());
    }
  }));
}

TEST(Moves, MapsOfOtherThingsThenNamed) {
  const auto refusal = [](const Placement& from, const Placement& to, size_t bytes) {
    try {
      static_cast<void>(moves_between(from, to, std::vector<size_t>(2, bytes)));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const Placement map = map_of("2:2", {{0}, {1}});
  EXPECT_THAT(refusal(map, map_of("2:2", {{0}}), 1), HasSubstr("`from` has 2 experts and `to` has 1"));
  EXPECT_THAT(refusal(map, map_of("1:3", {{0}, {1}}), 1), HasSubstr("`from` is of 4 ranks and `to` of 3"));
  EXPECT_THAT(refusal(map, map_of("1:4", {{0}, {1}}), 1), HasSubstr("rank 2 is on host 1 in `from` and on host 0"));
  EXPECT_THAT(refusal(map, map_of("2:2", {{3}, {3}}), std::numeric_limits<size_t>::max()), HasSubstr("overflow"));
}

}  // namespace
}  // namespace banyan::moe
