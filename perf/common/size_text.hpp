// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace banyan::perf {

/// "4096", "64k", "1M", "2G" (powers of 1024, either case); nullopt for anything else or above SIZE_MAX.
[[nodiscard]] std::optional<size_t> parse_size(std::string_view text);

/// The shortest text that parse_size reads back: "64k", "8", "1536".
[[nodiscard]] std::string format_size(size_t bytes);

/// "1gbit", "2.5gbit", "250mbit", "125mbps" (bytes): bytes per second; nullopt for anything else or a rate of 0.
[[nodiscard]] std::optional<double> parse_rate_bytes_per_s(std::string_view text);

/// A size on a command line; Boost.Program_options reads it through operator>>.
struct SizeArgument {
  size_t bytes = 0;
};
std::istream& operator>>(std::istream& in, SizeArgument& size);
std::ostream& operator<<(std::ostream& out, const SizeArgument& size);

}  // namespace banyan::perf
