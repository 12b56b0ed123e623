// SPDX-License-Identifier: Apache-2.0
#include "planner/traffic_generators.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/error.hpp"

namespace banyan::planner {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

TrafficMatrix generate(const std::string& spec, int num_ranks) {
  return generate_traffic(parse_traffic_spec(spec), num_ranks);
}

const std::vector<std::string> kSpecs = {"uniform:4k",        "random:10000,seed=5", "zipf:64k,s=1.2",
                                         "moe:64k",           "hot:3000,rank=3",     "zeros:1k,fraction=0.7",
                                         "local:8k",          "zipf:1,s=16,seed=3",  "moe:1,zeros=0.9",
                                         "zeros:1,fraction=1"};

/// The text of the error, which must be INVALID_ARGUMENT.
std::string error_of(const std::string& spec, int num_ranks) {
  try {
    (void)generate(spec, num_ranks);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT) << spec;
    return error.what();
  }
  ADD_FAILURE() << spec << " was accepted";
  return {};
}

size_t count_zeros(const TrafficMatrix& matrix) {
  return static_cast<size_t>(std::count(matrix.bytes.begin(), matrix.bytes.end(), uint64_t{0}));
}

/// FNV-1a over the entries, so that the same matrix on another platform can be told from a similar one.
uint64_t fingerprint(const TrafficMatrix& matrix) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const uint64_t bytes : matrix.bytes) {
    for (int shift = 0; shift < 64; shift += 8) {
      hash = (hash ^ (bytes >> shift & 0xff)) * 0x100000001b3;
    }
  }
  return hash;
}

TEST(Generate, AnyKindAndSizeThenTheSumIsExact) {
  for (const std::string& spec : kSpecs) {
    for (const int n : {4, 8, 15, 64}) {
      const TrafficMatrix matrix = generate(spec, n);
      EXPECT_EQ(matrix.num_ranks, n);
      EXPECT_EQ(total_bytes(matrix), *parse_traffic_spec(spec).average_bytes * static_cast<uint64_t>(n * n)) << spec;
    }
  }
}

TEST(Generate, OneRankThenTheAverage) {
  for (const std::string spec : {"uniform:7", "random:7", "zipf:7", "moe:7", "hot:7", "zeros:7", "local:7"}) {
    EXPECT_EQ(generate(spec, 1), (TrafficMatrix{1, {7}})) << spec;
  }
}

TEST(Generate, AverageZeroThenAllZero) {
  for (const std::string kind : {"uniform:0", "random:0", "zipf:0", "moe:0", "hot:0", "zeros:0", "local:0"}) {
    EXPECT_THAT(generate(kind, 5).bytes, Each(0u)) << kind;
  }
}

TEST(Generate, SeedThenDecidesTheMatrix) {
  for (const std::string kind : {"random:1k", "zipf:1k", "moe:1k", "zeros:1k"}) {
    EXPECT_EQ(generate(kind + ",seed=3", 16), generate(kind + ",seed=3", 16)) << kind;
    EXPECT_NE(generate(kind + ",seed=3", 16), generate(kind + ",seed=4", 16)) << kind;
    EXPECT_EQ(generate(kind + ",seed=3", 16), generate_traffic(parse_traffic_spec(kind, 3), 16)) << kind;
  }
}

TEST(Generate, KnownSpecsThenTheSameMatrixOnEveryPlatform) {
  // Recorded 2026-11-22, x86-64, g++ 12; integer arithmetic gives the same everywhere.
  EXPECT_EQ(fingerprint(generate("random:64k,seed=1", 8)), 12613058809294972675u);
  EXPECT_EQ(fingerprint(generate("zipf:64k,s=1.2,seed=1", 8)), 12494227308387556018u);
  EXPECT_EQ(fingerprint(generate("moe:64k,experts=64,topk=8,zeros=0.3,seed=1", 8)), 13827725231786860764u);
  EXPECT_EQ(fingerprint(generate("zeros:64k,fraction=0.7,seed=1", 8)), 5144894395053383872u);
  EXPECT_EQ(fingerprint(generate("local:64k", 8)), 11864278152266577559u);
}

