// SPDX-License-Identifier: Apache-2.0
// Candidates side by side.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "planner/quantity_text.hpp"
#include "planner/render.hpp"
#include "planner/svg.hpp"

namespace banyan::planner {
namespace {

constexpr double kMargin = 16;
constexpr double kLeft = 190;
constexpr double kTop = 66;
constexpr double kRoom = 560;
constexpr double kRowHeight = 28;
constexpr double kBarHeight = 18;
constexpr double kLabelRoom = 130;

struct Part {
  const char* name;
  double seconds;
  const char* fill;
};

/// Parts of total_s(): what overlaps is shown once, at the larger term.
std::array<Part, 3> parts(const Prediction& p) {
  const double at_ranks = p.latency_s + p.overhead_s;
  const bool wire_larger = p.wire_s > at_ranks;
  const double hidden = Prediction::kNotOverlapped;
  return {{{"latency and messages", at_ranks * (wire_larger ? hidden : 1.0), "#e69f00"},
           {"wire", p.wire_s * (wire_larger ? 1.0 : hidden), "#0072b2"},
           {"copies", p.copy_s, "#009e73"}}};
}

}  // namespace

std::string render_candidates_svg(const Plan& plan) {
  Svg svg;
  double longest = plan.lower_bound_s;
  for (const Candidate& candidate : plan.choice.candidates) {
    longest = std::max(longest, candidate.prediction.total_s());
  }
  const double scale = longest > 0 ? kRoom / longest : 0;
  svg.text(kMargin, 24, "Candidates by predicted time", "title");
  double legend_x = kMargin;
  for (const Part& part : parts({})) {
    svg.rect(legend_x, 36, 12, 10, part.fill);
    svg.text(legend_x + 17, 45, part.name, "note");
    legend_x += 150;
  }
  svg.text(legend_x, 45, fmt::format("line: bound, {}", seconds_text(plan.lower_bound_s)), "note");
  double y = kTop;
  for (const Candidate& candidate : plan.choice.candidates) {
    const bool chosen = candidate.algorithm == plan.choice.chosen.algorithm;
    svg.text(kLeft - 8, y + 14, algorithm_name(candidate.algorithm) + (chosen ? " (chosen)" : ""), "name", "end");
    double x = kLeft;
    for (const Part& part : parts(candidate.prediction)) {
      svg.rect(x, y, part.seconds * scale, kBarHeight, part.fill,
               fmt::format("{}: {}", part.name, seconds_text(part.seconds)));
      x += part.seconds * scale;
    }
    svg.text(x + 6, y + 14, seconds_text(candidate.prediction.total_s()), "note");
    y += kRowHeight;
  }
  const double bound_x = kLeft + plan.lower_bound_s * scale;
  svg.line(bound_x, kTop - 6, bound_x, y, "#c00", 1.5);
  return svg.finish(kLeft + kRoom + kLabelRoom, y + kMargin, "Candidates by predicted time");
}

}  // namespace banyan::planner
