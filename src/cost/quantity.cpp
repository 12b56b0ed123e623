// SPDX-License-Identifier: Apache-2.0
#include "cost/quantity.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace banyan::cost {
namespace {

struct Prefix {
  double factor;
  const char* text;
};

/// In the largest unit of which there is at least one; units ascend.
template <size_t N>
std::string scaled(double value, const std::array<Prefix, N>& units) {
  const Prefix* unit = &units[0];
  for (const Prefix& candidate : units) {
    // 0.9995 and more of a unit would be shown as 1000 of the one below.
    if (value >= candidate.factor * 0.9995) {
      unit = &candidate;
    }
  }
  return show_three_digits(value / unit->factor) + " " + unit->text;
}

}  // namespace

std::string show_three_digits(double value) {
  if (value >= 99.95) {
    return fmt::format("{:.0f}", value);
  }
  return value >= 9.995 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

std::string show_rate(double bytes_per_s) {
  constexpr std::array kUnits = {Prefix{1, "B/s"}, Prefix{1e3, "kB/s"}, Prefix{1e6, "MB/s"}, Prefix{1e9, "GB/s"},
                                 Prefix{1e12, "TB/s"}};
  return bytes_per_s > 0 ? scaled(bytes_per_s, kUnits) : "0 B/s";
}

std::string show_time(double seconds) {
  constexpr std::array kUnits = {Prefix{1e-9, "ns"}, Prefix{1e-6, "us"}, Prefix{1e-3, "ms"}, Prefix{1, "s"}};
  return seconds > 0 ? scaled(seconds, kUnits) : "0 s";
}

}  // namespace banyan::cost
