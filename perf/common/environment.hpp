// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace banyan::perf {

using Json = nlohmann::ordered_json;

/// Where and how a figure was taken: command line, host, kernel, cores, date (UTC), BANYAN_* variables (no secrets).
[[nodiscard]] Json describe_environment(int argc, const char* const* argv);

/// The library's version and build, to be added where Banyan ran.
[[nodiscard]] Json describe_library();

/// The whole file; UsageError with the cause when it cannot be read or passes 64 MiB.
[[nodiscard]] std::string read_file(const std::string& path);

/// Writes beside the target and renames, so that a reader never sees half a file. Failure names the cause.
void write_file(const std::string& path, const std::string& text);

}  // namespace banyan::perf
