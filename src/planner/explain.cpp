// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "planner/plan.hpp"

namespace banyan::planner {
namespace {

std::string seconds(double value) {
  if (value < 1e-3) {
    return fmt::format("{:.1f} us", value * 1e6);
  }
  return value < 1 ? fmt::format("{:.2f} ms", value * 1e3) : fmt::format("{:.3f} s", value);
}

std::string bytes(uint64_t value) {
  if (value < 10 * 1024) {
    return fmt::format("{} B", value);
  }
  return value < (uint64_t{10} << 20) ? fmt::format("{:.1f} KiB", static_cast<double>(value) / 1024)
                                      : fmt::format("{:.1f} MiB", static_cast<double>(value) / (1024.0 * 1024.0));
}

std::string terms(const Prediction& p) {
  const std::array<std::pair<double, const char*>, 3> at_ranks = {
      {{p.latency_s, "latency"}, {p.overhead_s, "message"}, {p.copy_s, "copy"}}};
  const bool wire_bound = p.wire_s >= std::max(p.latency_s + p.overhead_s, p.copy_s);
  return fmt::format("latency {}, messages {}, wire {} at {}, copies {}: {} bound", seconds(p.latency_s),
                     seconds(p.overhead_s), seconds(p.wire_s), p.busiest.empty() ? "no link" : p.busiest,
                     seconds(p.copy_s),
                     wire_bound ? "wire" : std::max_element(at_ranks.begin(), at_ranks.end())->second);
}

json::Value to_json(const Candidate& candidate) {
  const Prediction& p = candidate.prediction;
  return {{"algorithm", algorithm_name(candidate.algorithm)},
          {"predicted_time_s", p.total_s()},
          {"latency_s", p.latency_s},
          {"overhead_s", p.overhead_s},
          {"wire_s", p.wire_s},
          {"copy_s", p.copy_s},
          {"busiest_link", p.busiest}};
}

}  // namespace

std::string explain_text(const Plan& plan) {
  const Choice& choice = plan.choice;
  std::string out = fmt::format("{} over {} ranks on {} hosts", plan.uniform ? "all-to-all" : "all-to-all-v",
                                plan.num_ranks, plan.num_hosts);
  out += plan.uniform ? fmt::format(", {} per pair\n", bytes(plan.block_bytes))
                      : fmt::format(", {} between hosts\n", bytes(plan.logical_bytes));
  out += fmt::format("chosen     {}{}\n", algorithm_name(choice.chosen.algorithm),
                     choice.forced ? " (asked for by name)" : "");
  out +=
      fmt::format("predicted  {} ({})\n", seconds(choice.chosen.prediction.total_s()), terms(choice.chosen.prediction));
  out += fmt::format("bound      {} (bytes that must cross the busiest link / its capacity)\n",
                     seconds(plan.lower_bound_s));
  out += fmt::format("speeds     {}\n", plan.model_source);
  out += fmt::format("messages   {} between hosts, {} mapped; wire {}, asked for {}; scratch {} a rank\n",
                     plan.num_messages, plan.num_mapped_messages, bytes(plan.wire_bytes), bytes(plan.logical_bytes),
                     bytes(plan.scratch_bytes));
  if (!plan.uniform) {
    out += choice.block_limit > 0
               ? fmt::format("split      pairs up to {} are aggregated, larger ones travel directly\n",
                             bytes(choice.block_limit))
               : "split      every pair travels directly\n";
  }
  if (!plan.uniform && !choice.forced &&
      choice.candidates.front().prediction.total_s() < 0.99 * choice.chosen.prediction.total_s()) {
    out += fmt::format(
        "blind      chosen before the counts, of which a rank knows only its own; {} would suit these better\n",
        algorithm_name(choice.candidates.front().algorithm));
  }
  for (const Candidate& candidate : choice.candidates) {
    if (candidate.algorithm == choice.chosen.algorithm) {
      continue;
    }
    const bool faster = candidate.prediction.total_s() < choice.chosen.prediction.total_s();
    out += fmt::format("{}  {}: {} ({:+.0f} %; {})\n", faster ? "not taken" : "rejected ",
                       algorithm_name(candidate.algorithm), seconds(candidate.prediction.total_s()),
                       100 * (candidate.prediction.total_s() / choice.chosen.prediction.total_s() - 1),
                       terms(candidate.prediction));
  }
  return out;
}

std::string explain_json(const Plan& plan) {
  json::Value out = {{"format", "banyan-plan-1"},
                     {"operation", plan.uniform ? "alltoall" : "alltoallv"},
                     {"num_ranks", plan.num_ranks},
                     {"num_hosts", plan.num_hosts},
                     {"chosen", to_json(plan.choice.chosen)},
                     {"forced", plan.choice.forced},
                     {"lower_bound_s", plan.lower_bound_s},
                     {"measured", plan.measured},
                     {"model", plan.model_source},
                     {"num_messages", plan.num_messages},
                     {"num_mapped_messages", plan.num_mapped_messages},
                     {"wire_bytes", plan.wire_bytes},
                     {"logical_bytes", plan.logical_bytes},
                     {"scratch_bytes", plan.scratch_bytes},
                     {"chunk_bytes", plan.choice.pace.chunk_bytes},
                     {"window", plan.choice.pace.window},
                     {"window_bytes", plan.choice.pace.window_bytes}};
  if (plan.uniform) {
    out["bytes_per_pair"] = plan.block_bytes;
  } else {
    out["aggregate_limit_bytes"] = plan.choice.block_limit;
  }
  out["candidates"] = json::Value::array();
  for (const Candidate& candidate : plan.choice.candidates) {
    out["candidates"].push_back(to_json(candidate));
  }
  return out.dump(2) + "\n";
}

}  // namespace banyan::planner
