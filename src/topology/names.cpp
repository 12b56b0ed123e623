// SPDX-License-Identifier: Apache-2.0
#include "topology/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace banyan::topology {
namespace {

constexpr std::array kVertexKinds = {"host", "package", "numa", "gpu", "nvswitch", "nic", "switch", "rank"};
constexpr std::array kLinkKinds = {"memory", "pci", "nvlink", "network"};

template <typename Kind, size_t kCount>
std::optional<Kind> find_kind(const std::array<const char*, kCount>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return std::nullopt;
  }
  return static_cast<Kind>(found - names.begin());
}

/// Length of the UTF-8 sequence at the start of `text`, 0 if it is not a valid one.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool beyond = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
  return overlong || beyond ? 0 : length;
}

std::string scaled(double value, const char* unit) {
  if (!(value > 0)) {
    return "unknown";
  }
  constexpr std::array kPrefixes = {"", "k", "M", "G", "T"};
  size_t prefix = 0;
  while (value >= 999.95 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  return fmt::format("{:.4g} {}{}", std::round(value * 10) / 10, kPrefixes[prefix], unit);
}

}  // namespace

const char* kind_name(VertexKind kind) noexcept { return kVertexKinds[static_cast<size_t>(kind)]; }
const char* kind_name(LinkKind kind) noexcept { return kLinkKinds[static_cast<size_t>(kind)]; }

std::optional<VertexKind> vertex_kind(std::string_view name) noexcept {
  return find_kind<VertexKind>(kVertexKinds, name);
}

std::optional<LinkKind> link_kind(std::string_view name) noexcept { return find_kind<LinkKind>(kLinkKinds, name); }

bool is_plain_text(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    const size_t length = sequence_length(text);
    const bool c1_control = length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (length == 0 || first < 0x20 || first == 0x7f || c1_control) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

std::string to_plain_text(std::string_view text, size_t max_bytes) {
  std::string result(text.substr(0, max_bytes));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return result;
}

std::string bit_rate_text(double bytes_per_s) { return scaled(bytes_per_s * 8, "bit/s"); }
std::string byte_rate_text(double bytes_per_s) { return scaled(bytes_per_s, "B/s"); }

std::string ranges_text(const std::vector<int>& ascending) {
  std::string text;
  for (size_t i = 0; i < ascending.size();) {
    size_t last = i;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) {
      ++last;
    }
    text += text.empty() ? "" : ",";
    text += std::to_string(ascending[i]);
    if (last > i) {
      text += "-" + std::to_string(ascending[last]);
    }
    i = last + 1;
  }
  return text;
}

}  // namespace banyan::topology
