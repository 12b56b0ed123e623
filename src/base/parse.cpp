// SPDX-License-Identifier: Apache-2.0
#include "base/parse.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/checked.hpp"

namespace banyan::parse {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return result;
}

}  // namespace

std::optional<long> integer(std::string_view text) {
  long value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> real(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<size_t> bytes(std::string_view text) {
  if (text == "max") {
    return std::numeric_limits<size_t>::max();
  }
  size_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc()) {
    return std::nullopt;
  }
  const std::string suffix = lower(text.substr(static_cast<size_t>(end - text.data())));
  size_t factor = 1;
  if (suffix == "k" || suffix == "kb" || suffix == "kib") {
    factor = size_t{1} << 10;
  } else if (suffix == "m" || suffix == "mb" || suffix == "mib") {
    factor = size_t{1} << 20;
  } else if (suffix == "g" || suffix == "gb" || suffix == "gib") {
    factor = size_t{1} << 30;
  } else if (!suffix.empty() && suffix != "b") {
    return std::nullopt;
  }
  return checked::multiply(value, factor);
}

std::optional<double> rate_bytes_per_s(std::string_view text) {
  const auto split_at = text.find_first_not_of("0123456789.");
  const auto number = real(text.substr(0, split_at));
  if (!number || split_at == std::string_view::npos || !(*number > 0)) {
    return std::nullopt;
  }
  std::string_view unit = text.substr(split_at);
  if (unit.ends_with("/s")) {
    unit.remove_suffix(2);
  }
  const bool is_bytes = unit.ends_with("B");
  std::string name = lower(unit);
  if (is_bytes) {
    name.pop_back();
  } else if (name.ends_with("bit")) {
    name.resize(name.size() - 3);
  } else if (name.ends_with("bps")) {
    name.resize(name.size() - 3);
  } else {
    return std::nullopt;
  }
  double factor = 0;
  if (name.empty()) {
    factor = 1;
  } else if (name == "k") {
    factor = 1e3;
  } else if (name == "m") {
    factor = 1e6;
  } else if (name == "g") {
    factor = 1e9;
  } else if (name == "t") {
    factor = 1e12;
  } else {
    return std::nullopt;
  }
  const double rate = *number * factor / (is_bytes ? 1.0 : 8.0);
  return std::isfinite(rate) ? std::optional(rate) : std::nullopt;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find(separator, begin);
    pieces.emplace_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos) {
      return pieces;
    }
    begin = end + 1;
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace banyan::parse
