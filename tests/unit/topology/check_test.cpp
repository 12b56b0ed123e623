// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "fixtures.hpp"

namespace banyan::topology {
namespace {

using testing::HasSubstr;

struct Broken {
  const char* name;
  std::function<void(Graph&)> change;
  const char* message;
};

/// Vertices of "2:2 nic=10gbit numa=1": 0 switch, 1 host, 2 numa, 3 nic, 4 host, 5 numa, 6 nic, 7.. ranks.
const std::vector<Broken>& cases() {
  static const std::vector<Broken> kCases = {
      {"DoubleKey", [](Graph& g) { g.vertices[4].key = g.vertices[1].key; }, "appears twice"},
      {"EmptyName", [](Graph& g) { g.vertices[1].name.clear(); }, "name is empty"},
      {"ControlInName", [](Graph& g) { g.vertices[1].name = "\x1b[2J"; }, "control characters"},
      {"LongKey", [](Graph& g) { g.vertices[1].key.assign(513, 'k'); }, "longer than 512"},
      {"BadAttribute", [](Graph& g) { g.vertices[1].attributes["a"] = "\xff"; }, "attribute's value"},
      {"EndOutOfRange", [](Graph& g) { g.links[3].to = 99; }, "not both vertices"},
      {"NegativeEnd", [](Graph& g) { g.links[3].from = -1; }, "not both vertices"},
      {"SelfLink", [](Graph& g) { g.links[0].to = g.links[0].from; }, "to itself"},
      {"NetworkToHost",
       [](Graph& g) {
         g.links.push_back({1, 0, LinkKind::kNetwork, 0, 0});
       },
       "can not join"},
      {"InfiniteRate", [](Graph& g) { g.links[0].bandwidth_bytes_per_s = HUGE_VAL; }, "finite"},
      {"NanLatency", [](Graph& g) { g.links[0].latency_s = std::nan(""); }, "finite"},
      {"NegativeRate", [](Graph& g) { g.links[0].bandwidth_bytes_per_s = -1; }, "not negative"},
      {"OneWay", [](Graph& g) { g.links.pop_back(); }, "no link back"},
      {"ParallelLinks", [](Graph& g) { g.links.push_back(g.links[0]); }, "appears twice"},
      {"HostsJoined",
       [](Graph& g) {
         g.links.push_back({1, 5, LinkKind::kMemory, 0, 0});
         g.links.push_back({5, 1, LinkKind::kMemory, 0, 0});
       },
       "joins two hosts"},
      {"StrayVertex",
       [](Graph& g) {
         g.vertices.push_back({VertexKind::kNic, "stray", "s", {}});
       },
       "on no host"},
      {"TwoParents",
       [](Graph& g) {
         g.links.push_back({1, 3, LinkKind::kPci, 0, 0});
         g.links.push_back({3, 1, LinkKind::kPci, 0, 0});
       },
       "expected one"},
      {"RankVertexOutOfRange", [](Graph& g) { g.rank_vertex[0] = 1000; }, "does not exist"},
      {"RankIsNotARank", [](Graph& g) { g.rank_vertex[0] = 1; }, "not the rank"},
      {"RanksSwapped", [](Graph& g) { std::swap(g.rank_vertex[0], g.rank_vertex[1]); }, "not the rank"},
      {"RankNotListed", [](Graph& g) { g.rank_vertex.pop_back(); }, "ranks are listed"},
  };
  return kCases;
}

class CheckBroken : public testing::TestWithParam<Broken> {};

TEST_P(CheckBroken, IsNamed) {
  Graph graph = synthetic("2:2 nic=10gbit numa=1");
  ASSERT_EQ(check(graph), "");
  GetParam().change(graph);
  EXPECT_THAT(check(graph), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Check, CheckBroken, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Check, EmptyGraphIsValid) { EXPECT_EQ(check(Graph{}), ""); }

}  // namespace
}  // namespace banyan::topology
