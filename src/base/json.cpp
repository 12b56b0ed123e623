// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace banyan::json {
namespace {

constexpr int kMaxDepth = 64;

ParseError at_byte(std::string_view text, size_t byte, std::string message) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line_start = before.rfind('\n');
  ParseError error;
  error.message = std::move(message);
  error.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  error.column = static_cast<int>(line_start == std::string_view::npos ? before.size() + 1 : before.size() - line_start);
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

}  // namespace

Result<Value> parse(std::string_view text) {
  if (const size_t deep = too_deep_at(text); deep < text.size()) {
    return at_byte(text, deep, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
  }
  std::vector<std::set<std::string>> members;
  std::string duplicate;
  const auto watch = [&](int, Value::parse_event_t event, Value& parsed) {
    if (event == Value::parse_event_t::object_start) {
      members.emplace_back();
    } else if (event == Value::parse_event_t::object_end) {
      members.pop_back();
    } else if (event == Value::parse_event_t::key && duplicate.empty()) {
      if (!members.back().insert(parsed.get<std::string>()).second) {
        duplicate = parsed.get<std::string>();
      }
    }
    return true;
  };
  try {
    Value value = Value::parse(text.begin(), text.end(), watch);
    if (!duplicate.empty()) {
      const size_t byte = text.rfind("\"" + duplicate + "\"");
      return at_byte(text, byte, "member \"" + duplicate + "\" appears twice in one object");
    }
    return value;
  } catch (const nlohmann::json::parse_error& error) {
    return at_byte(text, error.byte == 0 ? 0 : error.byte - 1, error.what());
  }
}

}  // namespace banyan::json
