// SPDX-License-Identifier: Apache-2.0
#include "base/parse.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

namespace banyan::parse {
namespace {

TEST(ParseInteger, WholeTextIsANumberThenItsValue) {
  EXPECT_EQ(integer("0"), 0);
  EXPECT_EQ(integer("-12"), -12);
  EXPECT_EQ(integer("9223372036854775807"), std::numeric_limits<long>::max());
}

TEST(ParseInteger, AnythingElseThenAbsent) {
  for (const char* text : {"", " 1", "1 ", "+1", "1.0", "0x10", "9223372036854775808", "one"}) {
    EXPECT_EQ(integer(text), std::nullopt) << text;
  }
}

TEST(ParseInteger, AnyNumberThenRoundTrips) {
  EXPECT_TRUE(rc::check([](long value) { RC_ASSERT(integer(std::to_string(value)) == value); }));
}

TEST(ParseReal, FiniteNumberThenItsValue) {
  EXPECT_EQ(real("2.5"), 2.5);
  EXPECT_EQ(real("-1e3"), -1000);
  EXPECT_EQ(real("7"), 7);
}

TEST(ParseReal, NotFiniteOrNotANumberThenAbsent) {
  for (const char* text : {"", "nan", "inf", "-inf", "1e999", "1,5", "2.5s", " 2"}) {
    EXPECT_EQ(real(text), std::nullopt) << text;
  }
}

TEST(ParseBytes, SuffixesArePowersOf1024) {
  EXPECT_EQ(bytes("0"), 0U);
  EXPECT_EQ(bytes("8B"), 8U);
  EXPECT_EQ(bytes("64k"), 65536U);
  EXPECT_EQ(bytes("64KiB"), 65536U);
  EXPECT_EQ(bytes("1M"), 1048576U);
  EXPECT_EQ(bytes("2gb"), size_t{2} << 30);
  EXPECT_EQ(bytes("max"), std::numeric_limits<size_t>::max());
}

TEST(ParseBytes, NegativeUnknownSuffixOrOverflowThenAbsent) {
  for (const char* text : {"", "-1", "k", "1x", "1 k", "1.5k", "1kk", "18446744073709551616", "18446744073709551615k",
                           "17179869184g", "maximum"}) {
    EXPECT_EQ(bytes(text), std::nullopt) << text;
  }
}

TEST(ParseRate, BitsAndBytesWithDecimalPrefixes) {
  EXPECT_EQ(rate_bytes_per_s("10gbit"), 1.25e9);
  EXPECT_EQ(rate_bytes_per_s("400gbit/s"), 5e10);
  EXPECT_EQ(rate_bytes_per_s("100Mbit"), 12.5e6);
  EXPECT_EQ(rate_bytes_per_s("1Gbps"), 1.25e8);
  EXPECT_EQ(rate_bytes_per_s("2.5GB/s"), 2.5e9);
  EXPECT_EQ(rate_bytes_per_s("8bit"), 1.0);
  EXPECT_EQ(rate_bytes_per_s("3B/s"), 3.0);
}

TEST(ParseRate, NoUnitWrongUnitOrNotPositiveThenAbsent) {
  const std::string overflows = std::string(308, '9') + "tbit";
  for (const std::string& text : {std::string(), std::string("10"), std::string("gbit"), std::string("0gbit"),
                                  std::string("-1gbit"), std::string("10gb"), std::string("10xbit"),
                                  std::string("10 gbit"), std::string("1GiB/s"), std::string("1..5gbit"), overflows}) {
    EXPECT_EQ(rate_bytes_per_s(text), std::nullopt) << text;
  }
}

TEST(ParseSplit, EmptyPiecesAreKept) {
  EXPECT_EQ(split("a,b", ','), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  EXPECT_EQ(split(",a,", ','), (std::vector<std::string>{"", "a", ""}));
}

TEST(ParseSplit, JoinedAgainThenTheSameText) {
  EXPECT_TRUE(rc::check([](const std::string& text) {
    std::string joined;
    for (const std::string& piece : split(text, ',')) {
      joined += piece + ",";
    }
    joined.pop_back();
    RC_ASSERT(joined == text);
  }));
}

TEST(ParseTrim, BlanksAtTheEndsAreRemoved) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace banyan::parse
