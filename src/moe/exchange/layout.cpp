// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/layout.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <type_traits>

#include "base/error.hpp"

namespace banyan::moe {
namespace {

/// Arrivals by source, then token; within a source they are in order already.
std::vector<uint32_t> by_source(const LayoutRules& rules, const Arrivals& arrivals) {
  std::vector<uint32_t> next(rules.num_ranks + 1);
  for (const uint32_t source : arrivals.source) {
    ++next[source + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<uint32_t> order(arrivals.rows());
  for (uint32_t row = 0; row < arrivals.rows(); ++row) {
    order[next[arrivals.source[row]]++] = row;
  }
  return order;
}

size_t rounded_up(size_t rows, size_t alignment) { return (rows + alignment - 1) / alignment * alignment; }

void check_rows(size_t rows) {
  if (rows > std::numeric_limits<uint32_t>::max()) {
    throw Error(BANYAN_ERR_LIMIT, "the layout has " + std::to_string(rows) + " rows, 2^32 at most are supported");
  }
}

void place_by_expert(const LayoutRules& rules, const Arrivals& arrivals, Layout& layout) {
  const size_t slots = (rules.shared ? 1 : rules.num_ranks) * rules.capacity;  // of an expert, where they are fixed
  layout.expert_begin.assign(rules.num_local_experts + 1, 0);
  for (size_t expert = 0; expert < rules.num_local_experts; ++expert) {
    const size_t rows = rules.capacity > 0 ? slots : layout.expert_counts[expert];
    layout.expert_begin[expert + 1] = layout.expert_begin[expert] + rounded_up(rows, rules.alignment);
  }
  layout.rows = layout.expert_begin.back();
  check_rows(layout.rows);
  std::vector<size_t> next(layout.expert_begin.begin(), layout.expert_begin.end() - 1);
  uint32_t last_source = 0;
  layout.place.resize(arrivals.local_experts.size());
  for (const uint32_t row : by_source(rules, arrivals)) {
    if (rules.capacity > 0 && !rules.shared && arrivals.source[row] != last_source) {
      last_source = arrivals.source[row];
      for (size_t expert = 0; expert < rules.num_local_experts; ++expert) {
        next[expert] = layout.expert_begin[expert] + last_source * rules.capacity;
      }
    }
    for (uint32_t pick = arrivals.pick_begin[row]; pick < arrivals.pick_begin[row + 1]; ++pick) {
      layout.place[pick] = static_cast<uint32_t>(next[arrivals.local_experts[pick]]++);
    }
  }
}

void place_by_source(const LayoutRules& rules, const Arrivals& arrivals, Layout& layout) {
  layout.rows = rules.kind == LayoutKind::kFlat ? arrivals.rows() : rules.num_ranks * rules.max_tokens;
  check_rows(layout.rows);
  layout.place.resize(arrivals.rows());
  uint32_t next = 0;
  for (const uint32_t row : by_source(rules, arrivals)) {
    layout.place[row] = rules.kind == LayoutKind::kFlat
                            ? next++
                            : static_cast<uint32_t>(arrivals.source[row] * rules.max_tokens) + arrivals.number[row];
  }
}

}  // namespace

Layout make_layout(const LayoutRules& rules, const Arrivals& arrivals) {
  Layout layout;
  layout.expert_counts.assign(rules.num_local_experts, 0);
  for (const uint16_t expert : arrivals.local_experts) {
    BANYAN_CHECK(expert < rules.num_local_experts, "local expert " + std::to_string(expert));
    ++layout.expert_counts[expert];
  }
  if (rules.kind == LayoutKind::kExpertMajor) {
    place_by_expert(rules, arrivals, layout);
  } else {
    place_by_source(rules, arrivals, layout);
  }
  std::vector<char> used(layout.rows);
  for (const uint32_t place : layout.place) {
    used[place] = 1;
  }
  for (uint32_t row = 0; row < layout.rows; ++row) {
    if (used[row] == 0) {
      layout.unused.push_back(row);
    }
  }
  return layout;
}

void describe_rows(const Layout& layout, const Arrivals& arrivals, size_t top_k, const RowDescription& out) {
  const auto clear = [](auto* values, size_t count, auto value) {
    if (values != nullptr) {
      std::fill(values, values + count, value);
    }
  };
  clear(out.local_experts, layout.rows * top_k, -1);
  clear(out.weights, layout.rows * top_k, 0.0F);
  clear(out.sources, layout.rows, -1);
  const auto put = [](auto* values, size_t at, auto value) {
    if (values != nullptr) {
      values[at] = static_cast<std::remove_reference_t<decltype(*values)>>(value);
    }
  };
  for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
    const size_t row = layout.place[arrival];
    const uint32_t first = arrivals.pick_begin[arrival];
    put(out.sources, row, arrivals.source[arrival]);
    for (uint32_t pick = first; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
      put(out.local_experts, row * top_k + pick - first, arrivals.local_experts[pick]);
      put(out.weights, row * top_k + pick - first, arrivals.weights[pick]);
    }
  }
}

}  // namespace banyan::moe
