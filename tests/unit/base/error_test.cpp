// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <gtest/gtest.h>

namespace banyan {
namespace {

TEST(Error, CarriesStatusTextAndPlace) {
  const Error error(BANYAN_ERR_IO, "cannot open x");
  EXPECT_EQ(error.status(), BANYAN_ERR_IO);
  EXPECT_STREQ(error.what(), "cannot open x");
  EXPECT_NE(std::string(error.where().file_name()).find("error_test.cpp"), std::string::npos);
}

TEST(Check, BrokenInvariantThenInternalErrorWithConditionAndValues) {
  const int ranks = 3;
  try {
    BANYAN_CHECK(ranks == 4, "ranks " + std::to_string(ranks));
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INTERNAL);
    EXPECT_STREQ(error.what(), "broken invariant ranks == 4: ranks 3");
  }
}

TEST(Result, ValueThenOk) {
  const Result<int> result(7);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.value("file"), 7);
}

TEST(Result, ErrorThenValueThrowsFormatWithOriginLineAndColumn) {
  const Result<int> result(ParseError{"unexpected end", 3, 9});
  EXPECT_FALSE(result.ok());
  try {
    (void)result.value("a.json");
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_FORMAT);
    EXPECT_STREQ(error.what(), "a.json:3:9: unexpected end");
  }
}

TEST(Result, UnknownPositionThenLeftOut) {
  EXPECT_EQ(Result<int>(ParseError{"empty"}).describe("a"), "a: empty");
  EXPECT_EQ(Result<int>(ParseError{"bad line", 2}).describe("a"), "a:2: bad line");
}

}  // namespace
}  // namespace banyan
