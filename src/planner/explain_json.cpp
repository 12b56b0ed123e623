// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"
#include "planner/explain.hpp"

namespace banyan::planner {
namespace {

json::Value prediction_json(const Prediction& p) {
  return {{"predicted_time_s", p.total_s()},
          {"latency_s", p.latency_s},
          {"overhead_s", p.overhead_s},
          {"wire_s", p.wire_s},
          {"copy_s", p.copy_s},
          {"busiest_link", p.busiest}};
}

json::Value candidate_json(const Candidate& candidate) {
  json::Value out = {{"algorithm", algorithm_name(candidate.algorithm)}};
  out.update(prediction_json(candidate.prediction));
  return out;
}

json::Value candidates_json(const Choice& choice) {
  json::Value out = json::Value::array();
  for (const Candidate& candidate : choice.candidates) {
    out.push_back(candidate_json(candidate));
    const Difference loss = largest_excess(candidate.prediction, choice.chosen.prediction);
    if (candidate.algorithm != choice.chosen.algorithm && loss.excess_s > 0) {
      out.back()["loses_by"] = loss.term;
      out.back()["loses_s"] = loss.excess_s;
    }
  }
  return out;
}

json::Value steps_json(const Movement& movement) {
  json::Value out = json::Value::array();
  for (const StepLoad& step : movement.steps) {
    json::Value item = {{"step", step.step},
                        {"remote_messages", step.remote_messages},
                        {"remote_bytes", step.remote_bytes},
                        {"local_messages", step.local_messages},
                        {"local_bytes", step.local_bytes},
                        {"mapped_messages", step.mapped_messages}};
    item.update(prediction_json(step.prediction));
    out.push_back(std::move(item));
  }
  return out;
}

json::Value links_json(const Movement& movement) {
  json::Value out = json::Value::array();
  for (const LinkLoad& link : movement.links) {
    out.push_back({{"link", link.name},
                   {"messages", link.messages},
                   {"bytes", link.bytes},
                   {"capacity_bytes_per_s", link.capacity_bytes_per_s},
                   {"time_s", link.time_s},
                   {"share", link.share}});
  }
  return out;
}

}  // namespace

std::string explain_json(const Plan& plan) {
  json::Value out = {{"format", "banyan-plan-1"},
                     {"operation", plan.uniform ? "alltoall" : "alltoallv"},
                     {"num_ranks", plan.num_ranks},
                     {"num_hosts", plan.num_hosts},
                     {"chosen", candidate_json(plan.choice.chosen)},
                     {"forced", plan.choice.forced},
                     {"forced_by", plan.choice.origin},
                     {"lower_bound_s", plan.lower_bound_s},
                     {"measured", plan.measured},
                     {"model", plan.model_source},
                     {"notes", plan.notes},
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
  out["candidates"] = candidates_json(plan.choice);
  out["steps"] = steps_json(plan.movement);
  out["links"] = links_json(plan.movement);
  return out.dump(2) + "\n";
}

}  // namespace banyan::planner
