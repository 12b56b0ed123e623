// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan::cost {

/// Three digits and a decimal prefix: "11.9 MB/s", "0 B/s".
[[nodiscard]] std::string show_rate(double bytes_per_s);
/// "41.0 us", "1.10 ms", "250 ns".
[[nodiscard]] std::string show_time(double seconds);
/// "1.19", "11.9", "119".
[[nodiscard]] std::string show_three_digits(double value);

}  // namespace banyan::cost
