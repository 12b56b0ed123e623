// SPDX-License-Identifier: Apache-2.0
#include "compare/dispatch_point.hpp"

#include <fmt/format.h>

#include "common/statistics.hpp"

namespace banyan::perf {
namespace {

constexpr double kMicro = 1e6;
constexpr double kMega = 1e-6;

double mid(const std::vector<double>& times) { return median(times).value_or(0); }

const char* name_of(WayKind kind) {
  switch (kind) {
    case WayKind::kGroup:
      return "group";
    case WayKind::kEven:
      return "even";
    case WayKind::kRows:
      return "rows";
    case WayKind::kMpi:
      break;
  }
  return "mpi";
}

Json times_json(const std::vector<double>& times) {
  return {{"median", mid(times)}, {"p99", percentile(times, 0.99).value_or(0)}, {"steps", times}};
}

Json to_json(const LayerFacts& facts) {
  Json json;
  json["row_bytes"] = facts.row_bytes;
  json["choices"] = facts.rows.choices;
  json["inter_host_choices"] = facts.rows.inter_host_choices;
  json["inter_host_rows"] = facts.rows.inter_host_rows;
  json["logical_bytes"] = 2 * facts.rows.choices * facts.row_bytes;
  json["bound_s"] = {{"dispatch", facts.bound.dispatch_s}, {"combine", facts.bound.combine_s}};
  return json;
}

Json to_json(const WayResult& way) {
  const auto per_step = [&](uint64_t bytes) { return ratio(static_cast<double>(bytes), way.weighed_steps); };
  Json json;
  json["name"] = way.name;
  json["kind"] = name_of(way.kind);
  json["used_as"] = way.used_as;
  json["facts"] = to_json(way.facts);
  json["route_s"] = times_json(way.route_s);
  json["dispatch_s"] = times_json(way.dispatch_s);
  json["combine_s"] = times_json(way.combine_s);
  json["exchange_s"] = times_json(way.exchange_s);
  json["step_s"] = times_json(way.step_s);
  json["steps_per_round"] = way.steps_per_round;
  json["settling"] = {{"steps", way.settling_steps}, {"seconds", way.settling_s}};
  json["wire_rows"] = way.wire_rows;
  json["formula_bytes"] = way.formula_bytes();
  json["nic_bytes"] = {{"dispatch", per_step(way.nic_dispatch_bytes)},
                       {"combine", per_step(way.nic_combine_bytes)},
                       {"sum", way.nic_bytes()}};
  json["wire_quotient"] = ratio(way.nic_bytes(), way.formula_bytes());
  json["bound_share"] = ratio(way.bound_s(), mid(way.step_s));
  json["exchange_bound_share"] = ratio(way.bound_s(), mid(way.exchange_s));
  json["checked_steps"] = way.checked;
  json["wrong_elements"] = way.wrong;
  return json;
}

Json to_json(const Layer& layer) {
  size_t zero = 0;
  for (int rank = 0; rank < layer.num_ranks; ++rank) {
    zero += layer.tokens_of(rank) == 0 ? 1 : 0;
  }
  return {{"tokens", layer.tokens},       {"hidden", layer.hidden},
          {"dtype", layer.dtype},         {"experts", layer.num_experts},
          {"top_k", layer.top_k},         {"zipf", layer.zipf},
          {"placement", layer.placement}, {"replicas", layer.replicas},
          {"ranks_without_tokens", zero}, {"seed", layer.seed}};
}

std::string cell(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "-";
}

}  // namespace

double WayResult::formula_bytes() const { return 2 * static_cast<double>(wire_rows * facts.row_bytes); }

double WayResult::nic_bytes() const {
  return ratio(static_cast<double>(nic_dispatch_bytes + nic_combine_bytes), weighed_steps);
}

DispatchSummary summarize(const DispatchPoint& point) {
  DispatchSummary summary;
  const WayResult* even = nullptr;
  for (const WayResult& way : point.ways) {
    summary.wrong += way.wrong;
    if (way.kind == WayKind::kGroup && summary.banyan == nullptr) {
      summary.banyan = &way;
    } else if (way.kind == WayKind::kEven && even == nullptr) {
      even = &way;
    } else if (way.kind == WayKind::kMpi && !way.step_s.empty() &&
               (summary.best_mpi == nullptr || mid(way.step_s) < mid(summary.best_mpi->step_s))) {
      summary.best_mpi = &way;
    }
  }
  if (summary.banyan == nullptr) {
    return summary;
  }
  const WayResult& banyan = *summary.banyan;
  if (summary.best_mpi != nullptr) {
    summary.speedup = ratio(mid(summary.best_mpi->step_s), mid(banyan.step_s));
    summary.exchange_speedup = ratio(mid(summary.best_mpi->exchange_s), mid(banyan.exchange_s));
  }
  summary.bound_share = ratio(banyan.bound_s(), mid(banyan.step_s));
  summary.exchange_bound_share = ratio(banyan.bound_s(), mid(banyan.exchange_s));
  summary.wire_quotient = ratio(banyan.nic_bytes(), banyan.formula_bytes());
  if (point.target_times && even != nullptr) {
    summary.targets_predicted = ratio(point.target_times->even_s, point.target_times->targets_s);
    summary.targets_measured = ratio(mid(even->exchange_s), mid(banyan.exchange_s));
  }
  return summary;
}

std::string dispatch_header() {
  return fmt::format(
      "#{:>7} {:>22} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9} {:>6} {:>7} {:>7}  {}\n", "tokens",
      "way", "route us", "disp. us", "comb. us", "step us", "p99 us", "bound us", "logic MB", "wire MB", "formula",
      "quot.", "%bound", "x MPI", "#wrong");
}

std::string dispatch_lines(const DispatchPoint& point) {
  const DispatchSummary summary = summarize(point);
  const double mpi_s = summary.best_mpi != nullptr ? mid(summary.best_mpi->step_s) : 0;
  std::string lines;
  for (const WayResult& way : point.ways) {
    const std::string name = way.kind == WayKind::kGroup && way.used_as.starts_with("auto: ")
                                 ? fmt::format("{} ({})", way.name, way.used_as.substr(6))
                                 : way.name;
    const double logical = 2 * static_cast<double>(way.facts.rows.choices * way.facts.row_bytes);
    const auto us = [](const std::vector<double>& times) { return cell(mid(times) * kMicro, "{:.1f}"); };
    lines += fmt::format(
        "{:>8} {:>22} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9.3f} {:>9.3f} {:>9.3f} {:>6} {:>7} {:>7}  {}\n",
        point.layer.tokens, name, us(way.route_s), us(way.dispatch_s), us(way.combine_s), us(way.step_s),
        cell(percentile(way.step_s, 0.99).value_or(0) * kMicro, "{:.1f}"), cell(way.bound_s() * kMicro, "{:.1f}"),
        logical * kMega, way.nic_bytes() * kMega, way.formula_bytes() * kMega,
        cell(ratio(way.nic_bytes(), way.formula_bytes()), "{:.3f}"),
        cell(100 * ratio(way.bound_s(), mid(way.step_s)), "{:.1f}"), cell(ratio(mpi_s, mid(way.step_s)), "{:.2f}"),
        way.wrong);
  }
  if (summary.targets_predicted > 0) {
    lines += fmt::format("# targets {}: {:.2f} times faster than even dispatch, predicted {:.2f}\n", point.targets,
                         summary.targets_measured, summary.targets_predicted);
  }
  return lines;
}

Json to_json(const DispatchPoint& point) {
  const DispatchSummary summary = summarize(point);
  Json json;
  json["layer"] = to_json(point.layer);
  if (point.target_times) {
    json["targets"] = {{"method", point.targets},
                       {"even_s", point.target_times->even_s},
                       {"targets_s", point.target_times->targets_s},
                       {"most_per_token", point.target_times->most_per_token},
                       {"budget_met", point.target_times->budget_met},
                       {"model_measured", point.target_times->measured},
                       {"predicted_speedup", summary.targets_predicted},
                       {"measured_speedup", summary.targets_measured}};
  }
  json["banyan"] = summary.banyan != nullptr ? Json(summary.banyan->name) : Json();
  json["best_mpi"] = summary.best_mpi != nullptr ? Json(summary.best_mpi->name) : Json();
  json["speedup"] = summary.speedup;
  json["exchange_speedup"] = summary.exchange_speedup;
  json["bound_share"] = summary.bound_share;
  json["exchange_bound_share"] = summary.exchange_bound_share;
  json["wire_quotient"] = summary.wire_quotient;
  json["wrong_elements"] = summary.wrong;
  json["ways"] = Json::array();
  for (const WayResult& way : point.ways) {
    json["ways"].push_back(to_json(way));
  }
  return json;
}

}  // namespace banyan::perf
