// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace banyan::file {

/// Files that people hand to the library are at most this long.
inline constexpr size_t kMaxInputBytes = size_t{64} << 20;

/// The whole file. Error: NOT_FOUND, IO (errno), LIMIT when longer than `max_bytes`; FIFOs and devices are refused.
[[nodiscard]] std::string read(const std::string& path, size_t max_bytes = kMaxInputBytes);

/// Replaces the file at once (temporary file in the same folder, fsync, rename). Error: IO.
void write_atomically(const std::string& path, const std::string& content);

}  // namespace banyan::file
