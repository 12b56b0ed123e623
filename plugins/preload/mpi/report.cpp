// SPDX-License-Identifier: Apache-2.0
#include "mpi/report.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "mpi/notice.hpp"

namespace banyan::preload {
namespace {

constexpr double kMicroseconds = 1e6;

std::string title_of(const ObservedCommunicator& one) {
  return (one.name.empty() ? "a communicator without a name" : "communicator " + one.name) + " of " +
         std::to_string(one.size) + " ranks";
}

template <typename... Values>
std::string line(const char* format, Values... values) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

std::string row_of(const ObservedCalls& calls) {
  const std::string seen =
      line("%-10s %9llu %14.0f %12.1f %12.1f", calls.form.c_str(), static_cast<unsigned long long>(calls.num_calls),
           calls.bytes_per_pair, calls.mpi_mean_s * kMicroseconds, calls.mpi_fastest_s * kMicroseconds);
  if (calls.algorithm.empty()) {
    return seen + "  Banyan could not be asked";
  }
  return seen + line(" %12.1f %12.6f  %s", calls.predicted_s * kMicroseconds, calls.gain_s(), calls.algorithm.c_str());
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  }
  return safe;
}

/// Where a rank writes: rank 0 to the file itself, another beside it.
std::filesystem::path place_of(const std::filesystem::path& wanted, int world_rank) {
  if (world_rank == 0) {
    return wanted;
  }
  auto place = wanted;
  place.replace_extension(".rank" + std::to_string(world_rank) + wanted.extension().string());
  return place;
}

}  // namespace

std::string report_text(const std::vector<ObservedCommunicator>& observed, const std::string& prefix) {
  std::string text;
  for (const ObservedCommunicator& one : observed) {
    text += prefix + "observed " + title_of(one) + "; times per call in us, of MPI's slowest rank:\n";
    text += prefix + line("%-10s %9s %14s %12s %12s %12s %12s  %s\n", "form", "calls", "bytes per pair", "MPI mean",
                          "MPI fastest", "predicted", "gain, s", "Banyan's algorithm");
    for (const ObservedCalls& calls : one.calls) {
      text += prefix + row_of(calls) + '\n';
    }
  }
  return text;
}

std::string report_json(const std::vector<ObservedCommunicator>& observed) {
  nlohmann::ordered_json communicators = nlohmann::ordered_json::array();
  for (const ObservedCommunicator& one : observed) {
    nlohmann::ordered_json all_calls = nlohmann::ordered_json::array();
    for (const ObservedCalls& calls : one.calls) {
      nlohmann::ordered_json entry = {{"form", calls.form},
                                      {"calls", calls.num_calls},
                                      {"bytes_per_pair", calls.bytes_per_pair},
                                      {"mpi_mean_s", calls.mpi_mean_s},
                                      {"mpi_fastest_s", calls.mpi_fastest_s}};
      if (!calls.algorithm.empty()) {
        entry["algorithm"] = calls.algorithm;
        entry["predicted_s"] = calls.predicted_s;
        entry["lower_bound_s"] = calls.lower_bound_s;
        entry["measured_speeds"] = calls.measured;
        entry["predicted_gain_s"] = calls.gain_s();
      }
      all_calls.push_back(std::move(entry));
    }
    communicators.push_back({{"name", one.name}, {"ranks", one.size}, {"calls", std::move(all_calls)}});
  }
  const nlohmann::ordered_json report = {
      {"format", "banyan-preload-report"}, {"version", 1}, {"communicators", std::move(communicators)}};
  return report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

std::string report_html(const std::vector<ObservedCommunicator>& observed) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>All-to-alls that Banyan "
      "observed</title>\n"
      "<style>body{font-family:sans-serif}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;"
      "border-bottom:1px solid #ccc}td:first-child,td:last-child{text-align:left}</style></head><body>\n"
      "<h1>All-to-alls that Banyan observed</h1>\n<p>All were MPI's. Times per call in microseconds, of the slowest "
      "rank. "
      "The gain is that of all calls, in seconds, against MPI's fastest.</p>\n";
  for (const ObservedCommunicator& one : observed) {
    page += "<h2>" + escaped(title_of(one)) +
            "</h2>\n<table><tr><th>form</th><th>calls</th><th>bytes per pair</th><th>MPI mean</th><th>MPI fastest</th>"
            "<th>Banyan predicted</th><th>gain</th><th>Banyan's algorithm</th></tr>\n";
    for (const ObservedCalls& calls : one.calls) {
      page += "<tr><td>" + calls.form +
              line("</td><td>%llu</td><td>%.0f</td><td>%.1f</td><td>%.1f</td>",
                   static_cast<unsigned long long>(calls.num_calls), calls.bytes_per_pair,
                   calls.mpi_mean_s * kMicroseconds, calls.mpi_fastest_s * kMicroseconds);
      page += calls.algorithm.empty()
                  ? "<td></td><td></td><td>could not be asked</td>"
                  : line("<td>%.1f</td><td>%.6f</td><td>", calls.predicted_s * kMicroseconds, calls.gain_s()) +
                        escaped(calls.algorithm) + "</td>";
      page += "</tr>\n";
    }
    page += "</table>\n";
  }
  return page + "</body></html>\n";
}

void write_report(const std::vector<ObservedCommunicator>& observed, int world_rank) {
  const char* wanted = std::getenv("BANYAN_PRELOAD_REPORT");
  if (observed.empty()) {
    return;
  }
  if (wanted == nullptr || *wanted == '\0') {
    std::fputs(report_text(observed, "banyan preload: ").c_str(), stderr);
    return;
  }
  const auto place = place_of(wanted, world_rank);
  const std::string kind = place.extension();
  std::ofstream file(place);
  file << (kind == ".json"   ? report_json(observed)
           : kind == ".html" ? report_html(observed)
                             : report_text(observed, ""));
  file.close();
  if (!file) {
    say("cannot write the report " + place.string() + ": " + std::generic_category().message(errno));
  }
}

}  // namespace banyan::preload
