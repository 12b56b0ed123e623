// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/graph.hpp"

/// Words and texts of the topology formats. Any thread.
namespace banyan::topology {

/// "host", "package", "numa", "gpu", "nvswitch", "nic", "switch", "rank".
[[nodiscard]] const char* kind_name(VertexKind kind) noexcept;
[[nodiscard]] std::optional<VertexKind> vertex_kind(std::string_view name) noexcept;

/// "memory", "pci", "nvlink", "network".
[[nodiscard]] const char* kind_name(LinkKind kind) noexcept;
[[nodiscard]] std::optional<LinkKind> link_kind(std::string_view name) noexcept;

/// Whether the text is valid UTF-8 without control characters, so that it can go to a terminal and into JSON and SVG.
[[nodiscard]] bool is_plain_text(std::string_view text) noexcept;
/// The text cut to `max_bytes`, with '?' for every byte that is not printable ASCII.
[[nodiscard]] std::string to_plain_text(std::string_view text, size_t max_bytes = 256);

/// "10 Gbit/s", "2.5 Gbit/s", "800 Mbit/s"; "unknown" for 0.
[[nodiscard]] std::string bit_rate_text(double bytes_per_s);
/// "31.5 GB/s", "800 MB/s"; "unknown" for 0.
[[nodiscard]] std::string byte_rate_text(double bytes_per_s);
/// Ascending numbers as ranges: "0-3,8,10-11".
[[nodiscard]] std::string ranges_text(const std::vector<int>& ascending);

}  // namespace banyan::topology
