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

constexpr int kMaxDepth = 64;
constexpr size_t kMaxMembers = 4096;

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

/// Finds the byte where nesting first passes kMaxDepth, ignoring brackets in strings; text.size() if nowhere.
size_t too_deep_at(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        return i;
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return text.size();
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

/// Thrown out of nlohmann's callback to end the parse.
struct Stop {
  size_t byte = 0;
  std::string message;
};

/// The members seen so far of the objects that are open.
class MemberWatch {
 public:
  void open() { names_.emplace_back(); }
  void close() { names_.pop_back(); }
  /// `end` is the byte after the member name's closing quote.
  void add(std::string_view text, size_t end, const std::string& name) {
    if (names_.back().size() == kMaxMembers) {
      throw Stop{start_of(text, end), "object has more than " + std::to_string(kMaxMembers) + " members"};
    }
    if (!names_.back().insert(name).second) {
      throw Stop{start_of(text, end), "member \"" + name + "\" appears twice in one object"};
    }
  }

 private:
  static size_t start_of(std::string_view text, size_t end) {
    size_t quote = text.rfind('"', end - 2);
    while (quote != std::string_view::npos && quote > 0 && text[quote - 1] == '\\') {
      quote = text.rfind('"', quote - 1);
    }
    return quote;
  }

  std::vector<std::set<std::string>> names_;
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

}  // namespace

Result<Value> parse(std::string_view text) {
  if (const size_t deep = too_deep_at(text); deep < text.size()) {
    return at_byte(text, deep, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
  }
  MemberWatch members;
  const char* furthest = text.data();
  const auto consumed = [&] { return static_cast<size_t>(furthest - text.data()); };
  const auto watch = [&](int, Value::parse_event_t event, Value& parsed) {
    if (event == Value::parse_event_t::object_start) {
      members.open();
    } else if (event == Value::parse_event_t::object_end) {
      members.close();
    } else if (event == Value::parse_event_t::key) {
      members.add(text, consumed(), parsed.get_ref<const std::string&>());
    }
    return true;
  };
  try {
    return Value::parse(TrackingIterator{text.data(), &furthest},
                        TrackingIterator{text.data() + text.size(), &furthest}, watch);
  } catch (const Stop& stop) {
    return at_byte(text, stop.byte, stop.message);
  } catch (const nlohmann::json::parse_error& error) {
    return at_byte(text, error.byte == 0 ? 0 : error.byte - 1, reason_of(error));
  } catch (const nlohmann::json::exception& error) {  // a number that no double holds
    return at_byte(text, consumed() == 0 ? 0 : consumed() - 1, reason_of(error));
  }
}

}  // namespace banyan::json
