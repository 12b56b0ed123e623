// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

/// Figures and names as explanations and pictures show them. Any thread.
namespace banyan::planner {

/// "1.5 us", "2.00 ms", "1.250 s".
[[nodiscard]] std::string seconds_text(double seconds);
/// "512 B", "10.5 KiB", "12.0 MiB", "3.0 TiB".
[[nodiscard]] std::string bytes_text(uint64_t bytes);
/// "1 message", "2 messages".
[[nodiscard]] std::string count_text(uint64_t count, const char* noun);
/// For XML and HTML, attributes included: names come from other machines. Control characters become "?".
[[nodiscard]] std::string xml_text(const std::string& text);
/// The same, cut to `most` bytes at a character's border.
[[nodiscard]] std::string xml_label(const std::string& text, size_t most);

}  // namespace banyan::planner
