// SPDX-License-Identifier: Apache-2.0
#include "banyan-plan/html.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cost/quantity.hpp"
#include "planner/explain.hpp"
#include "planner/quantity_text.hpp"
#include "planner/render.hpp"

namespace banyan::tool {
namespace {

using planner::bytes_text;
using planner::seconds_text;
using planner::xml_text;

constexpr size_t kMaxLinks = 64;

constexpr const char* kStyle =
    "body{font:15px/1.5 sans-serif;color:#222;max-width:1180px;margin:24px auto;padding:0 16px}"
    "h1{font-size:24px}h2{font-size:18px;margin-top:32px}p.why{color:#555}"
    "table{border-collapse:collapse;margin:12px 0;font-size:14px}"
    "th,td{padding:3px 10px;text-align:right;border-bottom:1px solid "
    "#ddd}th:first-child,td:first-child{text-align:left}"
    "table.facts "
    "td{text-align:left}tr.chosen{background:#eaf3fb}pre{background:#f6f6f4;padding:10px;overflow-x:auto;font-size:"
    "13px}"
    "figure{margin:12px 0;overflow-x:auto}.assumed{background:#fff6dd;padding:6px 10px;margin:4px 0}";

std::string row(const std::vector<std::string>& cells, const char* tag = "td", const char* kind = "") {
  std::string out = fmt::format("<tr{}>", *kind == '\0' ? "" : fmt::format(" class=\"{}\"", kind));
  for (const std::string& cell : cells) {
    out += fmt::format("<{0}>{1}</{0}>", tag, xml_text(cell));
  }
  return out + "</tr>\n";
}

std::string section(const char* title, const char* why, const std::string& body) {
  return fmt::format("<h2>{}</h2>\n<p class=\"why\">{}</p>\n{}\n", title, why, body);
}

std::string figure(const std::string& svg) { return "<figure>" + svg + "</figure>"; }

std::string summary(const planner::Plan& plan, const Timing& timing) {
  const planner::Prediction& chosen = plan.choice.chosen.prediction;
  std::string out = "<table class=\"facts\">\n";
  out += row({"chosen", planner::algorithm_name(plan.choice.chosen.algorithm) + planner::forced_text(plan.choice)});
  out += row({"predicted", seconds_text(chosen.total_s()) + " (" + planner::terms_text(chosen) + ")"});
  if (timing.exists()) {
    out += row({"simulated", seconds_text(timing.timeline.total_s)});
  }
  out +=
      row({"bound", seconds_text(plan.lower_bound_s) +
                        (chosen.total_s() > 0 && plan.lower_bound_s > 0
                             ? fmt::format(", {:.0f} % of the prediction", 100 * plan.lower_bound_s / chosen.total_s())
                             : "")});
  out += row({"speeds", plan.model_source});
  out += row(
      {"between hosts", fmt::format("{} asked for, {} in {} on the wires", bytes_text(plan.logical_bytes),
                                    bytes_text(plan.wire_bytes), planner::count_text(plan.num_messages, "message"))});
  if (!plan.uniform) {
    out += row({"split", plan.choice.block_limit > 0
                             ? "pairs up to " + bytes_text(plan.choice.block_limit) + " are aggregated"
                             : "every pair travels directly"});
  }
  out += "</table>\n";
  for (const std::string& note : plan.notes) {
    out += "<div class=\"assumed\">" + xml_text(note) + "</div>\n";
  }
  return out;
}

std::string candidates(const planner::Plan& plan) {
  std::string out = figure(planner::render_candidates_svg(plan)) + "<table>\n";
  out += row(
      {"algorithm", "predicted", "against chosen", "loses by", "latency", "messages", "wire", "copies", "busiest link"},
      "th");
  const double chosen_s = plan.choice.chosen.prediction.total_s();
  for (const planner::Candidate& candidate : plan.choice.candidates) {
    const planner::Prediction& p = candidate.prediction;
    const bool chosen = candidate.algorithm == plan.choice.chosen.algorithm;
    const planner::Difference loss = planner::largest_excess(p, plan.choice.chosen.prediction);
    const bool loses = !chosen && p.total_s() > chosen_s && loss.excess_s > 0;
    out += row({planner::algorithm_name(candidate.algorithm), seconds_text(p.total_s()),
                chosen_s > 0 ? fmt::format("{:+.0f} %", 100 * (p.total_s() / chosen_s - 1)) : "",
                chosen  ? "chosen"
                : loses ? fmt::format("{} ({})", loss.term, seconds_text(loss.excess_s))
                        : "faster, not taken",
                seconds_text(p.latency_s), seconds_text(p.overhead_s), seconds_text(p.wire_s), seconds_text(p.copy_s),
                p.busiest},
               "td", chosen ? "chosen" : "");
  }
  return out + "</table>";
}

std::string links(const Scenario& scenario, const planner::Plan& plan) {
  std::vector<planner::LinkLoad> loads = plan.movement.links;
  std::stable_sort(loads.begin(), loads.end(), [](const auto& a, const auto& b) { return a.time_s > b.time_s; });
  std::string out = figure(planner::render_loads_svg(scenario.tree(), plan)) + "<table>\n";
  out += row({"link", "messages", "bytes", "capacity", "time", "share of the busiest"}, "th");
  for (size_t i = 0; i < std::min(loads.size(), kMaxLinks); ++i) {
    const planner::LinkLoad& load = loads[i];
    out += row({load.name, std::to_string(load.messages), bytes_text(load.bytes),
                load.capacity_bytes_per_s > 0 ? cost::show_rate(load.capacity_bytes_per_s) : "no limit",
                seconds_text(load.time_s), fmt::format("{:.0f} %", 100 * load.share)});
  }
  out += "</table>";
  return loads.size() > kMaxLinks ? out + fmt::format("<p>and {} more links</p>", loads.size() - kMaxLinks) : out;
}

std::string steps(const planner::Plan& plan, const Timing& timing) {
  std::string out = "<table>\n";
  out += row({"step", "messages between hosts", "bytes", "inside", "bytes", "alone", "latency", "messages", "wire",
              "copies", "busiest link", "simulated from", "to"},
             "th");
  for (const planner::StepLoad& step : plan.movement.steps) {
    const planner::Prediction& p = step.prediction;
    std::string from;
    std::string to;
    for (const simulator::StepTiming& times : timing.timeline.steps) {
      if (times.step == step.step) {
        from = seconds_text(times.first_issue_s);
        to = seconds_text(times.last_done_s);
      }
    }
    out += row({std::to_string(step.step), std::to_string(step.remote_messages), bytes_text(step.remote_bytes),
                std::to_string(step.local_messages), bytes_text(step.local_bytes), seconds_text(p.total_s()),
                seconds_text(p.latency_s), seconds_text(p.overhead_s), seconds_text(p.wire_s), seconds_text(p.copy_s),
                p.busiest, from, to});
  }
  return out + "</table>";
}

}  // namespace

std::string render_html(const Scenario& scenario, const planner::Plan& plan, const Timing& timing,
                        const std::string& command) {
  const std::string title = fmt::format("{} over {} on {}", plan.uniform ? "All-to-all" : "All-to-all-v",
                                        planner::count_text(static_cast<uint64_t>(plan.num_ranks), "rank"),
                                        planner::count_text(static_cast<uint64_t>(plan.num_hosts), "host"));
  std::string body = "<h1>" + title + "</h1>\n" + summary(plan, timing);
  body += section("Candidates",
                  "What was compared, by the model. Bars: messages, wire and copies as far as they do not overlap.",
                  candidates(plan));
  if (!plan.movement.links.empty()) {
    body += section("Links",
                    "What crosses each host's and rack's boundary, headers and forwarded blocks included; counted in "
                    "the verified schedule.",
                    links(scenario, plan));
  }
  if (!plan.movement.steps.empty()) {
    body += section("Steps", "All ranks' messages of each step, and what the step would take alone; steps overlap.",
                    steps(plan, timing));
  }
  if (timing.exists() && !timing.sent.empty()) {
    body += section("In time", "The schedule in the simulator: links shared fairly. Rest the pointer on a bar.",
                    figure(planner::render_gantt_svg(gantt_of(scenario, plan, timing))));
  }
  body += section("As text", "What the terminal shows.", "<pre>" + xml_text(planner::explain_text(plan)) + "</pre>");
  body += section("How it was made", "The command:", "<pre>" + xml_text(command) + "</pre>");
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>" + xml_text(title) +
         "</title>\n<style>" + kStyle + "</style></head>\n<body>\n" + body + "</body></html>\n";
}

}  // namespace banyan::tool
