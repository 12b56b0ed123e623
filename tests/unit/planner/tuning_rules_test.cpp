// SPDX-License-Identifier: Apache-2.0
#include "planner/tuning_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cost/profile.hpp"
#include "planner/explain.hpp"
#include "planner/select.hpp"
#include "topology/discover.hpp"

namespace banyan::planner {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string file_of(const std::string& rules) { return R"j({"format": "banyan-tuning-1", "rules": [)j" + rules + "]}"; }

TuningRules rules_of(const std::string& rules) {
  return TuningRules::parse(file_of(rules), "tuning file F").value("F");
}

/// The algorithm and the rule's number, or "none".
std::string found(const TuningRules& rules, int hosts, int ranks, std::optional<size_t> block_bytes) {
  const auto match = rules.find({hosts, ranks, block_bytes});
  return match ? match->algorithm + " " + match->origin : "none";
}

/// Why the text is refused.
std::string refusal(const std::string& text) {
  const auto rules = TuningRules::parse(text, "F");
  return rules ? "accepted" : rules.describe("F");
}

TEST(TuningRules, TheFirstRuleThatMatchesCounts) {
  const TuningRules rules = rules_of(R"j(
    {"match": {"operation": "uniform", "bytes_per_pair": [0, "4k"], "hosts": [2, 4]}, "algorithm": "hierarchical(rail)"},
    {"match": {"operation": "v", "ranks": 16}, "algorithm": "bruck(4)"},
    {"match": {"ranks": [8, null]}, "algorithm": "direct", "comment": "the rest of the large ones"})j");
  EXPECT_EQ(found(rules, 2, 16, 4096), "hierarchical(rail) tuning file F, rule 1");
  EXPECT_EQ(found(rules, 4, 4, 0), "hierarchical(rail) tuning file F, rule 1");
  EXPECT_EQ(found(rules, 5, 16, 4096), "direct tuning file F, rule 3");
  EXPECT_EQ(found(rules, 2, 16, 4097), "direct tuning file F, rule 3");
  EXPECT_EQ(found(rules, 2, 16, std::nullopt), "bruck(4) tuning file F, rule 2");
  EXPECT_EQ(found(rules, 2, 17, std::nullopt), "direct tuning file F, rule 3");
  EXPECT_EQ(found(rules, 2, 7, 4097), "none");
}

TEST(TuningRules, OfAnEmptyListMatchNothingAndOfNoConditionsAll) {
  EXPECT_EQ(found(rules_of(""), 1, 1, 1), "none");
  EXPECT_EQ(found(TuningRules(), 1, 1, 1), "none");
  EXPECT_EQ(found(rules_of(R"j({"algorithm": "direct"})j"), 9, 99, std::nullopt), "direct tuning file F, rule 1");
}

TEST(TuningRules, ThatAreNoJsonAreRefusedWithLineAndColumn) {
  EXPECT_THAT(refusal("{\n \"format\": \"banyan-tuning-1\",\n oops}"), StartsWith("F:3:"));
  EXPECT_THAT(refusal(""), StartsWith("F:"));
}

TEST(TuningRules, BadPartsAreNamedByPointerWithWhatIsAllowed) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"[]", {"the file", "expected an object of format, rules"}},
      {R"j({"rules": []})j", {"\"format\" is missing"}},
      {R"j({"format": "banyan-tuning-9", "rules": []})j", {"/format", "banyan-tuning-1", "banyan-tuning-9"}},
      {R"j({"format": "banyan-tuning-1"})j", {"\"rules\" is missing"}},
      {R"j({"format": "banyan-tuning-1", "rules": {}})j", {"/rules", "array"}},
      {R"j({"format": "banyan-tuning-1", "rules": [], "rule": 1})j",
       {"unknown member \"rule\"", "allowed are format, rules"}},
      {file_of("7"), {"/rules/0", "expected an object of match, algorithm", "found 7"}},
      {file_of(R"j({"match": {}})j"), {"/rules/0", "\"algorithm\" is missing"}},
      {file_of(R"j({"algorithm": "direct"}, {"algorithm": "magic"})j"),
       {"/rules/1/algorithm", "\"magic\"", "hierarchical(rail)"}},
      {file_of(R"j({"algorithm": "bruck(1)"})j"), {"/rules/0/algorithm", "radix R from 2"}},
      {file_of(R"j({"algorithm": "bruck(04)"})j"), {"/rules/0/algorithm", "no algorithm is named \"bruck(04)\""}},
      {file_of(R"j({"algorithm": 3})j"), {"/rules/0/algorithm", "found 3"}},
      {file_of(R"j({"algorithm": "direct", "match": {"host": 2}})j"),
       {"/rules/0/match", "\"host\"", "operation, hosts, ranks"}},
      {file_of(R"j({"algorithm": "direct", "match": {"operation": "w"}})j"),
       {"/rules/0/match/operation", "\"uniform\" or \"v\""}},
      {file_of(R"j({"algorithm": "direct", "match": {"hosts": -1}})j"),
       {"/rules/0/match/hosts", "at least 0", "found -1"}},
      {file_of(R"j({"algorithm": "direct", "match": {"hosts": 1.5}})j"), {"/rules/0/match/hosts", "found 1.5"}},
      {file_of(R"j({"algorithm": "direct", "match": {"ranks": "many"}})j"), {"/rules/0/match/ranks", "found \"many\""}},
      {file_of(R"j({"algorithm": "direct", "match": {"ranks": [1]}})j"), {"/rules/0/match/ranks", "array of 1"}},
      {file_of(R"j({"algorithm": "direct", "match": {"ranks": [null, 1]}})j"),
       {"/rules/0/match/ranks/0", "found null"}},
      {file_of(R"j({"algorithm": "direct", "match": {"ranks": [9, 8]}})j"), {"/rules/0/match/ranks", "9 is above 8"}},
      {file_of(R"j({"algorithm": "direct", "match": {"bytes_per_pair": 8}})j"),
       {"/rules/0/match/bytes_per_pair", "uniform"}},
      {file_of(R"j({"algorithm": "direct", "match": {"operation": "v", "bytes_per_pair": 8}})j"),
       {"/rules/0/match/bytes_per_pair", "before its sizes are known"}},
  };
  for (const auto& [text, parts] : cases) {
    for (const auto& part : parts) {
      EXPECT_THAT(refusal(text), HasSubstr(part)) << text;
    }
  }
}

