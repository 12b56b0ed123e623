// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Small parsers of untrusted text: the whole text must match, absence means it did not. Any thread.
namespace banyan::parse {

[[nodiscard]] std::optional<long> integer(std::string_view text);
[[nodiscard]] std::optional<double> real(std::string_view text);  ///< finite only
/// "4096", "64k", "1M", "2GiB" (powers of 1024), "max" (SIZE_MAX).
[[nodiscard]] std::optional<size_t> bytes(std::string_view text);
/// "10gbit", "400gbit/s", "2.5GB/s", "100mbit": a rate in bytes/s. Decimal prefixes, as networks use them.
[[nodiscard]] std::optional<double> rate_bytes_per_s(std::string_view text);
/// Pieces between separators; empty pieces are kept.
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
/// Without leading and trailing blanks.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace banyan::parse
