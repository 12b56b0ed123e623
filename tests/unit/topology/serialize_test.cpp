// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <vector>

#include "fixtures.hpp"
#include "topology/graph_builder.hpp"

namespace banyan::topology {
namespace {

using testing::HasSubstr;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string message(const std::string& text) {
  const auto result = from_json(text);
  EXPECT_FALSE(result.ok());
  return result.describe("t.json");
}

TEST(Json, SyntheticGraphsComeBackEqual) {
  for (const char* description : {"1:1", "3:[3,2,1] nic=10gbit racks=[2,1] uplink=12.3gbit order=cyclic",
                                  "2:4 nvlink=450GB/s rails=2 numa=2 memory=10GB/s"}) {
    const Graph graph = synthetic(description);
    EXPECT_EQ(from_json(to_json(graph)).value("json"), graph) << description;
  }
}

TEST(Json, FileWrittenEarlierStillReads) {
  const Graph graph = from_json(fixture("uneven-3host-2rack.json")).value("fixture");
  EXPECT_EQ(graph.num_ranks(), 6);
  EXPECT_DOUBLE_EQ(bandwidth(graph, "host:node2/nic:eth0", "switch:leaf1"), 25e9 / 8);
}

TEST(Json, EmptyGraphComesBack) { EXPECT_EQ(from_json(to_json(Graph{})).value("json"), Graph{}); }

TEST(Json, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_THAT(message("{\n  \"format\": \"banyan-topology-1\",\n  oops\n}"), HasSubstr("t.json:3:3"));
}

TEST(Json, WrongValuesHaveAPath) {
  const std::string good = fixture("uneven-3host-2rack.json");
  EXPECT_THAT(message(replaced(good, "banyan-topology-1", "banyan-topology-9")), HasSubstr("/format"));
  EXPECT_THAT(message(replaced(good, "1500000000", "-1")), HasSubstr("/links/0/bandwidth_bytes_per_s"));
  EXPECT_THAT(message(replaced(good, "1500000000", "1e999")), HasSubstr("t.json"));
  EXPECT_THAT(message(replaced(good, "\"from\": 1", "\"from\": 1000")), HasSubstr("/links/0/from"));
  EXPECT_THAT(message(replaced(good, "\"from\": 1", "\"from\": 18446744073709551615")), HasSubstr("/links/0/from"));
  EXPECT_THAT(message(replaced(good, "\"kind\": \"switch\"", "\"kind\": \"hub\"")), HasSubstr("/vertices/0/kind"));
  EXPECT_THAT(message(replaced(good, "\"kind\": \"switch\"", "\"king\": \"switch\"")), HasSubstr("/vertices/0/king"));
  EXPECT_THAT(message(replaced(good, "\"ranks\": [", "\"ranks\": [null, ")), HasSubstr("/ranks/0"));
}

TEST(Json, WrongShapesAreRejected) {
  for (const char* text :
       {"[]", "{}", "3", "{\"format\": 1}", "{\"format\": \"banyan-topology-1\", \"vertices\": {}}",
        "{\"format\": \"banyan-topology-1\", \"vertices\": [], \"links\": [], \"ranks\": [], \"x\": 1}"}) {
    EXPECT_FALSE(from_json(text).ok()) << text;
  }
}

TEST(Json, BrokenInvariantIsNamed) {
  EXPECT_THAT(message(replaced(fixture("uneven-3host-2rack.json"), "\"host:node1\"", "\"host:node0\"")),
              HasSubstr("appears twice"));
}

TEST(FromText, TellsFormatsApart) {
  for (const char* name : kTextFixtures) {
    EXPECT_TRUE(from_text(fixture(name)).ok()) << from_text(fixture(name)).describe(name);
  }
  EXPECT_TRUE(from_text("\xef\xbb\xbf" + fixture("uneven-3host-2rack.json")).ok()) << "byte order mark";
  EXPECT_FALSE(from_text("  \n").ok());
}

/// Text of any printable kind, quotes and non-ASCII included.
rc::Gen<std::string> any_text() {
  return rc::gen::map(rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(
                          rc::gen::element<std::string>("a", "Z", "\"", "\\", "<&>", "ü", "網", " ", "/", ":"))),
                      [](const std::vector<std::string>& pieces) {
                        std::string text;
                        for (const std::string& piece : pieces) {
                          text += piece;
                        }
                        return text;
                      });
}

rc::Gen<double> any_rate() {
  return rc::gen::map(rc::gen::arbitrary<double>(),
                      [](double value) { return std::isfinite(value) ? std::abs(value) : 0.1; });
}

TEST(JsonProperty, RandomGraphsComeBackEqual) {
  const bool ok = rc::check("from_json(to_json(g)) == g", [] {
    GraphBuilder builder;
    const int fabric = builder.add(VertexKind::kSwitch, "switch:" + *any_text(), *any_text());
    const int num_hosts = *rc::gen::inRange(1, 6);
    for (int h = 0; h < num_hosts; ++h) {
      const std::string key = "host:" + std::to_string(h) + *any_text();
      const int host = builder.add(VertexKind::kHost, key, *any_text());
      const int nic = builder.add(VertexKind::kNic, key + "/nic", *any_text());
      builder.join(host, nic, LinkKind::kPci, *any_rate());
      builder.join(nic, fabric, LinkKind::kNetwork, *any_rate());
      builder.vertex(nic).attributes[*any_text()] = *any_text();
    }
    const auto places = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, num_hosts));
    for (const int place : places) {
      builder.add_rank(1 + 2 * place, *any_rate());
    }
    RC_ASSERT(check(builder.graph()).empty());
    const auto back = from_json(to_json(builder.graph()));
    RC_ASSERT(back.ok());
    RC_ASSERT(back.value("json") == builder.graph());
  });
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace banyan::topology
