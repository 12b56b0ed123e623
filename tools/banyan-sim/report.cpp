// SPDX-License-Identifier: Apache-2.0
#include "banyan-sim/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/json.hpp"
#include "planner/quantity_text.hpp"

namespace banyan::sim_tool {
namespace {

using planner::bytes_text;
using planner::seconds_text;

constexpr size_t kMaxSteps = 12;

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

double predicted_s(const Run& run) { return run.candidate.prediction.total_s(); }

/// Time that the link's bytes take at least.
double bound_s(const simulator::LinkTiming& link) {
  return static_cast<double>(link.bytes) / link.capacity_bytes_per_s;
}

std::string link_name(const Report& report, const simulator::LinkTiming& link) {
  const bool has_rails =
      report.runs.front().rails > 1 && report.scenario.tree().node(link.subtree).tier == topology::Tier::kNode;
  return report.scenario.tree().node(link.subtree).name + (link.egress ? " egress" : " ingress") +
         (has_rails ? fmt::format(" rail {}", link.rail) : std::string());
}

int num_racks(const Report& report) {
  return static_cast<int>(report.scenario.tree().at_tier(topology::Tier::kRack).size());
}

std::string scene_text(const Report& report) {
  const planner::Plan& outline = report.outline;
  const auto count = [](int number, const char* noun) {
    return planner::count_text(static_cast<uint64_t>(number), noun);
  };
  std::string text =
      fmt::format("machine    {} on {} in {}, {}\n", count(outline.num_ranks, "rank"), count(outline.num_hosts, "host"),
                  count(num_racks(report), "rack"), outline.model_source);
  text += outline.uniform ? fmt::format("exchange   uniform, {} per pair\n", bytes_text(outline.block_bytes))
                          : std::string("exchange   all-to-all-v\n");
  return text + fmt::format("bound      {}\n", seconds_text(outline.lower_bound_s));
}

std::string manner_text(const Run& run) {
  if (run.executed) {
    return fmt::format("as communicators execute it{}{}",
                       run.rails > 1 ? fmt::format(" over {} cards a host", run.rails) : std::string(),
                       run.exchanges > 1 ? fmt::format(", {} in a row", run.exchanges) : std::string());
  }
  std::string text = run.in_flight > 0 ? fmt::format("at most {} sends of a rank in flight", run.in_flight)
                                       : std::string("no limit of sends in flight");
  text += run.scheduled ? ", from the verified schedule" : ", messages made when needed";
  return text + (run.resolution_s > 0 ? fmt::format(", rates found every {}", seconds_text(run.resolution_s)) : "");
}

std::string steps_text(const Run& run) {
  std::string text;
  const auto& steps = run.timeline.steps;
  for (size_t i = 0; i < std::min(steps.size(), kMaxSteps); ++i) {
    text += fmt::format("step {:<5} {} of {}, from {} to {}\n", steps[i].step,
                        planner::count_text(steps[i].num_messages, "message"), bytes_text(steps[i].bytes),
                        seconds_text(steps[i].first_issue_s), seconds_text(steps[i].last_done_s));
  }
  return steps.size() > kMaxSteps ? text + fmt::format("           and {} more steps\n", steps.size() - kMaxSteps)
                                  : text;
}

std::string links_text(const Report& report, const Run& run) {
  std::vector<simulator::LinkTiming> links = run.timeline.links;
  std::stable_sort(links.begin(), links.end(), [](const auto& a, const auto& b) { return bound_s(a) > bound_s(b); });
  links.resize(std::min(links.size(), report.num_links));
  if (links.empty()) {
    return "";
  }
  std::string text =
      fmt::format("{:<24} {:>12} {:>12} {:>10} {:>10}\n", "link", "carried", "capacity", "at least", "in use");
  for (const auto& link : links) {
    text += fmt::format("{:<24} {:>12} {:>10}/s {:>10} {:>8.0f} %\n", link_name(report, link), bytes_text(link.bytes),
                        bytes_text(static_cast<uint64_t>(link.capacity_bytes_per_s)), seconds_text(bound_s(link)),
                        percent(link.busy_s, run.timeline.total_s));
  }
  return text;
}

std::string run_text(const Report& report, const Run& run) {
  const double total_s = run.exchange_s();
  std::string text =
      fmt::format("algorithm  {}, {}\n", planner::algorithm_name(run.candidate.algorithm), manner_text(run));
  text += fmt::format("simulated  {} for {}; the bound is {:.0f} % of it\n", seconds_text(total_s),
                      planner::count_text(run.timeline.num_messages, "message"),
                      percent(report.outline.lower_bound_s, total_s));
  text += fmt::format("predicted  {}", seconds_text(predicted_s(run)));
  text += predicted_s(run) > 0
              ? fmt::format(", the simulation is {:+.0f} %\n", percent(total_s, predicted_s(run)) - 100)
              : "\n";
  return text + steps_text(run) + links_text(report, run);
}

std::string comparison_text(const Report& report) {
  std::string text = fmt::format("{:<22} {:>11} {:>9} {:>11} {:>12} {:>12}\n", "algorithm", "simulated", "of bound",
                                 "predicted", "messages", "in flight");
  for (const Run& run : report.runs) {
    text +=
        fmt::format("{:<22} {:>11} {:>7.0f} % {:>11} {:>12} {:>12}\n", planner::algorithm_name(run.candidate.algorithm),
                    seconds_text(run.exchange_s()), percent(report.outline.lower_bound_s, run.exchange_s()),
                    seconds_text(predicted_s(run)), run.timeline.num_messages,
                    run.executed        ? std::string("paced")
                    : run.in_flight > 0 ? std::to_string(run.in_flight)
                                        : std::string("no limit"));
  }
  const auto chosen = planner::algorithm_name(report.outline.choice.chosen.algorithm);
  return text + fmt::format("fastest    {}; the planner chooses {}\n",
                            planner::algorithm_name(report.runs.front().candidate.algorithm), chosen);
}

json::Value run_json(const Report& report, const Run& run) {
  json::Value value;
  value["algorithm"] = planner::algorithm_name(run.candidate.algorithm);
  value["simulated_s"] = run.timeline.total_s;
  value["exchanges"] = run.exchanges;
  value["per_exchange_s"] = run.exchange_s();
  value["executed"] = run.executed;
  value["rails"] = run.rails;
  value["predicted_s"] = predicted_s(run);
  value["from_schedule"] = run.scheduled;
  value["in_flight"] = run.in_flight;
  value["resolution_s"] = run.resolution_s;
  value["messages"] = run.timeline.num_messages;
  value["steps"] = json::Value::array();
  for (const auto& step : run.timeline.steps) {
    value["steps"].push_back({{"step", step.step},
                              {"messages", step.num_messages},
                              {"bytes", step.bytes},
                              {"from_s", step.first_issue_s},
                              {"to_s", step.last_done_s}});
  }
  value["links"] = json::Value::array();
  for (const auto& link : run.timeline.links) {
    value["links"].push_back({{"name", report.scenario.tree().node(link.subtree).name},
                              {"direction", link.egress ? "egress" : "ingress"},
                              {"rail", link.rail},
                              {"capacity_bytes_per_s", link.capacity_bytes_per_s},
                              {"bytes", link.bytes},
                              {"bound_s", bound_s(link)},
                              {"busy_s", link.busy_s}});
  }
  return value;
}

}  // namespace

std::string report_text(const Report& report) {
  std::string text = scene_text(report);
  text += report.runs.size() == 1 ? run_text(report, report.runs.front()) : comparison_text(report);
  for (const std::string& note : report.notes) {
    text += "note       " + note + "\n";
  }
  return text;
}

std::string report_json(const Report& report) {
  const planner::Plan& outline = report.outline;
  json::Value value;
  value["format"] = "banyan-sim-1";
  value["ranks"] = outline.num_ranks;
  value["hosts"] = outline.num_hosts;
  value["racks"] = num_racks(report);
  value["model"] = outline.model_source;
  value["measured"] = outline.measured;
  value["uniform"] = outline.uniform;
  if (outline.uniform) {
    value["bytes_per_pair"] = outline.block_bytes;
  }
  value["lower_bound_s"] = outline.lower_bound_s;
  value["chosen"] = planner::algorithm_name(outline.choice.chosen.algorithm);
  value["notes"] = report.notes;
  value["runs"] = json::Value::array();
  for (const Run& run : report.runs) {
    value["runs"].push_back(run_json(report, run));
  }
  return value.dump(1, ' ', false, json::Value::error_handler_t::replace) + "\n";
}

}  // namespace banyan::sim_tool
