// SPDX-License-Identifier: Apache-2.0
#include "schedule/text.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace banyan::schedule {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return (c >= 'a' && c <= 'z') || c == '-'; }

int hex_digit(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Recursive descent over one line at a time. Every step returns false once error_ is set, and the first error stays.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Schedule> run() {
    if (header() && messages()) {
      return std::move(schedule_);
    }
    return *error_;
  }

 private:
  [[nodiscard]] char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  bool fail_at(size_t position, std::string message) {
    if (!error_) {
      error_ = ParseError{std::move(message), line_, static_cast<int>(position - line_start_ + 1)};
    }
    return false;
  }

  bool fail_expected(const std::string& what) {
    std::string found = "the end of the text";
    if (at_ < text_.size()) {
      const char c = text_[at_];
      found = c == '\n' ? "the end of the line" : c >= ' ' && c <= '~' ? std::string("'") + c + "'" : "a control byte";
    }
    return fail_at(at_, "expected " + what + ", found " + found);
  }

  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') {
      ++at_;
    }
    if (peek() == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') {
        ++at_;
      }
    }
  }

  /// To the first character of the next line that is not empty, or to the end.
  void skip_lines() {
    for (skip_blanks(); peek() == '\n'; skip_blanks()) {
      ++at_;
      ++line_;
      line_start_ = at_;
    }
  }

  bool end_of_line() {
    skip_blanks();
    return at_ >= text_.size() || peek() == '\n' || fail_expected("the end of the line");
  }

  bool symbol(std::string_view expected) {
    skip_blanks();
    if (text_.substr(at_, expected.size()) != expected) {
      return fail_expected("'" + std::string(expected) + "'");
    }
    at_ += expected.size();
    return true;
  }

  std::string_view word() {
    skip_blanks();
    const size_t begin = at_;
    while (is_word(peek())) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  bool keyword(std::string_view expected) {
    skip_blanks();
    const size_t begin = at_;
    if (word() != expected) {
      at_ = begin;
      return fail_expected("'" + std::string(expected) + "'");
    }
    return true;
  }

  /// Digits only, at the current position; `largest` bounds the value.
  bool digits(size_t largest, const std::string& what, size_t& value) {
    const size_t begin = at_;
    while (is_digit(peek())) {
      ++at_;
    }
    if (at_ == begin) {
      return fail_expected(what);
    }
    const auto [end, code] = std::from_chars(text_.data() + begin, text_.data() + at_, value);
    if (code != std::errc() || end != text_.data() + at_ || value > largest) {
      return fail_at(begin, what + " must be at most " + std::to_string(largest));
    }
    return true;
  }

  bool number(size_t largest, const std::string& what, size_t& value) {
    skip_blanks();
    return digits(largest, what, value);
  }

  bool integer(size_t largest, const std::string& what, int& value) {
    size_t parsed = 0;
    if (!number(largest, what, parsed)) {
      return false;
    }
    value = static_cast<int>(parsed);
    return true;
  }

  bool escape() {
    const char kind = peek(1);
    if (kind == '"' || kind == '\\') {
      schedule_.algorithm += kind;
      at_ += 2;
      return true;
    }
    const int high = hex_digit(peek(2));
    const int low = hex_digit(peek(3));
    if (kind != 'x' || high < 0 || low < 0) {
      return fail_at(at_, "expected \\\", \\\\ or \\x and two digits of 0-9a-f");
    }
    schedule_.algorithm += static_cast<char>(high * 16 + low);
    at_ += 4;
    return true;
  }

  bool quoted_algorithm() {
    if (!symbol("\"")) {
      return false;
    }
    while (peek() != '"') {
      if (peek() < ' ' || peek() > '~') {
        return fail_expected("a printable character or '\"'");
      }
      if (schedule_.algorithm.size() == kMaxTextAlgorithm) {
        return fail_at(at_, "the name is longer than " + std::to_string(kMaxTextAlgorithm) + " bytes");
      }
      if (peek() != '\\') {
        schedule_.algorithm += text_[at_++];
      } else if (!escape()) {
        return false;
      }
    }
    ++at_;
    return true;
  }

  bool line(std::string_view name) {
    skip_lines();
    return keyword(name);
  }

  bool header() {
    size_t version = 0;
    if (!line("banyan-schedule") || !number(1, "version", version)) {
      return false;
    }
    if (version != 1) {
      return fail_at(at_ - 1, "version must be 1");
    }
    constexpr size_t kMaxInt = std::numeric_limits<int>::max();
    return end_of_line() && line("algorithm") && quoted_algorithm() && end_of_line() && line("ranks") &&
           integer(kMaxTextRanks, "number of ranks", schedule_.num_ranks) && end_of_line() && line("window") &&
           integer(kMaxInt, "window", schedule_.window) && end_of_line() && line("messages") &&
           number(kMaxTextMessages, "number of messages", num_messages_) && end_of_line();
  }

  bool messages() {
    for (skip_lines(); at_ < text_.size(); skip_lines()) {
      if (schedule_.messages.size() == num_messages_) {
        return fail_at(at_, "more messages than the " + std::to_string(num_messages_) + " announced");
      }
      if (!message()) {
        return false;
      }
    }
    if (schedule_.messages.size() != num_messages_) {
      return fail_at(at_, "the text ends after " + std::to_string(schedule_.messages.size()) + " of the " +
                              std::to_string(num_messages_) + " messages announced");
    }
    return true;
  }

  bool rank(const std::string& what, size_t& value) {
    const size_t begin = at_;
    if (!digits(std::numeric_limits<int>::max(), what, value)) {
      return false;
    }
    if (value >= static_cast<size_t>(schedule_.num_ranks)) {
      return fail_at(begin, what + " " + std::to_string(value) + " of " + std::to_string(schedule_.num_ranks));
    }
    return true;
  }

  bool endpoint(const std::string& what, int& value) {
    skip_blanks();
    size_t parsed = 0;
    if (!rank(what, parsed)) {
      return false;
    }
    value = static_cast<int>(parsed);
    return true;
  }

  bool path(Path& path) {
    skip_blanks();
    const size_t begin = at_;
    const std::string_view name = word();
    if (name != "message" && name != "mapped") {
      at_ = begin;
      return fail_expected("'message' or 'mapped'");
    }
    path = name == "mapped" ? Path::kMapped : Path::kMessage;
    return true;
  }

  bool message() {
    Message& message = schedule_.messages.emplace_back();
    if (!keyword("step") || !integer(std::numeric_limits<int>::max(), "step", message.step) || !symbol(":") ||
        !endpoint("rank", message.from) || !symbol("->") || !endpoint("rank", message.to) || !path(message.path)) {
      return false;
    }
    skip_blanks();
    if (peek() != '[') {
      if (!keyword("sized")) {
        return false;
      }
      message.self_describing = true;
    }
    return symbol("[") && block_list(message.blocks) && end_of_line();
  }

  bool block_list(std::vector<Block>& blocks) {
    for (skip_blanks(); peek() != ']'; skip_blanks()) {
      if (!product(blocks)) {
        return false;
      }
      if (peek() != ' ' && peek() != '\t' && peek() != ']') {
        return fail_expected("a blank or ']'");
      }
    }
    ++at_;
    return true;
  }

  bool product(std::vector<Block>& blocks) {
    const size_t begin = at_;
    if (!rank_set(outer_)) {
      return false;
    }
    const char order = peek();
    if (order != '>' && order != '<') {
      return fail_expected("'>' or '<'");
    }
    ++at_;
    if (!rank_set(inner_)) {
      return false;
    }
    if (outer_.size() * inner_.size() > kMaxTextBlocks - num_blocks_) {
      return fail_at(begin, "more than " + std::to_string(kMaxTextBlocks) + " blocks in all messages");
    }
    num_blocks_ += outer_.size() * inner_.size();
    for (const int a : outer_) {
      for (const int b : inner_) {
        blocks.push_back(order == '>' ? Block{a, b} : Block{b, a});
      }
    }
    return true;
  }

  bool rank_set(std::vector<int>& ranks) {
    ranks.clear();
    while (rank_range(ranks)) {
      if (peek() != ',') {
        return true;
      }
      ++at_;
    }
    return false;
  }

  bool rank_range(std::vector<int>& ranks) {
    const size_t begin = at_;
    size_t first = 0;
    if (!rank("rank", first)) {
      return false;
    }
    size_t last = first;
    size_t stride = 1;
    if (text_.substr(at_, 2) == "..") {
      at_ += 2;
      if (!rank("rank", last)) {
        return false;
      }
      if (peek() == '/') {
        ++at_;
        if (!digits(kMaxTextRanks, "stride", stride)) {
          return false;
        }
      }
      if (stride == 0 || last <= first || (last - first) % stride != 0) {
        return fail_at(begin, "a range a..b/s needs a < b and s that divides b - a");
      }
    }
    if ((last - first) / stride + 1 > kMaxTextSet - ranks.size()) {
      return fail_at(begin, "more than " + std::to_string(kMaxTextSet) + " ranks in one set");
    }
    for (size_t value = first; value <= last; value += stride) {
      ranks.push_back(static_cast<int>(value));
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  int line_ = 1;
  Schedule schedule_;
  size_t num_messages_ = 0;
  size_t num_blocks_ = 0;
  std::vector<int> outer_;  // of the product being read
  std::vector<int> inner_;
  std::optional<ParseError> error_;
};

}  // namespace

Result<Schedule> parse(std::string_view text) { return Parser(text).run(); }

}  // namespace banyan::schedule
