// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "schedule/schedule.hpp"

namespace banyan::schedule {

/// What parse accepts at most; a schedule beyond them prints but does not parse back.
inline constexpr int kMaxTextRanks = 1 << 16;
inline constexpr size_t kMaxTextMessages = size_t{1} << 25;
inline constexpr size_t kMaxTextBlocks = size_t{1} << 26;  ///< in all messages together, after ranges are expanded
inline constexpr size_t kMaxTextSet = size_t{1} << 16;     ///< ranks in one set of a message's block list
inline constexpr size_t kMaxTextAlgorithm = 4096;          ///< bytes

/// The text form of docs/schedule-ir.md; parse(print(s)) == s for every schedule whose ranks are in range and whose
/// numbers are not negative. Any thread.
[[nodiscard]] std::string print(const Schedule& schedule);
/// The message's line in that form, without the line's end.
[[nodiscard]] std::string print(const Message& message);
/// Reads untrusted text. Time and memory are bounded by the text's length and the limits above. It checks the form and
/// that ranks are in range; whether the schedule is an all-to-all is verify's question. Any thread.
[[nodiscard]] Result<Schedule> parse(std::string_view text);

}  // namespace banyan::schedule
