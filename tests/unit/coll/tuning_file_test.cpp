// SPDX-License-Identifier: Apache-2.0
// A communicator with a tuning file: who decides, and what becomes of a bad file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "planner/plan.hpp"
#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::consecutive;
using ::testing::HasSubstr;
using testing::run_ranks;
using testing::run_ranks_each;

constexpr const char* kRules = R"j({"format": "banyan-tuning-1", "rules": [
  {"match": {"operation": "uniform", "ranks": 3, "bytes_per_pair": [9, null]}, "algorithm": "hierarchical(node)"},
  {"match": {"operation": "v"}, "algorithm": "direct"}]})j";

/// A file that ends with the test.
class TuningFile {
 public:
  /// `name` tells files of one test apart.
  explicit TuningFile(const std::string& text, const std::string& name = "")
      : path_(std::filesystem::temp_directory_path() / ("tuning_file_test" + std::to_string(getpid()) + name)) {
    std::ofstream(path_) << text;
  }
  ~TuningFile() { std::filesystem::remove(path_); }
  TuningFile(const TuningFile&) = delete;
  TuningFile& operator=(const TuningFile&) = delete;
  [[nodiscard]] comm::Settings settings() const {
    comm::Settings settings;
    settings.tuning_file = path_;
    return settings;
  }
  [[nodiscard]] std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Who named the algorithm of an all-to-all of so many bytes; without, of an all-to-all-v of 8.
std::string origin(Engine& engine, std::optional<size_t> bytes, const Options& options = {}) {
  const auto ranks = static_cast<size_t>(engine.communicator().size());
  const std::vector<uint64_t> matrix(bytes ? 0 : ranks * ranks, 8);
  const auto plan = engine.plan({bytes.value_or(0), matrix}, options);
  return plan.choice.forced ? planner::algorithm_name(plan.choice.chosen.algorithm) + " by " + plan.choice.origin
                            : "the model";
}

void expect_ok(const std::vector<testing::Outcome>& outcomes) {
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(TuningFile, DecidesWhereNeitherCallerNorEnvironmentDoes) {
  const TuningFile file(kRules);
  expect_ok(run_ranks(consecutive({2, 1}), file.settings(), [&](Engine& engine) {
    EXPECT_EQ(origin(engine, 9), "hierarchical(node) by tuning file " + file.path() + ", rule 1");
    EXPECT_EQ(origin(engine, std::nullopt), "direct by tuning file " + file.path() + ", rule 2");
    EXPECT_EQ(origin(engine, 8), "the model");
    EXPECT_EQ(origin(engine, 9, {.algorithm = "direct", .timeout_s = 0}), "direct by ");
    EXPECT_EQ(origin(engine, 9, {.algorithm = "auto", .timeout_s = 0}), "the model");
  }));
}

TEST(TuningFile, GivesWayToTheEnvironment) {
  const TuningFile file(kRules);
  comm::Settings settings = file.settings();
  settings.algorithm = "hierarchical(rail)";
  expect_ok(run_ranks(consecutive({2, 1}), settings,
                      [&](Engine& engine) { EXPECT_EQ(origin(engine, 9), "hierarchical(rail) by BANYAN_ALGORITHM"); }));
  settings.algorithm = "auto";
  expect_ok(
      run_ranks(consecutive({2, 1}), settings, [&](Engine& engine) { EXPECT_EQ(origin(engine, 9), "the model"); }));
}

TEST(TuningFile, LeavesNothingToTryWhereItDecides) {
  const TuningFile file(kRules);
  expect_ok(run_ranks(consecutive({2, 1}), file.settings(), [&](Engine& engine) {
    const std::vector<std::byte> sent(3 * 512, std::byte{7});
    std::vector<std::byte> received(sent.size());
    for (int call = 0; call < 100; ++call) {
      engine.alltoall(sent.data(), received.data(), 512, {});
    }
    EXPECT_EQ(received, sent);
    EXPECT_EQ(engine.trials(), 0U);
  }));
}

TEST(TuningFile, OfRankZeroCountsWhateverTheOthersName) {
  const TuningFile first(kRules);
  const TuningFile other(R"j({"format": "banyan-tuning-1", "rules": [{"algorithm": "hierarchical(rail)"}]})j",
                         ".other");
  comm::Settings missing;
  missing.tuning_file = first.path() + ".missing";
  expect_ok(run_ranks_each(consecutive({2, 1}), {first.settings(), other.settings(), missing}, [&](Engine& engine) {
    EXPECT_EQ(origin(engine, 9), "hierarchical(node) by tuning file " + first.path() + ", rule 1");
    EXPECT_EQ(origin(engine, std::nullopt), "direct by tuning file " + first.path() + ", rule 2");
  }));
  expect_ok(run_ranks_each(consecutive({2, 1}), {comm::Settings{}, other.settings(), other.settings()},
                           [&](Engine& engine) { EXPECT_EQ(origin(engine, 9), "the model"); }));
}

TEST(TuningFile, ThatIsBadFailsAllRanksWithItsNameAndPlace) {
  const TuningFile file(R"j({"format": "banyan-tuning-1", "rules": [{"algorithm": "magic"}]})j");
  for (const auto& outcome : run_ranks(consecutive({2, 1}), file.settings(), [](Engine&) {})) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_FORMAT);
    EXPECT_THAT(outcome.text, HasSubstr("rank 0's tuning file " + file.path() + ": /rules/0/algorithm"));
  }
}

TEST(TuningFile, WithAnAlgorithmThatTheHostsDoNotAllowNamesTheRule) {
  const TuningFile file(R"j({"format": "banyan-tuning-1", "rules": [{"algorithm": "hierarchical(rack)"}]})j");
  for (const auto& outcome :
       run_ranks(consecutive({2, 1}), file.settings(), [](Engine& engine) { static_cast<void>(origin(engine, 8)); })) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_NOT_FOUND);
    EXPECT_THAT(outcome.text, HasSubstr(file.path() + ", rule 1: no algorithm"));
  }
}

}  // namespace
}  // namespace banyan::coll
