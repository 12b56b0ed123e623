// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace banyan {
namespace {

/// The level is read once per process, so each case runs in a process of its own.
class LogLevelDeathTest : public testing::Test {
 protected:
  LogLevelDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void write_one_line_per_level(const char* level) {
  if (level != nullptr) {
    ::setenv("BANYAN_LOG", level, 1);
  } else {
    ::unsetenv("BANYAN_LOG");
  }
  BANYAN_LOG(kError, "test", "peer {} lost", 3);
  BANYAN_LOG(kWarn, "test", "careful");
  BANYAN_LOG(kInfo, "test", "noted");
  BANYAN_LOG(kDebug, "test", "detail");
  BANYAN_LOG(kTrace, "test", "step");
  std::_Exit(0);
}

constexpr const char* kUpToWarn = "^banyan error test: peer 3 lost\nbanyan warn test: careful\n$";

TEST_F(LogLevelDeathTest, UnsetThenErrorsAndWarnings) {
  EXPECT_EXIT(write_one_line_per_level(nullptr), testing::ExitedWithCode(0), kUpToWarn);
}

TEST_F(LogLevelDeathTest, UnknownLevelThenAWarningAndTheDefault) {
  EXPECT_EXIT(write_one_line_per_level("loud"), testing::ExitedWithCode(0),
              "^banyan warn log: BANYAN_LOG=loud is no level: off, error, warn, info, debug, trace\n"
              "banyan error test: peer 3 lost\nbanyan warn test: careful\n$");
}

TEST_F(LogLevelDeathTest, OffThenNothing) {
  EXPECT_EXIT(write_one_line_per_level("off"), testing::ExitedWithCode(0), "^$");
}

TEST_F(LogLevelDeathTest, InfoThenNoDebug) {
  EXPECT_EXIT(write_one_line_per_level("info"), testing::ExitedWithCode(0), "careful\nbanyan info test: noted\n$");
}

TEST_F(LogLevelDeathTest, TraceThenAll) {
  EXPECT_EXIT(write_one_line_per_level("trace"), testing::ExitedWithCode(0),
              "banyan debug test: detail\nbanyan trace test: step\n$");
}

}  // namespace
}  // namespace banyan
