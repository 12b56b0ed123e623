// SPDX-License-Identifier: Apache-2.0
#include "common/size_text.hpp"

#include <array>
#include <charconv>
#include <istream>
#include <limits>
#include <ostream>

namespace banyan::perf {
namespace {

std::optional<unsigned> shift_of(std::string_view suffix) {
  if (suffix.empty()) {
    return 0U;
  }
  if (suffix.size() != 1) {
    return std::nullopt;
  }
  switch (suffix.front()) {
    case 'k':
    case 'K':
      return 10U;
    case 'm':
    case 'M':
      return 20U;
    case 'g':
    case 'G':
      return 30U;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<size_t> parse_size(std::string_view text) {
  size_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{}) {
    return std::nullopt;
  }
  const auto shift = shift_of(std::string_view(rest, static_cast<size_t>(end - rest)));
  if (!shift || value > (std::numeric_limits<size_t>::max() >> *shift)) {
    return std::nullopt;
  }
  return value << *shift;
}

std::string format_size(size_t bytes) {
  struct Unit {
    unsigned shift;
    char suffix;
  };
  constexpr std::array kUnits = {Unit{30, 'G'}, Unit{20, 'M'}, Unit{10, 'k'}};
  for (const auto& unit : kUnits) {
    if (bytes != 0 && (bytes & ((size_t{1} << unit.shift) - 1)) == 0) {
      return std::to_string(bytes >> unit.shift) + unit.suffix;
    }
  }
  return std::to_string(bytes);
}

std::optional<double> parse_rate_bytes_per_s(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes_per_s;
  };
  constexpr std::array kRates = {Unit{"kbit", 125}, Unit{"mbit", 125e3}, Unit{"gbit", 125e6},
                                 Unit{"kbps", 1e3}, Unit{"mbps", 1e6},   Unit{"gbps", 1e9}};
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || !(value > 0) || value > 1e9) {
    return std::nullopt;
  }
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  for (const auto& known : kRates) {
    if (unit == known.name) {
      return value * known.bytes_per_s;
    }
  }
  return std::nullopt;
}

std::istream& operator>>(std::istream& in, SizeArgument& size) {
  std::string text;
  in >> text;
  if (const auto bytes = parse_size(text)) {
    size.bytes = *bytes;
  } else {
    in.setstate(std::ios::failbit);
  }
  return in;
}

std::ostream& operator<<(std::ostream& out, const SizeArgument& size) { return out << format_size(size.bytes); }

}  // namespace banyan::perf
