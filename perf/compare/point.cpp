// SPDX-License-Identifier: Apache-2.0
#include "compare/point.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/statistics.hpp"

namespace banyan::perf {
namespace {

constexpr double kMicro = 1e6;
constexpr double kPredictionTolerance = 0.25;

std::string number_cell(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "-";
}

/// Open MPI's algorithms by their own names, others with the library's.
std::string column_of(const std::string& candidate) {
  const std::string prefix = "openmpi:";
  return candidate.starts_with(prefix) ? candidate.substr(prefix.size()) : candidate;
}
size_t width_of(const std::string& candidate) { return std::max<size_t>(column_of(candidate).size(), 9); }

std::string verdict_cell(const PointSummary& summary) {
  if (summary.banyan == nullptr || !summary.verdict.bar) {
    return "-";
  }
  if (summary.verdict.passed) {
    return "pass";
  }
  return summary.verdict.beyond_bound ? "wire" : "FAIL";
}

Json to_json(const CandidateResult& result) {
  Json json;
  json["name"] = result.name;
  json["median_s"] = result.median_s();
  json["p99_s"] = result.p99_s();
  json["min_s"] = percentile(result.round_s, 0).value_or(0);
  json["rounds_s"] = result.round_s;
  if (result.left_out_s > 0) {
    json["left_out_s"] = result.left_out_s;
  }
  json["exchanges_per_round"] = result.exchanges_per_round;
  json["checked_exchanges"] = result.checked;
  json["wrong_bytes"] = result.wrong;
  json["nic_bytes_per_exchange"] = result.nic_bytes_per_exchange();
  if (result.settling_calls > 0) {
    json["settling"] = {{"calls", result.settling_calls}, {"seconds", result.settling_s}};
  }
  if (result.counters) {
    const auto per_exchange = [&](uint64_t total) {
      return ratio(static_cast<double>(total), static_cast<double>(result.num_exchanges));
    };
    json["per_exchange"] = {{"messages", per_exchange(result.counters->messages)},
                            {"message_bytes", per_exchange(result.counters->message_bytes)},
                            {"mapped_writes", per_exchange(result.counters->mapped_writes)},
                            {"mapped_bytes", per_exchange(result.counters->mapped_bytes)},
                            {"inter_host_messages", per_exchange(result.counters->inter_host_messages)},
                            {"inter_host_bytes", per_exchange(result.counters->inter_host_bytes)}};
  }
  if (result.plan) {
    json["plan"] = {{"algorithm", result.plan->algorithm},   {"predicted_s", result.plan->predicted_s},
                    {"bound_s", result.plan->bound_s},       {"model_measured", result.plan->measured},
                    {"wire_bytes", result.plan->wire_bytes}, {"logical_bytes", result.plan->logical_bytes},
                    {"messages", result.plan->num_messages}, {"mapped_messages", result.plan->num_mapped_messages}};
  }
  return json;
}

Json to_json(const Verdict& verdict) {
  Json json;
  json["passed"] = verdict.passed;
  json["beyond_bound"] = verdict.beyond_bound;
  json["speedup"] = verdict.speedup;
  json["bound_share"] = verdict.bound_share;
  if (verdict.bar) {
    json["bar"] = {{"speedup", verdict.bar->speedup},
                   {"bound_share", verdict.bar->bound_share},
                   {"never_below", verdict.bar->never_below}};
  }
  return json;
}

}  // namespace

double CandidateResult::median_s() const { return median(round_s).value_or(0); }

double CandidateResult::p99_s() const { return percentile(round_s, 0.99).value_or(0); }

double CandidateResult::nic_bytes_per_exchange() const {
  return ratio(static_cast<double>(nic_bytes), static_cast<double>(num_exchanges));
}

PointSummary summarize(const Point& point) {
  PointSummary summary;
  for (const auto& candidate : point.candidates) {
    summary.wrong += candidate.wrong;
    if (candidate.is_banyan) {
      summary.banyan = summary.banyan == nullptr ? &candidate : summary.banyan;
    } else if (!candidate.round_s.empty() &&
               (summary.best_mpi == nullptr || candidate.median_s() < summary.best_mpi->median_s())) {
      summary.best_mpi = &candidate;
    }
  }
  const double best_mpi_s = summary.best_mpi != nullptr ? summary.best_mpi->median_s() : 0;
  const PlanFigures* plan = summary.banyan != nullptr && summary.banyan->plan ? &*summary.banyan->plan : nullptr;
  summary.bound_s = point.bound_s.value_or(plan != nullptr ? plan->bound_s : 0);
  if (summary.banyan != nullptr) {
    const double banyan_s = summary.banyan->median_s();
    summary.verdict = judge(point.judged ? point.kind : PointKind::kOther, banyan_s, best_mpi_s, summary.bound_s);
    summary.predicted_ratio = plan != nullptr ? ratio(plan->predicted_s, banyan_s) : 0;
  }
  return summary;
}

std::string comparison_header(const std::vector<std::string>& candidates) {
  std::string line = fmt::format("#{:>8} {:>8}", "size(B)", "kind");
  for (const auto& name : candidates) {
    line += fmt::format(" {:>{}}", column_of(name), width_of(name));
  }
  return line + fmt::format(" {:>9} {:>9} {:>6} {:>10} {:>6} {:>9} {:>12} {:>12} {:>6} {:>5}  {}\n", "MPI p99", "p99",
                            "ratio", "bound(us)", "%bound", "pred/meas", "MPI wire(B)", "wire(B)", "#wrong", "bar",
                            "best MPI, algorithm");
}

std::string comparison_line(const Point& point) {
  const PointSummary summary = summarize(point);
  std::string line = fmt::format(" {:>8} {:>8}", point.size_bytes, name_of(point.kind));
  for (const auto& candidate : point.candidates) {
    line += fmt::format(" {:>{}}", number_cell(candidate.median_s() * kMicro, "{:.1f}"), width_of(candidate.name));
  }
  const auto wire = [](const CandidateResult* result) { return result ? result->nic_bytes_per_exchange() : 0; };
  const auto p99 = [](const CandidateResult* result) {
    return number_cell(result ? result->p99_s() * kMicro : 0, "{:.1f}");
  };
  const bool planned = summary.banyan != nullptr && summary.banyan->plan;
  std::string names = summary.best_mpi != nullptr ? summary.best_mpi->name : "-";
  names += planned ? ", " + summary.banyan->plan->algorithm : "";
  return line + fmt::format(" {:>9} {:>9} {:>6} {:>10} {:>6} {:>9} {:>12.0f} {:>12.0f} {:>6} {:>5}  {}\n",
                            p99(summary.best_mpi), p99(summary.banyan), number_cell(summary.verdict.speedup, "{:.2f}"),
                            number_cell(summary.bound_s * kMicro, "{:.1f}"),
                            number_cell(summary.verdict.bound_share * 100, "{:.1f}"),
                            number_cell(summary.predicted_ratio, "{:.2f}"), wire(summary.best_mpi),
                            wire(summary.banyan), summary.wrong, verdict_cell(summary), names);
}

std::string comparison_footer(const std::vector<Point>& points) {
  size_t with_bar = 0;
  size_t passed = 0;
  size_t beyond = 0;
  size_t predicted = 0;
  size_t near = 0;
  uint64_t wrong = 0;
  for (const auto& point : points) {
    const PointSummary summary = summarize(point);
    wrong += summary.wrong;
    const bool has_bar = summary.banyan != nullptr && summary.verdict.bar.has_value();
    with_bar += has_bar ? 1U : 0U;
    passed += has_bar && summary.verdict.passed ? 1U : 0U;
    beyond += verdict_cell(summary) == "wire" ? 1U : 0U;
    predicted += summary.predicted_ratio > 0 ? 1U : 0U;
    const bool is_near = std::abs(summary.predicted_ratio - 1) <= kPredictionTolerance;
    near += summary.predicted_ratio > 0 && is_near ? 1U : 0U;
  }
  const std::string unreachable = beyond > 0 ? fmt::format(", beyond the wires: {}", beyond) : "";
  const std::string bars =
      with_bar > 0 ? fmt::format("bars passed: {} of {}{}; ", passed, with_bar, unreachable) : std::string();
  return fmt::format("# {}predicted within 25 %: {} of {}; wrong bytes: {}\n", bars, near, predicted, wrong);
}

Json to_json(const Point& point) {
  const PointSummary summary = summarize(point);
  Json json;
  json["size_bytes"] = point.size_bytes;
  json["kind"] = name_of(point.kind);
  json["traffic"] = point.traffic;
  json["inter_host_bytes"] = point.inter_host_bytes;
  json["busiest_rank_share"] = point.busiest_rank_share;
  json["bound_s"] = summary.bound_s;
  json["bound_source"] = point.bound_s ? "link rates given" : "plan";
  json["best_mpi"] = summary.best_mpi != nullptr ? Json(summary.best_mpi->name) : Json();
  json["predicted_ratio"] = summary.predicted_ratio;
  json["wrong_bytes"] = summary.wrong;
  if (summary.banyan != nullptr) {
    json["verdict"] = to_json(summary.verdict);
  }
  json["candidates"] = Json::array();
  for (const auto& candidate : point.candidates) {
    json["candidates"].push_back(to_json(candidate));
  }
  return json;
}

std::string to_csv(const std::vector<Point>& points, const std::string& label) {
  std::string csv = "label,kind,size_bytes,candidate,median_s,p99_s,bound_s,nic_bytes,wrong_bytes\n";
  for (const auto& point : points) {
    const double bound_s = summarize(point).bound_s;
    for (const auto& candidate : point.candidates) {
      if (candidate.round_s.empty()) {
        continue;
      }
      csv += fmt::format("{},{},{},{},{:.9f},{:.9f},{:.9f},{:.0f},{}\n", label, name_of(point.kind), point.size_bytes,
                         candidate.name, candidate.median_s(), candidate.p99_s(), bound_s,
                         candidate.nic_bytes_per_exchange(), candidate.wrong);
    }
  }
  return csv;
}

}  // namespace banyan::perf
