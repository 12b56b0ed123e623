// SPDX-License-Identifier: Apache-2.0
#include "planner/quantity_text.hpp"

#include <fmt/format.h>

#include <array>

#include "base/xml_text.hpp"

namespace banyan::planner {

std::string seconds_text(double seconds) {
  if (seconds < 1e-3) {
    return fmt::format("{:.1f} us", seconds * 1e6);
  }
  return seconds < 1 ? fmt::format("{:.2f} ms", seconds * 1e3) : fmt::format("{:.3f} s", seconds);
}

std::string bytes_text(uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10 * 1024) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) {
    value /= 1024;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string count_text(uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string xml_text(const std::string& text) { return banyan::xml_text(text, /*keeps_lines=*/true); }

std::string xml_label(const std::string& text, size_t most) {
  if (text.size() <= most) {
    return xml_text(text);
  }
  size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return xml_text(text.substr(0, end)) + "…";
}

}  // namespace banyan::planner