TEST(GenerateUniform, EveryPairThenIsTheSize) { EXPECT_THAT(generate("uniform:12345", 9).bytes, Each(12345u)); }

TEST(GenerateRandom, SizesThenAreSpreadUpToTwiceTheAverage) {
  const TrafficMatrix matrix = generate("random:100000", 64);
  std::array<int, 4> quarters{};  // of [0, 2 AVG]
  for (const uint64_t bytes : matrix.bytes) {
    ASSERT_LT(bytes, 210000u);
    ++quarters[std::min<size_t>(bytes / 50000, 3)];
  }
  for (const int count : quarters) {
    EXPECT_NEAR(count, 1024, 150);  // five standard deviations of a fair draw
  }
}

TEST(GenerateZipf, SortedSizesThenFollowThePowerLaw) {
  for (const double s : {0.0, 0.5, 1.0, 1.2, 2.0}) {
    TrafficMatrix matrix = generate("zipf:1000000,s=" + std::to_string(s), 16);
    std::sort(matrix.bytes.begin(), matrix.bytes.end(), std::greater<>());
    const auto largest = static_cast<double>(matrix.bytes[0]);
    for (const size_t k : {2u, 3u, 10u, 100u, 256u}) {
      const double expected = largest * std::pow(static_cast<double>(k), -s);
      EXPECT_NEAR(static_cast<double>(matrix.bytes[k - 1]), expected, 2 + expected * 1e-3) << "s " << s << " k " << k;
    }
  }
}

TEST(GenerateZipf, SteepestThenAllButOnePairHaveOneByteOrLittleMore) {
  const TrafficMatrix matrix = generate("zipf:1000,s=16", 8);
  EXPECT_GT(*std::max_element(matrix.bytes.begin(), matrix.bytes.end()), 60000u);
  EXPECT_EQ(count_zeros(matrix), 0u);
}

TEST(GenerateMoe, ZeroFractionThenIsExactAndAFewPairsAreLarge) {
  for (const int n : {8, 16, 64, 100}) {
    const TrafficMatrix matrix = generate("moe:64k,zeros=0.3", n);
    EXPECT_EQ(count_zeros(matrix), static_cast<size_t>(std::floor(0.3 * n * n + 0.5))) << n;
    const auto small = std::count_if(matrix.bytes.begin(), matrix.bytes.end(), [](uint64_t b) { return b < 65536; });
    EXPECT_GE(small, n * n / 2) << n;
    EXPECT_GT(*std::max_element(matrix.bytes.begin(), matrix.bytes.end()), 65536u * 5 / 2) << n;
  }
}

TEST(GenerateMoe, EveryExpertChosenThenUniform) {
  // topk = experts sends every token to every rank; without zeros nothing is left to chance.
  EXPECT_THAT(generate("moe:1000,experts=16,topk=16,zeros=0", 16).bytes, Each(1000u));
}

TEST(GenerateHot, HotColumnThenIsFactorTimesLarger) {
  const TrafficMatrix matrix = generate("hot:100000,rank=2,factor=5", 8);
  for (int from = 0; from < 8; ++from) {
    EXPECT_NEAR(static_cast<double>(matrix.at(from, 2)) / static_cast<double>(matrix.at(from, 3)), 5, 0.01);
  }
}

TEST(GenerateZeros, FractionThenIsExactAndOthersEqual) {
  const TrafficMatrix matrix = generate("zeros:1000,fraction=0.7", 10);
  EXPECT_EQ(count_zeros(matrix), 70u);
  for (const uint64_t bytes : matrix.bytes) {
    EXPECT_TRUE(bytes == 0 || (bytes >= 3332 && bytes <= 3335)) << bytes;
  }
}

TEST(GenerateLocal, SizesThenFallWithDistance) {
  const TrafficMatrix matrix = generate("local:1000000", 8);
  for (int to = 1; to < 8; ++to) {
    const double expected = static_cast<double>(matrix.at(0, 0)) / ((1 + to) * (1 + to));
    EXPECT_NEAR(static_cast<double>(matrix.at(0, to)), expected, 2) << to;
    EXPECT_NEAR(static_cast<double>(matrix.at(to, 0)), expected, 2) << to;
  }
}

