// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "moe/placement/placement.hpp"

namespace banyan::moe {

/// A copy of one expert's weights.
struct Move {
  int expert = 0;
  int from = 0;
  int to = 0;
  uint64_t bytes = 0;

  bool operator==(const Move&) const = default;
};

/// What crosses a directed link of the locality tree.
struct MoveLink {
  std::string name;  ///< of the subtree
  bool incoming = false;
  uint64_t bytes = 0;
  double capacity_bytes_per_s = 0;  ///< 0: no limit known

  [[nodiscard]] double time_s() const noexcept {
    return capacity_bytes_per_s > 0 ? static_cast<double>(bytes) / capacity_bytes_per_s : 0;
  }
  bool operator==(const MoveLink&) const = default;
};

/// See banyan_placement_moves. A value.
struct Moves {
  std::vector<Move> list;       ///< by expert, then by rank
  std::vector<MoveLink> links;  ///< that bytes cross; in order of the tree, outgoing first
  uint64_t bytes = 0;
  uint64_t remote_bytes = 0;
  int peak_slots = 0;

  [[nodiscard]] double time_s() const noexcept;
  [[nodiscard]] std::string to_text() const;
  /// "banyan-moves-1", docs/placement.md.
  [[nodiscard]] std::string to_json() const;

  bool operator==(const Moves&) const = default;
};

/// expert_bytes: [experts]. Errors as banyan_placement_moves.
[[nodiscard]] Moves moves_between(const Placement& from, const Placement& to, std::span<const size_t> expert_bytes);

}  // namespace banyan::moe
