// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

#include "common/bound.hpp"
#include "common/environment.hpp"
#include "common/failure.hpp"
#include "common/program.hpp"
#include "common/statistics.hpp"
#include "compare/banyan_candidate.hpp"
#include "compare/compare_options.hpp"
#include "compare/links.hpp"
#include "compare/mpi_candidate.hpp"
#include "compare/mpich_partner.hpp"
#include "compare/point.hpp"
#include "compare/preloaded_candidate.hpp"

namespace banyan::perf {
namespace {

/// A run: who takes part, over which hosts and links.
struct Contest {
  std::unique_ptr<MpichPartner> mpich;  ///< nullptr: not wanted, or why_no_mpich
  std::vector<std::unique_ptr<Candidate>> candidates;
  std::vector<int> host_of;
  std::vector<RankGroup> links;  ///< empty: rates unknown
  RoundOptions rounds;
  std::string warning;
  std::string why_no_mpich;
};

void add_mpich(const CompareOptions& options, const MpiSession& session, Contest& contest) {
  if (options.mpich_sockets.empty()) {
    return;
  }
  contest.mpich = join_mpich(options.mpich_sockets, session.rank(), session.size(), contest.why_no_mpich);
  if (contest.mpich) {
    for (auto& candidate : mpich_candidates(*contest.mpich, options.variable)) {
      contest.candidates.push_back(std::move(candidate));
    }
  }
}

Contest make_contest(const CompareOptions& options, const MpiSession& session, banyan_comm* comm) {
  Contest contest;
  contest.candidates = mpi_candidates(options.variable, options.mpi_algorithms, contest.warning);
  add_mpich(options, session, contest);
  if (comm != nullptr) {
    contest.candidates.push_back(std::make_unique<BanyanCandidate>(comm, "auto"));
    for (const auto& algorithm : options.algorithms) {
      contest.candidates.push_back(std::make_unique<BanyanCandidate>(comm, algorithm));
    }
  }
  if (options.with_preloaded) {
    contest.candidates.push_back(std::make_unique<PreloadedCandidate>());
  }
  contest.host_of = gather_hosts();
  contest.links = links_of(options.lab_json_file, options.bound_rate, contest.host_of);
  contest.rounds = options.rounds;
  if (!options.lab_json_file.empty()) {  // twice: one bucket on the way out, one on the way in
    contest.rounds.min_untimed_s = 2 * lab_bucket_s(read_file(options.lab_json_file));
  }
  return contest;
}

std::vector<Traffic> points_of(const CompareOptions& options, int num_ranks) {
  if (options.variable) {
    return variable_traffic(options.traffic, options.sweep, num_ranks);
  }
  std::vector<Traffic> points;
  for (const size_t size : sweep_sizes(options.sweep)) {
    points.push_back(uniform_traffic(num_ranks, size, options.sweep.element_size));
  }
  return points;
}

std::string describe_traffic(const CompareOptions& options) {
  if (!options.traffic.matrix_file.empty()) {
    return "matrix " + options.traffic.matrix_file;
  }
  if (!options.traffic.generator.empty()) {
    return options.traffic.generator + " seed " + std::to_string(options.traffic.seed);
  }
  return options.variable ? "equal counts, all-to-all-v" : "uniform";
}

Point measure_point(const CompareOptions& options, const Contest& contest, const Traffic& traffic) {
  Point point;
  point.size_bytes = traffic.uniform_bytes.value_or(mean_bytes_per_pair(traffic));
  point.kind = kind_of(traffic, options.traffic.generator);
  point.judged = options.with_bars;
  point.traffic = describe_traffic(options);
  point.inter_host_bytes = inter_host_bytes(traffic, contest.host_of);
  point.busiest_rank_share =
      ratio(static_cast<double>(busiest_rank_bytes(traffic)), static_cast<double>(total_bytes(traffic)));
  if (!contest.links.empty()) {
    point.bound_s = lower_bound_s(traffic, contest.links);
  }
  point.candidates = run_rounds(contest.candidates, traffic, contest.host_of, contest.rounds);
  return point;
}

/// Empty: MPICH took part to the end, or was not asked for.
std::string why_no_mpich(const Contest& contest) {
  return contest.mpich && contest.mpich->is_lost() ? "mpich_compare was lost on the way, see stderr"
                                                   : contest.why_no_mpich;
}

void write_results(const CompareOptions& options, const Contest& contest, const std::vector<Point>& points,
                   Json environment) {
  environment["mpi"] = MpiSession::version();
  environment["mpich"] = contest.mpich ? Json(contest.mpich->version()) : Json();
  if (options.with_banyan) {
    environment["banyan"] = describe_library();
  }
  if (!options.sweep.json_file.empty()) {
    Json json;
    json["format"] = "banyan-compare-1";
    json["label"] = options.label;
    json["environment"] = std::move(environment);
    json["rounds"] = options.rounds.rounds;
    json["ranks"] = contest.host_of.size();
    json["host_of_rank"] = contest.host_of;
    json["warning"] = contest.warning;
    json["why_no_mpich"] = why_no_mpich(contest);
    json["points"] = Json::array();
    for (const auto& point : points) {
      json["points"].push_back(to_json(point));
    }
    write_file(options.sweep.json_file, json.dump(1) + "\n");
  }
  if (!options.csv_file.empty()) {
    write_file(options.csv_file, to_csv(points, options.label));
  }
}

void print_header(const CompareOptions& options, const Contest& contest, int num_ranks) {
  std::vector<std::string> names;
  for (const auto& candidate : contest.candidates) {
    names.push_back(candidate->name());
  }
  const int num_hosts =
      contest.host_of.empty() ? 0 : *std::max_element(contest.host_of.begin(), contest.host_of.end()) + 1;
  fmt::print("# mpi_compare {}: {} ranks on {} hosts, {}; times in us: median of {} rounds{} of the slowest rank\n",
             options.label, num_ranks, num_hosts, describe_traffic(options), options.rounds.rounds,
             options.rounds.steady > 0 ? ", more where they are unsteady," : "");
  if (!contest.warning.empty()) {
    fmt::print("# warning: {}\n", contest.warning);
  }
  if (!contest.why_no_mpich.empty()) {
    fmt::print("# MPICH is not measured: {}\n", contest.why_no_mpich);
  }
  fmt::print("{}", comparison_header(names));
  std::fflush(stdout);
}

int run(const CompareOptions& options, const MpiSession& session, const Json& environment) {
  std::unique_ptr<BanyanOverMpi> banyan;
  if (options.with_banyan) {
    banyan = std::make_unique<BanyanOverMpi>(session, options.profile_file);
  }
  const bool prints = session.rank() == 0;
  const Contest contest = make_contest(options, session, banyan ? banyan->get() : nullptr);
  const std::vector<Traffic> traffics = points_of(options, session.size());
  if (prints) {
    print_header(options, contest, session.size());
  }
  std::vector<Point> points;
  uint64_t wrong = 0;
  const double start = MPI_Wtime();
  for (const auto& traffic : traffics) {
    if (options.budget_s > 0 && from_rank_zero(MPI_Wtime() - start) > options.budget_s) {
      if (prints) {
        fmt::print("# left out, budget spent: {} bytes\n",
                   traffic.uniform_bytes.value_or(mean_bytes_per_pair(traffic)));
      }
      continue;
    }
    points.push_back(measure_point(options, contest, traffic));
    wrong += summarize(points.back()).wrong;
    if (prints) {
      fmt::print("{}", comparison_line(points.back()));
      std::fflush(stdout);
    }
  }
  if (prints) {
    fmt::print("{}", comparison_footer(points));
    if (contest.mpich && contest.mpich->is_lost()) {
      fmt::print("# {}\n", why_no_mpich(contest));
    }
    write_results(options, contest, points, environment);
  }
  return wrong == 0 ? kExitOk : kExitFailed;
}

int compare(int argc, char** argv) {
  const CompareOptions options = parse_compare_options(argc, argv);
  if (options.help) {
    fmt::print("{}", compare_help());
    return kExitOk;
  }
  const Json environment = describe_environment(argc, argv);
  MpiSession session(&argc, &argv);
  return guarded("mpi_compare", session, [&] { return run(options, session, environment); });
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  return banyan::perf::run_program("mpi_compare", [&] { return banyan::perf::compare(argc, argv); });
}
