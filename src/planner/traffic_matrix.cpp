// SPDX-License-Identifier: Apache-2.0
#include "planner/traffic_matrix.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "base/parse.hpp"
#include "schedule/verify.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;

size_t index(int value) { return static_cast<size_t>(value); }

void check_shape(const TrafficMatrix& matrix) {
  if (matrix.num_ranks < 0 || matrix.bytes.size() != index(matrix.num_ranks) * index(matrix.num_ranks)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "a traffic matrix of " + std::to_string(matrix.num_ranks) + " ranks has " +
                                                 std::to_string(matrix.bytes.size()) + " entries");
  }
}

void check_ranks(const TrafficMatrix& matrix, const topology::LocalityTree& tree) {
  check_shape(matrix);
  if (tree.num_ranks() != matrix.num_ranks) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "a traffic matrix of " + std::to_string(matrix.num_ranks) +
                                                 " ranks for a tree of " + std::to_string(tree.num_ranks()));
  }
}

void add_to(uint64_t& sum, uint64_t bytes) {
  const auto result = checked::add(sum, bytes);
  if (!result) {
    throw Error(BANYAN_ERR_LIMIT, "the sum of a traffic matrix passes 2^64 - 1 bytes");
  }
  sum = *result;
}

/// Reads one line after the other; the first row tells how many ranks there are.
class MatrixParser {
 public:
  explicit MatrixParser(std::string_view text) : text_(text) {}

  Result<TrafficMatrix> run() {
    while (begin_ < text_.size()) {
      const size_t end = std::min(text_.find('\n', begin_), text_.size());
      ++line_;
      if (!row(text_.substr(begin_, end - begin_))) {
        return *error_;
      }
      begin_ = end + 1;
    }
    if (num_rows_ != matrix_.num_ranks || num_rows_ == 0) {
      line_ = std::max(line_, 1);
      fail(0, "the text ends after " + std::to_string(num_rows_) + " rows; expected as many as columns, " +
                  (num_rows_ == 0 ? "at least one" : std::to_string(matrix_.num_ranks)));
      return *error_;
    }
    return std::move(matrix_);
  }

 private:
  bool fail(size_t position, std::string message) {
    error_ = ParseError{std::move(message), line_, static_cast<int>(position + 1)};
    return false;
  }

  /// Without its comment, a row is empty or: entry { (blanks | [blanks] "," [blanks]) entry }.
  bool row(std::string_view line) {
    line = line.substr(0, line.find('#'));
    size_t at = skip_blanks(line, 0);
    if (at == line.size()) {
      return true;
    }
    size_t columns = 0;
    while (true) {
      if (!entry(line, at)) {
        return false;
      }
      ++columns;
      at = skip_blanks(line, at);
      if (at == line.size()) {
        return end_row(at, columns);
      }
      if (line[at] == ',') {
        at = skip_blanks(line, at + 1);
      }
    }
  }

  static size_t skip_blanks(std::string_view line, size_t at) {
    return std::min(line.find_first_not_of(" \t\r", at), line.size());
  }

  bool entry(std::string_view line, size_t& at) {
    const size_t end = std::min(line.find_first_of(", \t\r", at), line.size());
    const std::string_view token = line.substr(at, end - at);
    const bool is_number = !token.empty() && token[0] >= '0' && token[0] <= '9';
    const auto bytes = is_number ? parse::bytes(token) : std::nullopt;
    if (!bytes) {
      return fail(at, "expected a number of bytes such as 4096, 64k or 1M");
    }
    const auto sum = checked::add(sum_, *bytes);
    if (!sum) {
      return fail(at, "the sum of the matrix passes 2^64 - 1 bytes");
    }
    if (num_rows_ > 0 && num_rows_ == matrix_.num_ranks) {
      return fail(at, "more rows than the " + std::to_string(matrix_.num_ranks) + " columns of the first");
    }
    if (num_rows_ == 0 && matrix_.bytes.size() == index(kMaxTrafficRanks)) {
      return fail(at, "more than " + std::to_string(kMaxTrafficRanks) + " columns");
    }
    sum_ = *sum;
    matrix_.bytes.push_back(*bytes);
    at = end;
    return true;
  }

  bool end_row(size_t at, size_t columns) {
    if (num_rows_ == 0) {
      matrix_.num_ranks = static_cast<int>(columns);
    } else if (columns != index(matrix_.num_ranks)) {
      return fail(
          at, "a row of " + std::to_string(columns) + " entries; the first has " + std::to_string(matrix_.num_ranks));
    }
    ++num_rows_;
    return true;
  }

  std::string_view text_;
  size_t begin_ = 0;
  int line_ = 0;
  int num_rows_ = 0;
  uint64_t sum_ = 0;
  TrafficMatrix matrix_;
  std::optional<ParseError> error_;
};

}  // namespace

uint64_t total_bytes(const TrafficMatrix& matrix) {
  check_shape(matrix);
  uint64_t total = 0;
  for (const uint64_t bytes : matrix.bytes) {
    add_to(total, bytes);
  }
  return total;
}

std::vector<uint64_t> row_sums(const TrafficMatrix& matrix) {
  check_shape(matrix);
  std::vector<uint64_t> sums(index(matrix.num_ranks));
  for (int from = 0; from < matrix.num_ranks; ++from) {
    for (int to = 0; to < matrix.num_ranks; ++to) {
      add_to(sums[index(from)], matrix.at(from, to));
    }
  }
  return sums;
}

std::vector<uint64_t> column_sums(const TrafficMatrix& matrix) {
  check_shape(matrix);
  std::vector<uint64_t> sums(index(matrix.num_ranks));
  for (int from = 0; from < matrix.num_ranks; ++from) {
    for (int to = 0; to < matrix.num_ranks; ++to) {
      add_to(sums[index(to)], matrix.at(from, to));
    }
  }
  return sums;
}

TrafficMatrix host_matrix(const TrafficMatrix& matrix, const topology::LocalityTree& tree) {
  check_ranks(matrix, tree);
  const std::vector<int> hosts = tree.at_tier(Tier::kNode);
  std::vector<int> host_of_node(tree.nodes().size(), 0);
  for (size_t host = 0; host < hosts.size(); ++host) {
    host_of_node[index(hosts[host])] = static_cast<int>(host);
  }
  TrafficMatrix result{static_cast<int>(hosts.size()), std::vector<uint64_t>(hosts.size() * hosts.size())};
  for (int from = 0; from < matrix.num_ranks; ++from) {
    const int source = host_of_node[index(tree.ancestor(from, Tier::kNode))];
    for (int to = 0; to < matrix.num_ranks; ++to) {
      add_to(result.at(source, host_of_node[index(tree.ancestor(to, Tier::kNode))]), matrix.at(from, to));
    }
  }
  return result;
}

schedule::BlockSizes block_sizes(const TrafficMatrix& matrix) { return {matrix.num_ranks, matrix.bytes}; }

std::string print_matrix(const TrafficMatrix& matrix) {
  check_shape(matrix);
  std::string text = "# " + std::to_string(matrix.num_ranks) + " ranks, bytes from row to column\n";
  for (int from = 0; from < matrix.num_ranks; ++from) {
    for (int to = 0; to < matrix.num_ranks; ++to) {
      text += std::to_string(matrix.at(from, to));
      text += to + 1 < matrix.num_ranks ? ' ' : '\n';
    }
  }
  return text;
}

Result<TrafficMatrix> parse_matrix(std::string_view text) { return MatrixParser(text).run(); }

}  // namespace banyan::planner
