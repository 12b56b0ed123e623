// SPDX-License-Identifier: Apache-2.0
#include "base/env.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace banyan::env {
namespace {

using testing::HasSubstr;

/// Sets a variable for a test and puts the old value back.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name); old != nullptr) {
      old_ = old;
    }
    ::setenv(name, value, 1);
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;
  ~ScopedVariable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

template <typename Function>
std::string rejection(Function function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
    return error.what();
  }
  ADD_FAILURE() << "no exception";
  return {};
}

TEST(EnvironmentList, IsSortedWithoutRepeatsAndDocumented) {
  const auto list = variables();
  ASSERT_FALSE(list.empty());
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; }));
  EXPECT_EQ(std::adjacent_find(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name == b.name; }),
            list.end());
  for (const Variable& variable : list) {
    EXPECT_TRUE(variable.name.starts_with("BANYAN_")) << variable.name;
    EXPECT_TRUE(variable.doc.ends_with(".")) << variable.name << ": " << variable.doc;
  }
}

TEST(EnvironmentGet, UnsetOrEmptyThenAbsent) {
  ::unsetenv("BANYAN_PROFILE");
  EXPECT_EQ(get("BANYAN_PROFILE"), std::nullopt);
  const ScopedVariable empty("BANYAN_PROFILE", "");
  EXPECT_EQ(get("BANYAN_PROFILE"), std::nullopt);
}

TEST(EnvironmentGet, SetThenItsText) {
  const ScopedVariable set("BANYAN_PROFILE", " a b ");
  EXPECT_EQ(get("BANYAN_PROFILE"), " a b ");
}

TEST(EnvironmentSeconds, PositiveNumberThenParsed) {
  const ScopedVariable set("BANYAN_TIMEOUT_S", "2.5");
  EXPECT_EQ(get_positive_seconds("BANYAN_TIMEOUT_S"), 2.5);
}

TEST(EnvironmentSeconds, NotAPositiveNumberThenErrorNamesVariableAndText) {
  for (const char* text : {"0", "-1", "soon", "1s", "nan", "inf", "1e10"}) {
    const ScopedVariable set("BANYAN_TIMEOUT_S", text);
    const std::string message = rejection([] { (void)get_positive_seconds("BANYAN_TIMEOUT_S"); });
    EXPECT_THAT(message, HasSubstr("BANYAN_TIMEOUT_S"));
    EXPECT_THAT(message, HasSubstr('"' + std::string(text) + '"'));
  }
}

TEST(EnvironmentBytes, SuffixAndMaxThenParsed) {
  {
    const ScopedVariable set("BANYAN_AGGREGATE_LIMIT", "64k");
    EXPECT_EQ(get_bytes("BANYAN_AGGREGATE_LIMIT"), 65536U);
  }
  const ScopedVariable set("BANYAN_AGGREGATE_LIMIT", "max");
  EXPECT_EQ(get_bytes("BANYAN_AGGREGATE_LIMIT"), std::numeric_limits<size_t>::max());
}

TEST(EnvironmentBytes, NotASizeThenErrorSaysWhatIsExpected) {
  const ScopedVariable set("BANYAN_AGGREGATE_LIMIT", "-4");
  EXPECT_THAT(rejection([] { (void)get_bytes("BANYAN_AGGREGATE_LIMIT"); }), HasSubstr("expected a number of bytes"));
}

TEST(EnvironmentInt, NumberThenParsedAndElseAnError) {
  {
    const ScopedVariable set("BANYAN_WINDOW", "16");
    EXPECT_EQ(get_int("BANYAN_WINDOW"), 16);
  }
  const ScopedVariable set("BANYAN_WINDOW", "16 ");
  EXPECT_THAT(rejection([] { (void)get_int("BANYAN_WINDOW"); }), HasSubstr("BANYAN_WINDOW"));
}

TEST(EnvironmentFlag, EachSpellingIsUnderstood) {
  ::unsetenv("BANYAN_INSECURE");
  EXPECT_FALSE(get_flag("BANYAN_INSECURE"));
  for (const char* text : {"1", "y", "yes", "on", "true"}) {
    const ScopedVariable set("BANYAN_INSECURE", text);
    EXPECT_TRUE(get_flag("BANYAN_INSECURE")) << text;
  }
  for (const char* text : {"0", "n", "no", "off", "false"}) {
    const ScopedVariable set("BANYAN_INSECURE", text);
    EXPECT_FALSE(get_flag("BANYAN_INSECURE")) << text;
  }
}

TEST(EnvironmentFlag, AnythingElseThenError) {
  const ScopedVariable set("BANYAN_INSECURE", "maybe");
  EXPECT_THAT(rejection([] { (void)get_flag("BANYAN_INSECURE"); }), HasSubstr("\"maybe\""));
}

TEST(EnvironmentUnknown, MisspeltNameThenNearestIsNamed) {
  const ScopedVariable set("BANYAN_TRANSPORT", "shm");
  const ScopedVariable swapped("BANYAN_PORFILE", "x");
  const ScopedVariable shortened("BANYAN_TOPOLOGY", "x");
  const ScopedVariable known("BANYAN_LOG", "warn");
  const ScopedVariable foreign("BANYANX_LOG", "warn");
  std::map<std::string, std::string> found;
  for (const Unknown& unknown : unknown_variables()) {
    found[unknown.name] = unknown.nearest;
  }
  EXPECT_EQ(found["BANYAN_TRANSPORT"], "BANYAN_TRANSPORTS");
  EXPECT_EQ(found["BANYAN_PORFILE"], "BANYAN_PROFILE");
  EXPECT_EQ(found["BANYAN_TOPOLOGY"], "BANYAN_TOPOLOGY_FILE");
  EXPECT_FALSE(found.contains("BANYAN_LOG"));
  EXPECT_FALSE(found.contains("BANYANX_LOG"));
}

}  // namespace
}  // namespace banyan::env
