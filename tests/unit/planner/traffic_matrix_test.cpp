// SPDX-License-Identifier: Apache-2.0
#include "planner/traffic_matrix.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <fstream>
#include <iterator>
#include <limits>

#include "schedule/verify.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using topology::LocalityTree;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TrafficMatrix uniform(int num_ranks, uint64_t bytes) {
  const auto n = static_cast<size_t>(num_ranks);
  return {num_ranks, std::vector<uint64_t>(n * n, bytes)};
}

std::string sample() {
  std::ifstream file(std::string(BANYAN_TEST_DATA) + "/traffic/skewed_4.txt");
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename Call>
banyan_status status_of(Call call) {
  try {
    (void)call();
  } catch (const Error& error) {
    return error.status();
  }
  return BANYAN_OK;
}

TEST(TrafficMatrix, SumsThenAreByRowAndColumn) {
  const TrafficMatrix matrix{3, {1, 2, 3, 10, 20, 30, 100, 200, 300}};
  EXPECT_EQ(total_bytes(matrix), 666u);
  EXPECT_THAT(row_sums(matrix), ElementsAre(6, 60, 600));
  EXPECT_THAT(column_sums(matrix), ElementsAre(111, 222, 333));
  EXPECT_EQ(matrix.at(1, 2), 30u);
}

TEST(TrafficMatrix, SumOverflowsThenLimit) {
  const TrafficMatrix rows{2, {kMax, 1, 0, 0}};
  EXPECT_EQ(status_of([&] { return total_bytes(rows); }), BANYAN_ERR_LIMIT);
  EXPECT_EQ(status_of([&] { return row_sums(rows); }), BANYAN_ERR_LIMIT);
  EXPECT_EQ(status_of([&] { return column_sums(rows); }), BANYAN_OK);
  const TrafficMatrix columns{2, {kMax, 0, 1, 0}};
  EXPECT_EQ(status_of([&] { return column_sums(columns); }), BANYAN_ERR_LIMIT);
  EXPECT_EQ(status_of([&] { return host_matrix(columns, LocalityTree::from_hosts({{0, 1}}, 1e9)); }), BANYAN_ERR_LIMIT);
}

TEST(TrafficMatrix, ShapeIsWrongThenInvalidArgument) {
  EXPECT_EQ(status_of([] { return total_bytes({2, {1, 2, 3}}); }), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([] { return total_bytes({-1, {1}}); }), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([] {
              return host_matrix(uniform(3, 1), LocalityTree::from_hosts({{0, 1}}, 1e9));
            }),
            BANYAN_ERR_INVALID_ARGUMENT);
}

TEST(HostMatrix, UnevenHostsThenBytesPerPair) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 2, 3}, {1}}, 1e9);
  TrafficMatrix matrix = uniform(4, 1);
  matrix.at(0, 1) = 1000;
  const TrafficMatrix hosts = host_matrix(matrix, tree);
  EXPECT_EQ(hosts, (TrafficMatrix{2, {9, 1002, 3, 1}}));
}

TEST(HostMatrix, AnyMatrixThenTotalIsKept) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(2, 9);
    TrafficMatrix matrix = uniform(n, 0);
    for (uint64_t& bytes : matrix.bytes) {
      bytes = *rc::gen::inRange<uint64_t>(0, 1000);
    }
    std::vector<std::vector<int>> hosts(2);
    for (int rank = 0; rank < n; ++rank) {
      hosts[rank == 0 ? 0 : rank == 1 ? 1 : *rc::gen::inRange<size_t>(0, 2)].push_back(rank);
    }
    RC_ASSERT(total_bytes(host_matrix(matrix, LocalityTree::from_hosts(hosts, 1e9))) == total_bytes(matrix));
  }));
}

TEST(BlockSizes, MatrixThenSizesForVerify) {
  const TrafficMatrix matrix{2, {1, 2, 3, 4}};
  EXPECT_EQ(block_sizes(matrix).of({1, 0}), 3u);
}

