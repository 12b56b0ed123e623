// SPDX-License-Identifier: Apache-2.0
#include "profiler/results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::profiler {
namespace {

using testing::HasSubstr;

const Results kSome = {{"copy", {1e9, 2.5e9}}, {"host \"a\\b\" egress", {0.1}}};

TEST(Results, SameKeyThenReadBackEqual) {
  EXPECT_EQ(results_from_json(results_to_json("k", kSome), "k").value("text"), kSome);
}

TEST(Results, OtherKeyThenEmpty) {
  EXPECT_TRUE(results_from_json(results_to_json("k", kSome), "l").value("t").empty());
}

TEST(Results, AnyTruncationThenRefused) {
  std::string text = results_to_json("k", kSome);
  text.pop_back();  // the final newline
  for (size_t length = 0; length < text.size(); ++length) {
    ASSERT_FALSE(results_from_json(std::string_view(text).substr(0, length), "k").ok()) << length;
  }
}

TEST(Results, WrongContentThenTheErrorNamesIt) {
  const auto error_of = [](const std::string& probes) {
    const auto result =
        results_from_json(R"({"format": "banyan-profile-resume-1", "key": "k", "probes": )" + probes + "}", "k");
    return result.ok() ? "accepted" : result.error().message;
  };
  EXPECT_THAT(error_of("{}"), HasSubstr("probes: expected an array"));
  EXPECT_THAT(error_of("[1]"), HasSubstr("probes[0]: expected an object"));
  EXPECT_THAT(error_of(R"([{"probe": "a", "numbers": [0]}])"),
              HasSubstr("probes[0].numbers: expected numbers above 0"));
  EXPECT_THAT(error_of(R"([{"probe": "a", "numbers": [1e300]}])"), HasSubstr("probes[0].numbers"));
  EXPECT_THAT(error_of(R"([{"probe": "a", "numbers": "x"}])"), HasSubstr("probes[0].numbers"));
  EXPECT_THAT(error_of(R"([{"probe": "a", "numbers": [1]}, {"probe": "a", "numbers": [1]}])"), HasSubstr("twice"));
  EXPECT_THAT(results_from_json("{\"format\": \"banyan-profile-1\"}", "k").error().message,
              HasSubstr("format: is not"));
  EXPECT_FALSE(results_from_json("7", "k").ok());
}

TEST(Hash, KnownTextsThenPublishedValues) {
  EXPECT_EQ(hash_of(""), "cbf29ce484222325");
  EXPECT_EQ(hash_of("a"), "af63dc4c8601ec8c");
}

}  // namespace
}  // namespace banyan::profiler
