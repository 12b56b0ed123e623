// SPDX-License-Identifier: Apache-2.0
// Plans and timelines as pictures and traces.
#include "planner/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>

#include "base/json.hpp"
#include "cost/profile.hpp"
#include "topology/discover.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Plan plan_of(const topology::LocalityTree& tree, const std::string& algorithm = "auto") {
  const Hosts hosts(tree);
  const cost::CostModel model = cost::nominal_model(tree);
  return make_plan({tree, hosts, model}, uniform(4096), {.algorithm = algorithm}, 8192);
}

Gantt gantt_of(const topology::LocalityTree& tree, std::vector<TimedMessage> messages, double total_s) {
  return make_gantt(tree, cost::nominal_model(tree), std::move(messages), total_s);
}

const GanttRow& row(const Gantt& gantt, const std::string& name, GanttRow::Kind kind) {
  for (const GanttRow& candidate : gantt.rows) {
    if (candidate.name == name && candidate.kind == kind) {
      return candidate;
    }
  }
  throw std::runtime_error("no row " + name);
}

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

TEST(Loads, EveryLinkIsLabelledWithItsBytesTimeAndShare) {
  const auto graph = topology::from_synthetic("3:2 nic=[10gbit x2,1gbit]").value("synthetic");
  const auto tree = topology::LocalityTree::derive(graph);
  const std::string svg = render_loads_svg(tree, plan_of(tree, "direct"));
  // 2 ranks send 4 others 4096 B each: 32 KiB at 125 MB/s and at ten times that.
  EXPECT_EQ(occurrences(svg, ">out 32.0 KiB, 262.1 us, 100 %<"), 1U);
  EXPECT_EQ(occurrences(svg, ">in 32.0 KiB, 262.1 us, 100 %<"), 1U);
  EXPECT_EQ(occurrences(svg, ">out 32.0 KiB, 26.2 us, 10 %<"), 2U);
  EXPECT_THAT(svg, AllOf(HasSubstr("node2 ingress: 8 messages"), HasSubstr("</svg>")));
}

TEST(Loads, ManyHostsThenTheFirstAreDrawnAndTheRestCounted) {
  const auto tree = tree_of(std::vector<int>(300, 1));
  const std::string svg = render_loads_svg(tree, plan_of(tree, "bruck(2)"));
  EXPECT_THAT(svg, HasSubstr("and 44 more hosts"));
}

TEST(Loads, NamesFromOtherMachinesAreEscaped) {
  auto graph = topology::from_synthetic("2:1 nic=1gbit").value("synthetic");
  for (auto& vertex : graph.vertices) {
    if (vertex.name == "node1") {
      vertex.name = "<b>&\"x";
    }
  }
  const auto tree = topology::LocalityTree::derive(graph);
  const std::string svg = render_loads_svg(tree, plan_of(tree));
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;b&gt;&amp;&quot;x"), Not(HasSubstr("<b>"))));
}

TEST(Candidates, EachHasABarAndTheChosenOneIsNamed) {
  const auto tree = tree_of({2, 2});
  const Plan plan = plan_of(tree);
  const std::string svg = render_candidates_svg(plan);
  for (const Candidate& candidate : plan.choice.candidates) {
    EXPECT_THAT(svg, HasSubstr(algorithm_name(candidate.algorithm)));
    EXPECT_THAT(svg, HasSubstr(">" + std::string("wire") + ": "));
  }
  EXPECT_EQ(occurrences(svg, "(chosen)"), 1U);
}

TEST(Gantt, MessageThenItIsInTheRowsOfItsRanksAndLinks) {
  const auto tree = tree_of({2, 2});
  const auto gantt = gantt_of(tree,
                              {{.step = 1,
                                .from = 0,
                                .to = 3,
                                .bytes = 512,
                                .issue_s = 1e-6,
                                .wire_start_s = 2e-6,
                                .wire_end_s = 5e-6,
                                .done_s = 6e-6}},
                              8e-6);
  const auto expect_bar = [&](const GanttRow& in, double start_s, double end_s) {
    ASSERT_EQ(in.bars.size(), 1U) << in.name;
    EXPECT_EQ(in.bars[0].start_s, start_s) << in.name;
    EXPECT_EQ(in.bars[0].end_s, end_s) << in.name;
    EXPECT_EQ(in.bytes, 512U) << in.name;
    EXPECT_DOUBLE_EQ(in.busy_s, end_s - start_s) << in.name;
  };
  expect_bar(row(gantt, "rank 0", GanttRow::kSends), 1e-6, 5e-6);
  expect_bar(row(gantt, "rank 3", GanttRow::kReceives), 2e-6, 6e-6);
  expect_bar(row(gantt, "node0 egress", GanttRow::kLink), 2e-6, 5e-6);
  expect_bar(row(gantt, "node1 ingress", GanttRow::kLink), 2e-6, 5e-6);
  EXPECT_EQ(row(gantt, "node1 egress", GanttRow::kLink).bars.size(), 0U);
  EXPECT_EQ(row(gantt, "rank 0", GanttRow::kReceives).bars.size(), 0U);
}

