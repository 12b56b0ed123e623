// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/exchange/row_plan.hpp"

namespace banyan::moe {

/// How rows lie in the buffers that experts read and write.
enum class LayoutKind : uint8_t {
  kExpertMajor,  ///< a row for each pick, by local expert, then source, then token
  kFlat,         ///< a row for each arrival, by source, then token
  kRankMajor     ///< as kFlat, but rows of source i begin at i * max_tokens
};

struct LayoutRules {
  LayoutKind kind = LayoutKind::kExpertMajor;
  size_t alignment = 1;  ///< kExpertMajor: each expert's rows begin at, and are filled up to, a multiple
  size_t capacity = 0;   ///< kExpertMajor, not 0: [local experts, ranks, capacity] slots, whatever came
  bool shared = false;   ///< slots are [local experts, capacity], filled by source, then token
  size_t max_tokens = 0;
  size_t num_ranks = 0;
  size_t num_local_experts = 0;
};

/// Where each row is.
struct Layout {
  size_t rows = 0;                    ///< of the buffer, unused ones included
  std::vector<uint32_t> place;        ///< kExpertMajor: by pick, else by arrival
  std::vector<uint32_t> unused;       ///< rows of the buffer that nothing comes to
  std::vector<size_t> expert_counts;  ///< by local expert: picks; of any kind of layout
  std::vector<size_t> expert_begin;   ///< [local experts + 1], kExpertMajor: first row of each
};

/// Error{LIMIT}: more than 2^32 rows.
[[nodiscard]] Layout make_layout(const LayoutRules& rules, const Arrivals& arrivals);

/// Arrays to fill, each of which may be null: by row of the layout, [rows, top_k], [rows, top_k] and [rows].
struct RowDescription {
  int64_t* local_experts = nullptr;  ///< -1 behind a row's last
  float* weights = nullptr;          ///< 0 there
  int* sources = nullptr;            ///< -1: unused
};
/// Of layouts whose rows are arrivals.
void describe_rows(const Layout& layout, const Arrivals& arrivals, size_t top_k, const RowDescription& out);

}  // namespace banyan::moe
