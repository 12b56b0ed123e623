// SPDX-License-Identifier: Apache-2.0
#include "common/report.hpp"

#include <fmt/format.h>

#include "common/statistics.hpp"

namespace banyan::perf {
namespace {

constexpr double kMicro = 1e6;
constexpr double kGiga = 1e9;

std::string check_cell(const Row& row) { return row.checked == 0 ? "N/A" : std::to_string(row.wrong); }

/// A figure that needs a bound or a prediction; "-" without one.
std::string percent_cell(double share) { return share > 0 ? fmt::format("{:.1f}", share * 100) : "-"; }
std::string time_cell(double time_s) { return time_s > 0 ? fmt::format("{:.1f}", time_s * kMicro) : "-"; }

}  // namespace

RowFigures figures_of(const Row& row) {
  RowFigures figures;
  figures.p50_s = median(row.times_s).value_or(0);
  figures.p99_s = percentile(row.times_s, 0.99).value_or(0);
  const Bandwidth rates = bandwidth(static_cast<double>(row.busiest_bytes), figures.p50_s, row.num_ranks);
  figures.algorithm_bytes_per_s = rates.algorithm_bytes_per_s;
  figures.bus_bytes_per_s = rates.bus_bytes_per_s;
  figures.wire_bytes =
      ratio(static_cast<double>(row.counters.inter_host_bytes), static_cast<double>(row.num_exchanges));
  figures.bound_share = ratio(row.plan.bound_s, figures.p50_s);
  figures.predicted_ratio = ratio(row.plan.predicted_s, figures.p50_s);
  return figures;
}

std::string table_header() {
  return fmt::format("#{:>11} {:>10} {:>11} {:>11} {:>12} {:>12} {:>8} {:>12} {:>10} {:>7} {:>13}  {}\n", "size(B)",
                     "count", "time(us)", "p99(us)", "algbw(GB/s)", "busbw(GB/s)", "#wrong", "wire(B)", "bound(us)",
                     "%bound", "predicted(us)", "algorithm") +
         "# size and count: per pair (mean of an all-to-all-v); time: p50 over iterations of the slowest rank\n";
}

std::string table_line(const Row& row) {
  const RowFigures figures = figures_of(row);
  return fmt::format(" {:>11} {:>10} {:>11.1f} {:>11.1f} {:>12.4f} {:>12.4f} {:>8} {:>12.0f} {:>10} {:>7} {:>13}  {}\n",
                     row.size_bytes, row.size_bytes / row.element_size, figures.p50_s * kMicro, figures.p99_s * kMicro,
                     figures.algorithm_bytes_per_s / kGiga, figures.bus_bytes_per_s / kGiga, check_cell(row),
                     figures.wire_bytes, time_cell(row.plan.bound_s), percent_cell(figures.bound_share),
                     time_cell(row.plan.predicted_s), row.plan.algorithm);
}

std::string table_footer(const std::vector<Row>& rows) {
  double total = 0;
  uint64_t wrong = 0;
  for (const auto& row : rows) {
    total += figures_of(row).bus_bytes_per_s;
    wrong += row.wrong;
  }
  return fmt::format("# Out of bounds values : {} {}\n# Avg bus bandwidth    : {:.4f} GB/s\n", wrong,
                     wrong == 0 ? "OK" : "FAILED", ratio(total, static_cast<double>(rows.size())) / kGiga);
}

Json to_json(const Row& row) {
  const RowFigures figures = figures_of(row);
  Json json;
  json["size_bytes"] = row.size_bytes;
  json["element_size"] = row.element_size;
  json["busiest_rank_bytes"] = row.busiest_bytes;
  json["time_s"] = figures.p50_s;
  json["p50_s"] = figures.p50_s;
  json["p99_s"] = figures.p99_s;
  json["algbw_bytes_per_s"] = figures.algorithm_bytes_per_s;
  json["busbw_bytes_per_s"] = figures.bus_bytes_per_s;
  json["checked_exchanges"] = row.checked;
  json["wrong_bytes"] = row.wrong;
  json["wire_bytes"] = figures.wire_bytes;
  json["bound_s"] = row.plan.bound_s;
  json["bound_share"] = figures.bound_share;
  json["predicted_s"] = row.plan.predicted_s;
  json["predicted_ratio"] = figures.predicted_ratio;
  json["algorithm"] = row.plan.algorithm;
  json["model_measured"] = row.plan.measured;
  json["plan"] = {{"wire_bytes", row.plan.wire_bytes},
                  {"logical_bytes", row.plan.logical_bytes},
                  {"messages", row.plan.num_messages},
                  {"mapped_messages", row.plan.num_mapped_messages}};
  json["counters"] = {{"exchanges", row.num_exchanges},
                      {"messages", row.counters.messages},
                      {"message_bytes", row.counters.message_bytes},
                      {"mapped_writes", row.counters.mapped_writes},
                      {"mapped_bytes", row.counters.mapped_bytes},
                      {"inter_host_messages", row.counters.inter_host_messages},
                      {"inter_host_bytes", row.counters.inter_host_bytes}};
  json["slowest_rank_times_s"] = row.times_s;
  return json;
}

Json to_json(const SweepOptions& options) {
  return {{"minbytes", options.min_size.bytes},
          {"maxbytes", options.max_size.bytes},
          {"stepbytes", options.step.bytes},
          {"stepfactor", options.factor},
          {"iters", options.iterations},
          {"warmup_iters", options.warmup},
          {"check", options.checks},
          {"element_size", options.element_size},
          {"oneshot", options.oneshot},
          {"algorithm", options.algorithm}};
}

}  // namespace banyan::perf
