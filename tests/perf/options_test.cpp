// SPDX-License-Identifier: Apache-2.0
#include "common/options.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>
#include <numeric>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

SweepOptions parse(std::vector<const char*> arguments) {
  SweepOptions options;
  boost::program_options::options_description all;
  all.add(size_options(options)).add(run_options(options));
  arguments.insert(arguments.begin(), "program");
  const auto given = parse_command_line(static_cast<int>(arguments.size()), arguments.data(), all);
  check_sweep_options(options, given);
  return options;
}

std::string refusal(const std::vector<const char*>& arguments) {
  try {
    (void)parse(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ParseSize, SuffixesArePowersOf1024) {
  EXPECT_EQ(parse_size("8"), 8U);
  EXPECT_EQ(parse_size("64k"), 65536U);
  EXPECT_EQ(parse_size("1M"), 1048576U);
  EXPECT_EQ(parse_size("2G"), 2147483648U);
}

TEST(ParseSize, AnythingElseIsRefused) {
  for (const char* text :
       {"", "k", "-1", "3x", "1.5k", " 8", "8 ", "8kk", "0x10", "99999999999999999999", "18446744073709551615k"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(ParseSize, ReadsBackWhatFormatSizeWrites) {
  EXPECT_TRUE(rc::check("parse_size(format_size(n)) == n", [] {
    const auto bytes = *rc::gen::arbitrary<size_t>();
    RC_ASSERT(parse_size(format_size(bytes)) == bytes);
  }));
}

TEST(ParseRate, DecimalUnitsOfBitsAndBytes) {
  EXPECT_EQ(parse_rate_bytes_per_s("1gbit"), 125e6);
  EXPECT_EQ(parse_rate_bytes_per_s("2.5gbit"), 312.5e6);
  EXPECT_EQ(parse_rate_bytes_per_s("250mbit"), 31.25e6);
  EXPECT_EQ(parse_rate_bytes_per_s("125mbps"), 125e6);
  for (const char* text : {"", "0gbit", "-1gbit", "1", "gbit", "1gbitx", "nangbit", "infgbit"}) {
    EXPECT_FALSE(parse_rate_bytes_per_s(text)) << text;
  }
}

TEST(SweepOptions, ShortOptionsAreThoseOfNcclTests) {
  const auto options = parse({"-b", "16", "-e", "4k", "-f", "4", "-n", "7", "-w", "0", "-c", "2", "-J", "x.json"});
  EXPECT_EQ(options.min_size.bytes, 16U);
  EXPECT_EQ(options.max_size.bytes, 4096U);
  EXPECT_EQ(options.factor, 4);
  EXPECT_EQ(options.iterations, 7);
  EXPECT_EQ(options.warmup, 0);
  EXPECT_EQ(options.checks, 2);
  EXPECT_EQ(options.json_file, "x.json");
}

TEST(SweepOptions, RefusalNamesTheOption) {
  EXPECT_NE(refusal({"-b", "3x"}).find("minbytes"), std::string::npos);
  EXPECT_NE(refusal({"-b", "16", "-e", "8"}).find("-b 16 is above -e 8"), std::string::npos);
  EXPECT_NE(refusal({"-f", "1"}).find("-f"), std::string::npos);
  EXPECT_NE(refusal({"-f", "nan"}).find("-f"), std::string::npos);
  EXPECT_NE(refusal({"-i", "0"}).find("-i"), std::string::npos);
  EXPECT_NE(refusal({"-i", "8", "-f", "2"}).find("exclude"), std::string::npos);
  EXPECT_NE(refusal({"-n", "0"}).find("-n"), std::string::npos);
  EXPECT_NE(refusal({"-c", "-1"}).find("-c"), std::string::npos);
  EXPECT_NE(refusal({"--element-size", "0"}).find("element-size"), std::string::npos);
  EXPECT_NE(refusal({"stray"}), "accepted");
  EXPECT_NE(refusal({"--no-such-option"}), "accepted");
}

TEST(SweepSizes, FactorStepsFromMinimumToMaximum) {
  EXPECT_EQ(sweep_sizes(parse({"-b", "8", "-e", "256k", "-f", "8"})),
            (std::vector<size_t>{8, 64, 512, 4096, 32768, 262144}));
}

TEST(SweepSizes, IncrementStepsFromMinimumToMaximum) {
  EXPECT_EQ(sweep_sizes(parse({"-b", "0", "-e", "20", "-i", "8"})), (std::vector<size_t>{0, 8, 16}));
}

TEST(SweepSizes, SizesAreWholeElementsAndDistinct) {
  EXPECT_EQ(sweep_sizes(parse({"-b", "1", "-e", "9", "-f", "2", "--element-size", "4"})),
            (std::vector<size_t>{0, 4, 8}));
}

TEST(SweepSizes, AFactorNearOneStillAdvances) {
  EXPECT_EQ(sweep_sizes(parse({"-b", "0", "-e", "4", "-f", "1.01"})), (std::vector<size_t>{0, 1, 2, 3, 4}));
}

TEST(SweepSizes, TooManySizesAreRefused) {
  EXPECT_THROW((void)sweep_sizes(parse({"-b", "0", "-e", "1M", "-i", "1"})), UsageError);
}

TEST(SweepSizes, AnySweepEndsAscendingWithinItsLimits) {
  EXPECT_TRUE(rc::check("ascending, from -b to -e", [] {
    SweepOptions options;
    options.min_size.bytes = *rc::gen::inRange<size_t>(0, 1U << 20);
    options.max_size.bytes = options.min_size.bytes + *rc::gen::inRange<size_t>(0, 1U << 30);
    options.factor = 1.0 + *rc::gen::inRange(1, 100) / 10.0;
    const auto sizes = sweep_sizes(options);
    RC_ASSERT(sizes.front() == options.min_size.bytes);
    RC_ASSERT(sizes.back() <= options.max_size.bytes);
    RC_ASSERT(std::adjacent_find(sizes.begin(), sizes.end(), std::greater_equal<>()) == sizes.end());
  }));
}

}  // namespace
}  // namespace banyan::perf