TEST(TuningRules, MoreThanThereMayBeAreRefused) {
  std::string many = R"j({"algorithm": "direct"})j";
  for (size_t i = 0; i < TuningRules::kMaxRules; ++i) {
    many += R"j(,{"algorithm": "direct"})j";
  }
  EXPECT_THAT(refusal(file_of(many)), HasSubstr("at most 1000"));
}

TEST(Choice, SaysWhoNamedTheAlgorithmAndNamesWhoWasWrong) {
  const auto tree = topology::LocalityTree::derive(topology::from_synthetic("2:2").value("text"));
  const Hosts hosts(tree);
  const auto model = cost::nominal_model(tree);
  const Situation situation{tree, hosts, model};
  const Wish wish{.algorithm = "direct", .aggregate_limit_bytes = 0, .pace = {}, .origin = "tuning file F, rule 2"};
  EXPECT_EQ(forced_text(choose_uniform(situation, 8, wish)), " (chosen by tuning file F, rule 2)");
  EXPECT_EQ(choose_v(situation, wish).origin, "tuning file F, rule 2");
  EXPECT_EQ(ways_uniform(situation, 8, wish).size(), 1U);  // nothing is tried where a rule decides
  EXPECT_EQ(ways_v(situation, wish).size(), 1U);
  Wish other = wish;
  other.algorithm = "auto";
  EXPECT_EQ(forced_text(choose_uniform(situation, 8, other)), "");
  other.algorithm = "foo";
  other.origin = "BANYAN_ALGORITHM";
  try {
    static_cast<void>(choose_uniform(situation, 8, other));
    ADD_FAILURE() << "the algorithm was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(StartsWith("BANYAN_ALGORITHM: "), HasSubstr("\"foo\"")));
  }
}

}  // namespace
}  // namespace banyan::planner
