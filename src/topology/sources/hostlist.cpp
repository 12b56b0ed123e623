// SPDX-License-Identifier: Apache-2.0
#include "topology/sources/hostlist.hpp"

#include <fmt/format.h>

#include "base/parse.hpp"

namespace banyan::topology {
namespace {

constexpr size_t kMaxBrackets = 4;
constexpr size_t kMaxHostNameBytes = 128;
constexpr size_t kMaxDigits = 9;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_host_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
}

/// Throws ParseError, which expand_hostlist turns into a result.
class Expander {
 public:
  Expander(std::string_view text, size_t max_names) : text_(text), max_names_(max_names) {}

  std::vector<std::string> run() {
    while (true) {
      expand_name();
      if (position_ == text_.size()) {
        return std::move(names_);
      }
      ++position_;  // expand_name stops at a comma or at the end
    }
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw ParseError{message, 0, static_cast<int>(position_) + 1};
  }

  void expand_name() {
    std::vector<std::string> expanded = {""};
    size_t brackets = 0;
    const size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != ',') {
      if (text_[position_] == '[') {
        if (++brackets > kMaxBrackets) {
          fail(fmt::format("more than {} brackets in one name", kMaxBrackets));
        }
        expanded = product(expanded, bracket());
      } else if (is_host_char(text_[position_])) {
        for (std::string& name : expanded) {
          name += text_[position_];
        }
        ++position_;
      } else {
        fail("unexpected character in a host list");
      }
      if (expanded.front().size() > kMaxHostNameBytes) {
        fail(fmt::format("host name longer than {} bytes", kMaxHostNameBytes));
      }
    }
    if (position_ == begin) {
      fail("empty name in a host list");
    }
    check_count(names_.size() + expanded.size());
    names_.insert(names_.end(), expanded.begin(), expanded.end());
  }

  void check_count(size_t count) const {
    if (count > max_names_) {
      fail(fmt::format("host list expands to more than {} names", max_names_));
    }
  }

  std::vector<std::string> product(const std::vector<std::string>& heads, const std::vector<std::string>& tails) const {
    check_count(heads.size() * tails.size());
    std::vector<std::string> result;
    result.reserve(heads.size() * tails.size());
    for (const std::string& head : heads) {
      for (const std::string& tail : tails) {
        result.push_back(head + tail);
      }
    }
    return result;
  }

  std::string digits() {
    const size_t begin = position_;
    while (position_ < text_.size() && is_digit(text_[position_])) {
      ++position_;
    }
    if (position_ == begin || position_ - begin > kMaxDigits) {
      fail(fmt::format("expected a number of 1 to {} digits", kMaxDigits));
    }
    return std::string(text_.substr(begin, position_ - begin));
  }

  /// "[0-3,7]" as texts, the width of each range's first number kept.
  std::vector<std::string> bracket() {
    std::vector<std::string> numbers;
    do {
      ++position_;  // '[' or ','
      const std::string first = digits();
      std::string last = first;
      if (position_ < text_.size() && text_[position_] == '-') {
        ++position_;
        last = digits();
      }
      const auto low = static_cast<size_t>(parse::integer(first).value_or(0));
      const auto high = static_cast<size_t>(parse::integer(last).value_or(0));
      if (high < low) {
        fail(fmt::format("range {}-{} runs backwards", first, last));
      }
      check_count(numbers.size() + (high - low + 1));
      for (size_t number = low; number <= high; ++number) {
        numbers.push_back(fmt::format("{:0{}}", number, first.size()));
      }
    } while (position_ < text_.size() && text_[position_] == ',');
    if (position_ == text_.size() || text_[position_] != ']') {
      fail("'[' is not closed");
    }
    ++position_;
    return numbers;
  }

  std::string_view text_;
  size_t max_names_;
  size_t position_ = 0;
  std::vector<std::string> names_;
};

}  // namespace

Result<std::vector<std::string>> expand_hostlist(std::string_view text, size_t max_names) {
  try {
    return Expander(text, max_names).run();
  } catch (const ParseError& error) {
    return error;
  }
}

}  // namespace banyan::topology
