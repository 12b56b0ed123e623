// SPDX-License-Identifier: Apache-2.0
#include "planner/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cost/quantity.hpp"
#include "planner/quantity_text.hpp"

namespace banyan::planner {
namespace {

constexpr size_t kLinksInSummary = 4;
constexpr size_t kStepsInSummary = 12;

std::string head(const Plan& plan) {
  return fmt::format(
      "{} over {} on {}, {}\n", plan.uniform ? "all-to-all" : "all-to-all-v",
      count_text(static_cast<uint64_t>(plan.num_ranks), "rank"),
      count_text(static_cast<uint64_t>(plan.num_hosts), "host"),
      plan.uniform ? bytes_text(plan.block_bytes) + " per pair" : bytes_text(plan.logical_bytes) + " between hosts");
}

std::string bound(const Plan& plan) {
  const double predicted = plan.choice.chosen.prediction.total_s();
  std::string out = fmt::format("bound      {} (bytes that must cross the busiest link / its capacity",
                                seconds_text(plan.lower_bound_s));
  if (plan.lower_bound_s > 0 && predicted > 0) {
    out += fmt::format("; {:.0f} % of the predicted time", 100 * plan.lower_bound_s / predicted);
  }
  return out + ")\n";
}

std::string totals(const Plan& plan) {
  if (plan.schedule.messages.empty()) {
    return fmt::format("asked for  {} between hosts\n", bytes_text(plan.logical_bytes));
  }
  return fmt::format("messages   {} between hosts, {} mapped; wire {}, asked for {}; scratch {} a rank\n",
                     plan.num_messages, plan.num_mapped_messages, bytes_text(plan.wire_bytes),
                     bytes_text(plan.logical_bytes), bytes_text(plan.scratch_bytes));
}

std::string split(const Plan& plan) {
  if (plan.uniform) {
    return "";
  }
  return plan.choice.block_limit > 0
             ? fmt::format("split      pairs up to {} are aggregated, larger ones travel directly\n",
                           bytes_text(plan.choice.block_limit))
             : "split      every pair travels directly\n";
}

std::string step_line(const StepLoad& step) {
  std::string moved;
  if (step.remote_messages > 0) {
    moved = fmt::format("{} of {} between hosts", count_text(step.remote_messages, "message"),
                        bytes_text(step.remote_bytes));
  }
  if (step.local_messages > 0) {
    moved += fmt::format("{}{} of {} inside", moved.empty() ? "" : ", ", count_text(step.local_messages, "message"),
                         bytes_text(step.local_bytes));
  }
  return fmt::format("step {:<5} {}; alone {} ({})\n", step.step, moved, seconds_text(step.prediction.total_s()),
                     terms_text(step.prediction));
}

std::string movement(const Plan& plan) {
  std::string out;
  const auto& steps = plan.movement.steps;
  for (size_t i = 0; i < std::min(steps.size(), kStepsInSummary); ++i) {
    out += step_line(steps[i]);
  }
  if (steps.size() > kStepsInSummary) {
    out += fmt::format("           and {} more steps\n", steps.size() - kStepsInSummary);
  }
  std::string links;
  for (const LinkLoad& link : busiest_links(plan.movement, kLinksInSummary)) {
    links += fmt::format("{}{} {} of {}", links.empty() ? "" : ", ", link.name, seconds_text(link.time_s),
                         bytes_text(link.bytes));
  }
  return links.empty() ? out : out + "links      " + links + "\n";
}

std::string blind(const Plan& plan) {
  const Choice& choice = plan.choice;
  const bool other = !plan.uniform && !choice.forced &&
                     choice.candidates.front().prediction.total_s() < 0.99 * choice.chosen.prediction.total_s();
  return other ? fmt::format(
                     "blind      chosen before the counts, of which a rank knows only its own; {} would suit "
                     "these better\n",
                     algorithm_name(choice.candidates.front().algorithm))
               : "";
}

}  // namespace

Difference largest_excess(const Prediction& slower, const Prediction& faster) {
  const std::array<Difference, 4> terms = {{{"latency", slower.latency_s - faster.latency_s},
                                            {"messages", slower.overhead_s - faster.overhead_s},
                                            {"wire", slower.wire_s - faster.wire_s},
                                            {"copies", slower.copy_s - faster.copy_s}}};
  const Difference largest = *std::max_element(
      terms.begin(), terms.end(), [](const Difference& a, const Difference& b) { return a.excess_s < b.excess_s; });
  return largest.excess_s > 0 ? largest : Difference{};
}

std::string terms_text(const Prediction& p) {
  const std::array<std::pair<double, const char*>, 3> at_ranks = {
      {{p.latency_s, "latency"}, {p.overhead_s, "message"}, {p.copy_s, "copy"}}};
  const bool wire_bound = p.wire_s >= std::max(p.latency_s + p.overhead_s, p.copy_s);
  return fmt::format("latency {}, messages {}, wire {} at {}, copies {}: {} bound", seconds_text(p.latency_s),
                     seconds_text(p.overhead_s), seconds_text(p.wire_s), p.busiest.empty() ? "no link" : p.busiest,
                     seconds_text(p.copy_s),
                     wire_bound ? "wire" : std::max_element(at_ranks.begin(), at_ranks.end())->second);
}

std::string candidate_text(const Candidate& candidate, const Candidate& chosen) {
  const double time_s = candidate.prediction.total_s();
  const double chosen_s = chosen.prediction.total_s();
  const Difference loss = largest_excess(candidate.prediction, chosen.prediction);
  std::string text = algorithm_name(candidate.algorithm) + ": " + seconds_text(time_s) + " (";
  text += chosen_s > 0 ? fmt::format("{:+.0f} %", 100 * (time_s / chosen_s - 1)) : "";
  if (time_s > chosen_s && loss.excess_s > 0) {
    text += fmt::format(", loses {} by {}", seconds_text(loss.excess_s), loss.term);
  }
  return text + "; " + terms_text(candidate.prediction) + ")";
}

std::string steps_table(const Plan& plan) {
  std::string out =
      fmt::format("{:>5} {:>10} {:>11} {:>10} {:>11} {:>10} {:>10} {:>10} {:>10} {:>10}  {}\n", "step", "between",
                  "bytes", "inside", "bytes", "alone", "latency", "messages", "wire", "copies", "busiest link");
  for (const StepLoad& step : plan.movement.steps) {
    const Prediction& p = step.prediction;
    out += fmt::format("{:>5} {:>10} {:>11} {:>10} {:>11} {:>10} {:>10} {:>10} {:>10} {:>10}  {}\n", step.step,
                       step.remote_messages, bytes_text(step.remote_bytes), step.local_messages,
                       bytes_text(step.local_bytes), seconds_text(p.total_s()), seconds_text(p.latency_s),
                       seconds_text(p.overhead_s), seconds_text(p.wire_s), seconds_text(p.copy_s),
                       p.busiest.empty() ? "-" : p.busiest);
  }
  return out;
}

std::string links_table(const Plan& plan, size_t most) {
  std::vector<LinkLoad> links = plan.movement.links;
  std::stable_sort(links.begin(), links.end(),
                   [](const LinkLoad& a, const LinkLoad& b) { return a.time_s > b.time_s; });
  std::string out = fmt::format("{:<28} {:>10} {:>11} {:>11} {:>10} {:>7}\n", "link", "messages", "bytes", "capacity",
                                "time", "share");
  for (size_t i = 0; i < std::min(links.size(), most); ++i) {
    const LinkLoad& link = links[i];
    const bool limited = link.capacity_bytes_per_s > 0;
    out += fmt::format("{:<28} {:>10} {:>11} {:>11} {:>10} {:>5.0f} %\n", link.name, link.messages,
                       bytes_text(link.bytes), limited ? cost::show_rate(link.capacity_bytes_per_s) : "no limit",
                       seconds_text(link.time_s), 100 * link.share);
  }
  return links.size() > most ? out + fmt::format("and {} more links\n", links.size() - most) : out;
}

std::string forced_text(const Choice& choice) {
  if (!choice.forced) {
    return "";
  }
  return choice.origin.empty() ? " (asked for by name)" : " (chosen by " + choice.origin + ")";
}

std::string explain_text(const Plan& plan) {
  const Choice& choice = plan.choice;
  std::string out = head(plan);
  out += fmt::format("chosen     {}{}\n", algorithm_name(choice.chosen.algorithm), forced_text(choice));
  out += fmt::format("predicted  {} ({})\n", seconds_text(choice.chosen.prediction.total_s()),
                     terms_text(choice.chosen.prediction));
  out += bound(plan);
  out += fmt::format("speeds     {}\n", plan.model_source);
  for (const std::string& note : plan.notes) {
    out += "note       " + note + "\n";
  }
  out += totals(plan) + split(plan) + movement(plan) + blind(plan);
  for (const Candidate& candidate : choice.candidates) {
    if (candidate.algorithm == choice.chosen.algorithm) {
      continue;
    }
    const bool faster = candidate.prediction.total_s() < choice.chosen.prediction.total_s();
    out += fmt::format("{}  {}\n", faster ? "not taken" : "rejected ", candidate_text(candidate, choice.chosen));
  }
  return out;
}

}  // namespace banyan::planner
