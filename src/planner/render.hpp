// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "planner/gantt.hpp"
#include "planner/plan.hpp"

/// Pictures of plans, as self-contained SVG. Any thread.
namespace banyan::planner {

/// The tree with the load of each link: bytes, time and share of the busiest, which its colour and width show too. Of
/// very many hosts the first ones are drawn and the rest counted. `plan` must be of `tree`.
[[nodiscard]] std::string render_loads_svg(const topology::LocalityTree& tree, const Plan& plan);

/// The candidates' predicted times as bars, made of their terms, with the bound.
[[nodiscard]] std::string render_candidates_svg(const Plan& plan);

/// A row for each rank, of what it sends, and one for each link, coloured by step. Of very many rows the first ranks
/// and the links with most bytes are drawn, and of very many messages the longest; the picture says so.
[[nodiscard]] std::string render_gantt_svg(const Gantt& gantt);

}  // namespace banyan::planner
