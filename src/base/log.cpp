// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <array>
#include <cstdio>

#include "base/env.hpp"

namespace banyan {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"off", "error", "warn", "info", "debug", "trace"};

LogLevel level_from_environment() noexcept {
  const auto text = env::get("BANYAN_LOG");
  if (text) {
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (*text == kNames[i]) {
        return static_cast<LogLevel>(i);
      }
    }
    std::fprintf(stderr, "banyan warn log: BANYAN_LOG=%.80s is no level: off, error, warn, info, debug, trace\n",
                 text->c_str());
  }
  return LogLevel::kWarn;
}

}  // namespace

bool log_enabled(LogLevel level) noexcept {
  static const LogLevel limit = level_from_environment();
  return static_cast<int>(level) <= static_cast<int>(limit);
}

void log_write(LogLevel level, std::string_view area, std::string_view text) noexcept {
  const std::string_view name = kNames[static_cast<size_t>(level)];
  std::fprintf(stderr, "banyan %.*s %.*s: %.*s\n", static_cast<int>(name.size()), name.data(),
               static_cast<int>(area.size()), area.data(), static_cast<int>(text.size()), text.data());
}

}  // namespace banyan
