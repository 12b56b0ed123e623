// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace banyan {

enum class LogLevel : int { kOff = 0, kError = 1, kWarn = 2, kInfo = 3, kDebug = 4, kTrace = 5 };

/// Whether messages of `level` go anywhere: BANYAN_LOG=error|warn|info|debug|trace, default warn. Any thread.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

/// Writes one line to stderr: "banyan <level> <area>: <text>". Never throws. Any thread.
void log_write(LogLevel level, std::string_view area, std::string_view text) noexcept;

}  // namespace banyan

/// BANYAN_LOG(kWarn, "transport", "peer {} size {}", peer, size): formats only if the level is on.
#define BANYAN_LOG(level, area, ...)                                                    \
  do {                                                                                  \
    if (::banyan::log_enabled(::banyan::LogLevel::level)) {                             \
      ::banyan::log_write(::banyan::LogLevel::level, area, ::fmt::format(__VA_ARGS__)); \
    }                                                                                   \
  } while (false)