TEST(ParseMatrix, SampleFileThenSizesWithSuffixes) {
  const auto matrix = parse_matrix(sample());
  ASSERT_TRUE(matrix.ok()) << matrix.describe("skewed_4.txt");
  EXPECT_EQ(
      matrix.value("sample"),
      (TrafficMatrix{
          4, {1024, 65536, 128, 0, 1048576, 0, 4096, uint64_t{2} << 30, 307200, 12288, 0, 5, 1048576, 0, 0, 77}}));
}

TEST(ParseMatrix, SampleTruncatedAtAnyByteThenRejectedUnlessOneEntryIsLeft) {
  const std::string text = sample();
  for (size_t size = 0; size + 3 < text.size(); ++size) {  // the last row ends in "77\n"
    const auto matrix = parse_matrix(std::string_view(text).substr(0, size));
    EXPECT_TRUE(!matrix.ok() || matrix.value("truncated").num_ranks == 1) << size;
  }
}

TEST(ParseMatrix, AnyPrintedMatrixThenParsesBackEqual) {
  EXPECT_TRUE(rc::check([] {
    TrafficMatrix matrix = uniform(*rc::gen::inRange(1, 12), 0);
    for (uint64_t& bytes : matrix.bytes) {
      bytes = *rc::gen::inRange<uint64_t>(0, kMax / 200);
    }
    RC_ASSERT(parse_matrix(print_matrix(matrix)).value("printed") == matrix);
  }));
}

TEST(ParseMatrix, BadTextThenSaysWhere) {
  struct Bad {
    std::string text;
    int line;
    int column;
    std::string message;
  };
  for (const Bad& bad : std::vector<Bad>{
           {"", 1, 1, "ends after 0 rows"},
           {"# nothing\n\n", 2, 1, "ends after 0 rows"},
           {"1 2\n3", 2, 2, "a row of 1 entries; the first has 2"},
           {"1 2\n3 4 5", 2, 6, "a row of 3 entries; the first has 2"},
           {"1 2\n3 4\n\n5 6", 4, 1, "more rows than the 2 columns"},
           {"1 2\n", 1, 1, "ends after 1 rows; expected as many as columns, 2"},
           {"1 x\n", 1, 3, "expected a number of bytes"},
           {"1 -2\n", 1, 3, "expected a number of bytes"},
           {"1 max\n", 1, 3, "expected a number of bytes"},
           {"0.5 1\n", 1, 1, "expected a number of bytes"},
           {"1,,2\n", 1, 3, "expected a number of bytes"},
           {",1\n", 1, 1, "expected a number of bytes"},
           {"1,2,\n", 1, 5, "expected a number of bytes"},
           {"99999999999999999999\n", 1, 1, "expected a number of bytes"},
           {"18446744073709551615 1\n", 1, 22, "the sum of the matrix passes"},
           {std::string("1 2\n3 \0", 7), 2, 3, "expected a number of bytes"},
       }) {
    const auto matrix = parse_matrix(bad.text);
    ASSERT_FALSE(matrix.ok()) << bad.text;
    EXPECT_EQ(matrix.error().line, bad.line) << bad.text;
    EXPECT_EQ(matrix.error().column, bad.column) << bad.text;
    EXPECT_THAT(matrix.error().message, HasSubstr(bad.message)) << bad.text;
  }
}

TEST(ParseMatrix, TooManyColumnsThenStopsAtTheLimit) {
  std::string text;
  for (int k = 0; k <= kMaxTrafficRanks; ++k) {
    text += "0 ";
  }
  const auto matrix = parse_matrix(text);
  ASSERT_FALSE(matrix.ok());
  EXPECT_EQ(matrix.error().column, 2 * kMaxTrafficRanks + 1);
  EXPECT_THAT(matrix.error().message, HasSubstr("more than 8192 columns"));
}

TEST(ParseMatrix, CarriageReturnsAndNoLastLineEndThenAccepted) {
  EXPECT_EQ(parse_matrix("1,2\r\n 3 , 4").value("text"), (TrafficMatrix{2, {1, 2, 3, 4}}));
}

}  // namespace
}  // namespace banyan::planner
