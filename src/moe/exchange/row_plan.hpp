// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/exchange/ladder.hpp"
#include "moe/exchange/metadata.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// A row that comes back to its holder: where in what came, and what of the canonical sum ends with it (RowPlan).
struct ReturnedRow {
  uint32_t position = 0;
  uint8_t ends = 0;
};

/// One rung of the ladder: holders send rows that they hold to the holders of the next rung. Combine goes the other
/// way: rows come back in the places that they were sent from, and those of one row are summed.
struct Hop {
  std::vector<size_t> send_rows;     ///< by rank
  std::vector<size_t> recv_rows;     ///< by rank
  std::vector<uint32_t> send_list;   ///< rows held before, by rank they go to
  std::vector<uint32_t> back_begin;  ///< [rows held before + 1], into `back`
  std::vector<ReturnedRow> back;     ///< of each row, in canonical order
};

/// Rows as they arrive at the ranks that want them: of each part by rank that hands them over, then by source, then by
/// token.
struct Arrivals {
  std::vector<uint32_t> source;      ///< by row
  std::vector<uint32_t> number;      ///< by row: which of the source's rows for this rank it is
  std::vector<uint32_t> pick_begin;  ///< [rows + 1]
  std::vector<uint16_t> local_experts;
  std::vector<float> weights;

  [[nodiscard]] size_t rows() const noexcept { return source.size(); }
};

/// Tokens that follow each other, and what a rank does with their rows. The parts of a chunk are on their way one after
/// the other, so that one is between hosts while another is inside them.
struct Part {
  size_t first_token = 0;  ///< of the chunk's
  size_t num_tokens = 0;
  size_t first_arrival = 0;  ///< of the chunk's
  size_t num_arrivals = 0;
  std::vector<Hop> hops;            ///< by rung
  std::vector<float> sent_weights;  ///< Dedup::kNone: by place in the first hop's send_list, the pick's weight
};

/// What a rank does with rows of one chunk, for all steps that use the same routing.
///
/// Sums have one canonical order, whatever the ladder: picks of a rank by slot, ranks of a host, hosts of a rack,
/// racks, each by rank numbers. ReturnedRow::ends says how many of these groups end with a row: 0 none, 1 the rank's, 2
/// the host's too, 3 the rack's too. With it a sum can be rounded where a longer ladder would round it.
struct RowPlan {
  size_t first_token = 0;  ///< of the source's
  size_t num_tokens = 0;
  std::vector<Part> parts;
  Arrivals arrivals;  ///< of all parts, one's after the other's
};

/// Everything that a plan follows from.
struct PlanInput {
  const Ladder& ladder;
  const MetadataRules& rules;
  const Routing& routing;              ///< of this rank
  const std::vector<PairRows>& pairs;  ///< by source: what it told this rank
  int rank = 0;
};

/// `num_parts` divides MetadataRules::most_parts.
[[nodiscard]] RowPlan make_row_plan(const PlanInput& input, size_t chunk, size_t num_parts);

}  // namespace banyan::moe
