// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cctype>

#include "fixtures.hpp"
#include "topology/locality_tree.hpp"
#include "topology/render.hpp"

namespace banyan::topology {
namespace {

/// Reads hostile text; what comes through must be a graph that every view can draw.
void read_and_use(const std::string& text, Result<Graph> (*reader)(std::string_view)) {
  const Result<Graph> result = reader(text);
  if (!result.ok()) {
    EXPECT_FALSE(result.error().message.empty());
    return;
  }
  const Graph& graph = result.value("text");
  ASSERT_EQ(check(graph), "");
  (void)render_text(graph);
  (void)render_svg(graph);
}

class HostileFile : public testing::TestWithParam<const char*> {};

TEST_P(HostileFile, TruncatedAnywhereIsAnErrorOrValid) {
  const std::string text = fixture(GetParam());
  for (size_t size = 0; size < text.size(); ++size) {
    read_and_use(text.substr(0, size), from_text);
  }
}

TEST_P(HostileFile, AnyByteChangedIsAnErrorOrValid) {
  const std::string text = fixture(GetParam());
  const bool ok = rc::check("no crash", [&] {
    std::string changed = text;
    const int changes = *rc::gen::inRange(1, 5);
    for (int i = 0; i < changes; ++i) {
      changed[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
    }
    read_and_use(changed, from_text);
  });
  EXPECT_TRUE(ok);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, HostileFile, testing::ValuesIn(kTextFixtures), [](const auto& test) {
  std::string name = test.param;
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
});

TEST(HostileDescription, TruncatedAnywhereIsAnErrorOrValid) {
  const std::string text = "3:[5, 4x2] nic=[1gbit, 2gbit x2] racks=[1,2] uplink=2.5GB/s rails=2 numa=4 nvlink=50GB/s";
  for (size_t size = 0; size <= text.size(); ++size) {
    read_and_use(text.substr(0, size), from_synthetic);
  }
}

TEST(HostileDescription, RandomTextIsAnErrorOrValid) {
  const bool ok = rc::check("no crash", [] {
    const auto text =
        *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0123456789:[],x= nicrakspumd.gbtGB/")));
    read_and_use(text, from_synthetic);
  });
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace banyan::topology