TEST(Gantt, MessageInsideAHostThenInNoLinkAndUnsentOnesAreNowhere) {
  const auto tree = tree_of({2, 2});
  const auto gantt = gantt_of(
      tree,
      {{.step = 0, .from = 0, .to = 1, .bytes = 8, .issue_s = 0, .wire_start_s = 0, .wire_end_s = 1e-6, .done_s = 2e-6},
       {.step = 0, .from = 2, .to = 0}},
      2e-6);
  size_t bars = 0;
  for (const GanttRow& each : gantt.rows) {
    bars += each.bars.size();
  }
  EXPECT_EQ(bars, 2U);
}

TEST(Gantt, RankThatDoesNotExistThenInvalidArgument) {
  const auto tree = tree_of({2});
  EXPECT_THROW(static_cast<void>(gantt_of(tree, {{.step = 0, .from = 0, .to = 2}}, 1)), Error);
}

TEST(Gantt, AnyMessagesThenLanesDoNotOverlapAndNoMoreThanNeeded) {
  EXPECT_TRUE(rc::check("lanes", [] {
    const auto tree = tree_of({3, 2});
    std::vector<TimedMessage> messages;
    const auto times = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 50), rc::gen::inRange(1, 20)));
    for (const auto& [start, length] : times) {
      messages.push_back({.step = 0,
                          .from = 0,
                          .to = 4,
                          .bytes = 1,
                          .issue_s = static_cast<double>(start),
                          .wire_start_s = static_cast<double>(start),
                          .wire_end_s = static_cast<double>(start + length),
                          .done_s = static_cast<double>(start + length)});
    }
    const auto gantt = gantt_of(tree, messages, 70);
    const GanttRow& sends = row(gantt, "rank 0", GanttRow::kSends);
    std::map<int, double> end_of_lane;
    size_t most = 0;
    for (const GanttBar& bar : sends.bars) {
      if (end_of_lane.contains(bar.lane)) {
        RC_ASSERT(end_of_lane[bar.lane] <= bar.start_s);
      }
      end_of_lane[bar.lane] = bar.end_s;
      const auto at_once = std::count_if(sends.bars.begin(), sends.bars.end(), [&](const GanttBar& other) {
        return other.start_s <= bar.start_s && other.end_s > bar.start_s;
      });
      most = std::max(most, static_cast<size_t>(at_once));
    }
    RC_ASSERT(sends.bars.size() == messages.size());
    RC_ASSERT(static_cast<size_t>(sends.num_lanes) == most);
  }));
}

TEST(Trace, ThenEachMessageIsAnEventOfItsRanksAndLinksWithItsFacts) {
  const auto tree = tree_of({2, 2});
  const TimedMessage a{.step = 1,
                       .from = 0,
                       .to = 3,
                       .bytes = 512,
                       .issue_s = 1e-6,
                       .wire_start_s = 2e-6,
                       .wire_end_s = 5e-6,
                       .done_s = 6e-6};
  TimedMessage b = a;
  b.to = 2;
  const auto trace = json::parse(render_gantt_trace(gantt_of(tree, {a, b}, 8e-6))).value("trace");
  std::map<int, std::string> process;
  std::map<std::string, int> events;
  std::map<std::pair<int, int>, int> threads;
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("name") == "process_name") {
      process[event.at("pid").get<int>()] = event.at("args").at("name").get<std::string>();
    }
    if (event.at("ph") == "X") {
      ++events[process.at(event.at("pid").get<int>())];
      ++threads[{event.at("pid").get<int>(), event.at("tid").get<int>()}];
      EXPECT_EQ(event.at("args").at("from"), 0);
      EXPECT_EQ(event.at("args").at("bytes"), 512);
      EXPECT_EQ(event.at("args").at("step"), 1);
      EXPECT_TRUE(event.at("args").at("to") == 2 || event.at("args").at("to") == 3);
    }
  }
  const std::map<std::string, int> expected = {
      {"rank 0", 2}, {"rank 2", 1}, {"rank 3", 1}, {"node0 egress", 2}, {"node1 ingress", 2}};
  EXPECT_EQ(events, expected);
  EXPECT_EQ(threads.size(), 8U);  // both overlap, so each has a thread of its own
}

TEST(GanttPicture, ManyRanksAndMessagesThenItSaysWhatItLeavesOut) {
  const auto tree = tree_of(std::vector<int>(100, 1));
  std::vector<TimedMessage> messages;
  for (int i = 0; i < 6000; ++i) {
    const double start = i * 1e-6;
    messages.push_back({.step = i % 3,
                        .from = i % 50,
                        .to = 50 + i % 50,
                        .bytes = 64,
                        .issue_s = start,
                        .wire_start_s = start,
                        .wire_end_s = start + (1 + i % 7) * 1e-6,
                        .done_s = start + 9e-6});
  }
  const std::string svg = render_gantt_svg(gantt_of(tree, messages, 6.1e-3));
  EXPECT_THAT(svg, HasSubstr("not drawn: 204 rows, "));  // 36 ranks and 168 of 200 links
  EXPECT_LT(occurrences(svg, "<title>"), 8002U);
  EXPECT_THAT(svg, HasSubstr("step 2</text>"));
}

TEST(GanttPicture, NothingThenAnEmptyChart) {
  const auto tree = tree_of({1});
  EXPECT_THAT(render_gantt_svg(gantt_of(tree, {}, 0)), HasSubstr("0.0 us in all"));
}

}  // namespace
}  // namespace banyan::planner
