// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace banyan::json {
namespace {

// What a value costs, growth of the vectors that hold it included.
constexpr size_t kElementBytes = sizeof(Value) * 3 / 2;
constexpr size_t kMemberBytes = sizeof(Value::object_t::value_type) * 3 / 2;
constexpr size_t kAllocationBytes = 48;
constexpr size_t kShortStringBytes = 15;  // longer ones are allocated

ParseError at_byte(std::string_view text, size_t byte, std::string message) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line_start = before.rfind('\n');
  ParseError error;
  error.message = std::move(message);
  error.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  error.column =
      static_cast<int>(line_start == std::string_view::npos ? before.size() + 1 : before.size() - line_start);
  return error;
}

/// Reads the text and tells how far the parser has come, which nlohmann's callback does not.
struct TrackingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** furthest = nullptr;

  reference operator*() const { return *at; }
  TrackingIterator& operator++() {
    *furthest = ++at;
    return *this;
  }
  bool operator==(const TrackingIterator& other) const { return at == other.at; }
  bool operator!=(const TrackingIterator& other) const { return at != other.at; }
};

/// nlohmann's text without its "[json.exception...] parse error at line 1, column 2: ", which we say ourselves.
std::string reason_of(const nlohmann::json::exception& error) {
  std::string text = error.what();
  for (const std::string_view prefix : {"] ", "parse error", ": "}) {
    const size_t at = text.find(prefix);
    if (at == std::string::npos) {
      break;
    }
    text.erase(0, prefix == "parse error" ? at : at + prefix.size());
  }
  return text;
}

/// Makes the value from nlohmann's events; ends the parse at the first thing that is over a limit. nlohmann's own
/// builder takes quadratic time when it is watched by a callback, and looks through an object for every member.
class Builder {
 public:
  Builder(std::string_view text, const char* const* furthest) : text_(text), furthest_(furthest) {}

  [[nodiscard]] Value& root() noexcept { return root_; }
  [[nodiscard]] const ParseError& error() const noexcept { return error_; }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Value::number_integer_t value) { return add(value); }
  bool number_unsigned(Value::number_unsigned_t value) { return add(value); }
  bool number_float(Value::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return charge(kAllocationBytes + heap_bytes(value)) && add(std::move(value)); }
  bool binary(Value::binary_t&) { return fail(consumed(), "holds binary data"); }
  bool start_object(size_t) { return open(Value::object()); }
  bool start_array(size_t) { return open(Value::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Open& object = open_.back();
    if (object.names.size() == kMaxMembers) {
      return fail(key_start(), "object has more than " + std::to_string(kMaxMembers) + " members");
    }
    if (!charge(kMemberBytes + heap_bytes(name))) {
      return false;
    }
    if (!object.names.insert(name).second) {
      return fail(key_start(), "member \"" + name + "\" appears twice in one object");
    }
    // Straight into the vector below: the map would look for the name among all members.
    using Members = std::vector<Value::object_t::value_type>;
    Members& members = object.value->get_ref<Value::object_t&>();
    members.emplace_back(std::move(name), Value());
    object.member = &members.back().second;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error) {
    // A number that no double holds is known only when the byte after it has been read.
    const size_t end = dynamic_cast<const nlohmann::json::parse_error*>(&error) != nullptr ? position : consumed();
    return fail(end == 0 ? 0 : end - 1, reason_of(error));
  }

 private:
  /// An object or array that is not closed yet.
  struct Open {
    Value* value = nullptr;
    Value* member = nullptr;  ///< objects: where the next value goes
    std::set<std::string> names;
  };

  static size_t heap_bytes(const std::string& text) {
    return text.size() > kShortStringBytes ? text.size() + kAllocationBytes : 0;
  }

  [[nodiscard]] size_t consumed() const noexcept { return static_cast<size_t>(*furthest_ - text_.data()); }

  /// Where the member name that was just read begins.
  [[nodiscard]] size_t key_start() const {
    size_t quote = text_.rfind('"', consumed() - 2);
    while (quote != std::string_view::npos && quote > 0 && text_[quote - 1] == '\\') {
      quote = text_.rfind('"', quote - 1);
    }
    return quote;
  }

  bool fail(size_t byte, std::string message) {
    error_ = at_byte(text_, byte, std::move(message));
    return false;
  }

  bool charge(size_t bytes) {
    bytes_ += bytes;
    return bytes_ <= kMaxValueBytes ||
           fail(consumed() == 0 ? 0 : consumed() - 1,
                "would take more than " + std::to_string(kMaxValueBytes >> 20) + " MiB of memory up to here");
  }

  /// Puts a value where the text has it. Pointers to open containers stay valid: only the innermost one grows.
  Value* place(Value&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Open& parent = open_.back();
    if (parent.value->is_array()) {
      auto& elements = parent.value->get_ref<Value::array_t&>();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    *parent.member = std::move(value);
    return parent.member;
  }

  bool add(Value value) {
    place(std::move(value));
    return charge(kElementBytes);
  }

  bool open(Value value) {
    if (open_.size() == kMaxDepth) {
      return fail(consumed() == 0 ? 0 : consumed() - 1, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    Value* placed = place(std::move(value));
    open_.push_back({.value = placed, .member = nullptr, .names = {}});
    return charge(kElementBytes + kAllocationBytes);
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const char* const* furthest_;
  Value root_;
  std::vector<Open> open_;
  size_t bytes_ = 0;
  ParseError error_;
};

}  // namespace

Result<Value> parse(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return ParseError{"is longer than " + std::to_string(kMaxTextBytes >> 20) + " MiB"};
  }
  const char* furthest = text.data();
  Builder builder(text, &furthest);
  const bool parsed = Value::sax_parse(TrackingIterator{text.data(), &furthest},
                                       TrackingIterator{text.data() + text.size(), &furthest}, &builder);
  if (!parsed) {
    return builder.error();
  }
  return std::move(builder.root());
}

}  // namespace banyan::json
