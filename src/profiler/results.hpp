// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace banyan::profiler {

/// Numbers of finished probes by the probe's name.
using Results = std::map<std::string, std::vector<double>>;

/// The resume file's content, `"format": "banyan-profile-resume-1"`; docs/profile-format.md. `key` says what was
/// measured (resume_key); the numbers are above 0.
[[nodiscard]] std::string results_to_json(const std::string& key, const Results& results);
/// Empty if the text is of another key. Everything is checked.
[[nodiscard]] Result<Results> results_from_json(std::string_view text, const std::string& key);

/// FNV-1a, 64 bits, as 16 hex digits.
[[nodiscard]] std::string hash_of(std::string_view text);

}  // namespace banyan::profiler