TEST(GenerateLimits, SumOrRanksBeyondThenLimit) {
  for (const auto& [bytes, ranks] : std::vector<std::pair<uint64_t, int>>{{std::numeric_limits<uint64_t>::max(), 2},
                                                                          {1, kMaxTrafficRanks + 1},
                                                                          {1, std::numeric_limits<int>::max()}}) {
    try {
      (void)generate_traffic({.average_bytes = bytes}, ranks);
      ADD_FAILURE() << ranks;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BANYAN_ERR_LIMIT);
    }
  }
}

TEST(TrafficSpec, DefaultsAndKeysThenAreRead) {
  const TrafficSpec spec = parse_traffic_spec("moe:64k,experts=128,topk=4,zeros=0.5,seed=9");
  EXPECT_EQ(spec.kind, TrafficKind::kMoe);
  EXPECT_EQ(spec.average_bytes, 65536u);
  EXPECT_EQ(spec.experts, 128);
  EXPECT_EQ(spec.top_k, 4);
  EXPECT_EQ(spec.zero_fraction_q32, uint64_t{1} << 31);
  EXPECT_EQ(spec.seed, 9u);
  EXPECT_EQ(parse_traffic_spec("zipf,s=2").average_bytes, std::nullopt);
  EXPECT_EQ(parse_traffic_spec("zipf,s=2").exponent_q32, uint64_t{2} << 32);
}

TEST(TrafficSpec, BadTextThenNamesWhatIsKnown) {
  EXPECT_THAT(error_of("", 8), HasSubstr("expected one of uniform, random, zipf, moe, hot, zeros, local"));
  EXPECT_THAT(error_of("gauss:1k", 8), HasSubstr("\"gauss\" is not known"));
  EXPECT_THAT(error_of("uniform", 8), HasSubstr("no average size"));
  EXPECT_THAT(error_of("uniform:", 8), HasSubstr("expected a number of bytes"));
  EXPECT_THAT(error_of("uniform:max", 8), HasSubstr("expected a number of bytes"));
  EXPECT_THAT(error_of("uniform:1k,seed=1", 8), HasSubstr("it has no keys"));
  EXPECT_THAT(error_of("random:1k,s=1", 8), HasSubstr("traffic random has no \"s\"; it has seed"));
  EXPECT_THAT(error_of("random:1k,seed", 8), HasSubstr("expected KEY=VALUE"));
  EXPECT_THAT(error_of("random:1k,seed=1,seed=2", 8), HasSubstr("gives seed twice"));
  EXPECT_THAT(error_of("random:1k,seed=-1", 8), HasSubstr("traffic seed is \"-1\""));
  EXPECT_THAT(error_of("zipf:1k,s=17", 8), HasSubstr("traffic s is \"17\""));
  EXPECT_THAT(error_of("zipf:1k,s=nan", 8), HasSubstr("traffic s is \"nan\""));
  EXPECT_THAT(error_of("zeros:1k,fraction=1.1", 8), HasSubstr("traffic fraction is"));
  EXPECT_THAT(error_of("moe:1k,topk=0", 8), HasSubstr("traffic topk is \"0\""));
}

TEST(TrafficSpec, ParametersDoNotFitTheRanksThenRejected) {
  EXPECT_THAT(error_of("hot:1k,rank=8", 8), HasSubstr("hot rank 8 with factor 8 for 8 ranks"));
  EXPECT_THAT(error_of("moe:1k,experts=4", 8), HasSubstr("moe with 4 experts and topk 8 for 8 ranks"));
  EXPECT_THAT(error_of("moe:1k,experts=16,topk=17", 8), HasSubstr("moe with 16 experts and topk 17"));
  EXPECT_THAT(error_of("uniform:1k", 0), HasSubstr("0 ranks"));
}

TEST(TrafficSpec, HelpThenNamesEveryKind) {
  for (const std::string kind : {"uniform", "random", "zipf", "moe", "hot", "zeros", "local"}) {
    EXPECT_THAT(traffic_spec_help(), HasSubstr(kind + ":"));
  }
}

}  // namespace
}  // namespace banyan::planner
