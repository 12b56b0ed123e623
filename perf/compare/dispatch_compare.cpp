// SPDX-License-Identifier: Apache-2.0
// The token exchange beside MPI_Alltoallv, in one run.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

#include "common/failure.hpp"
#include "common/program.hpp"
#include "compare/banyan_candidate.hpp"
#include "compare/dispatch_options.hpp"
#include "compare/links.hpp"
#include "compare/mpi_carrier.hpp"
#include "layer/group_way.hpp"

namespace banyan::perf {
namespace {

/// The expert-parallel group that a rank is in; all have equal layers, and places of equal hosts.
struct Team {
  int rank = 0;
  int size = 0;
  std::vector<int> host_of;      ///< by rank of the team
  std::vector<RankGroup> links;  ///< its part of each link; empty: rates unknown
};

/// A run: who takes part, over which hosts and links.
struct Contest {
  const DispatchCompareOptions& options;
  const MpiSession& session;
  banyan_comm* comm = nullptr;  ///< the team's
  const MpiComm& mpi;           ///< likewise
  std::vector<int> host_of;     ///< by rank of the job
  Team team;
  std::string warning;
};

/// UsageError: the groups would not be alike.
Team team_of(const DispatchCompareOptions& options, const MpiSession& session, const std::vector<int>& host_of) {
  const int groups = options.groups;
  if (session.size() % groups != 0) {
    throw UsageError(fmt::format("--groups {} does not divide {} ranks", groups, session.size()));
  }
  Team team;
  team.rank = session.rank() / groups;
  team.size = session.size() / groups;
  for (int rank = 0; rank < session.size(); rank += groups) {
    const auto at = static_cast<size_t>(rank);
    team.host_of.push_back(host_of[at]);
    for (int other = 1; other < groups; ++other) {
      if (host_of[at + static_cast<size_t>(other)] != host_of[at]) {
        throw UsageError(fmt::format("--groups {}: ranks {} and {} are on two hosts, so the groups are not alike",
                                     groups, rank, rank + other));
      }
    }
  }
  for (RankGroup link : links_of(options.lab_json_file, options.bound_rate, host_of)) {
    std::erase_if(link.ranks, [&](int rank) { return rank % groups != 0; });
    std::transform(link.ranks.begin(), link.ranks.end(), link.ranks.begin(), [&](int rank) { return rank / groups; });
    link.egress_bytes_per_s /= groups;
    link.ingress_bytes_per_s /= groups;
    team.links.push_back(std::move(link));
  }
  return team;
}

/// Rows are those of all groups.
LayerFacts facts_of(const Contest& contest, const Layer& layer) {
  LayerRows rows = rows_of(layer, contest.team.host_of);
  for (uint64_t* count : {&rows.choices, &rows.inter_host_choices, &rows.inter_host_rows}) {
    *count *= static_cast<uint64_t>(contest.options.groups);
  }
  return {layer.row_bytes(), rows, bound_of(layer, contest.team.host_of, contest.team.links)};
}

void add_groups(const Contest& contest, const Layer& layer, WayKind kind, std::vector<Entrant>& entrants) {
  const LayerFacts facts = facts_of(contest, layer);
  for (const std::string& dedup : contest.options.dedups) {
    const std::string name = "banyan:" + dedup + (kind == WayKind::kEven ? " even" : "");
    entrants.push_back({name, kind, &layer, facts, make_group_way(contest.comm, layer, parse_dedup(dedup))});
  }
}

std::vector<Entrant> make_entrants(Contest& contest, const Layer& layer, const Layer& even) {
  const DispatchCompareOptions& options = contest.options;
  const Team& team = contest.team;
  const LayerFacts facts = facts_of(contest, layer);
  std::vector<Entrant> entrants;
  add_groups(contest, layer, WayKind::kGroup, entrants);
  if (!options.targets.empty()) {
    add_groups(contest, even, WayKind::kEven, entrants);
  }
  if (options.with_rows) {
    entrants.push_back({"banyan:rows", WayKind::kRows, &layer, facts,
                        make_rows_way(make_banyan_carrier(contest.comm, layer), layer, team.host_of, team.rank)});
  }
  if (options.with_mpi) {
    for (AlgorithmComm& comm : algorithm_comms(true, options.mpi_algorithms, contest.warning, contest.mpi.get())) {
      const std::string name = "openmpi:" + comm.algorithm;
      entrants.push_back({name, WayKind::kMpi, &layer, facts,
                          make_rows_way(make_mpi_carrier(std::move(comm), layer), layer, team.host_of, team.rank)});
    }
  }
  return entrants;
}

DispatchPoint measure(Contest& contest, size_t tokens) {
  DispatchPoint point;
  LayerTerms terms = contest.options.layer;
  terms.tokens = tokens;
  const Layer even = make_layer(terms, contest.team.size);
  point.layer = even;
  point.targets = contest.options.targets;
  if (!point.targets.empty()) {
    point.target_times = aim(point.layer, contest.comm, point.targets);
  }
  std::vector<Entrant> entrants = make_entrants(contest, point.layer, even);
  point.ways = run_steps(entrants, contest.host_of, contest.team.rank, contest.options.steps);
  return point;
}

void print_header(const Contest& contest, const Layer& layer) {
  const int num_hosts =
      contest.host_of.empty() ? 0 : *std::max_element(contest.host_of.begin(), contest.host_of.end()) + 1;
  fmt::print(
      "# dispatch_compare {}: {} ranks on {} hosts, top {} of {} experts in {}, {} replicas, hidden {} {}, zipf {}\n",
      contest.options.label, contest.session.size(), num_hosts, layer.top_k, layer.num_experts, layer.placement,
      layer.replicas, layer.hidden, layer.dtype, layer.zipf);
  if (contest.options.groups > 1) {
    fmt::print("# {} expert-parallel groups of {} ranks, {} apart; rows and bytes are those of all\n",
               contest.options.groups, layer.num_ranks, contest.options.groups);
  }
  if (layer.zero_ranks > 0) {
    fmt::print("# {} of the ranks have no tokens\n", layer.zero_ranks);
  }
  fmt::print("{}", dispatch_header());
  std::fflush(stdout);
}

void write_results(const Contest& contest, const std::vector<DispatchPoint>& points, Json environment) {
  if (contest.options.json_file.empty()) {
    return;
  }
  environment["mpi"] = MpiSession::version();
  environment["banyan"] = describe_library();
  Json json;
  json["format"] = "banyan-dispatch-1";
  json["label"] = contest.options.label;
  json["environment"] = std::move(environment);
  json["rounds"] = contest.options.steps.rounds;
  json["ranks"] = contest.session.size();
  json["groups"] = contest.options.groups;
  json["host_of_rank"] = contest.host_of;
  json["warning"] = contest.warning;
  json["points"] = Json::array();
  for (const DispatchPoint& point : points) {
    json["points"].push_back(to_json(point));
  }
  write_file(contest.options.json_file, json.dump(1) + "\n");
}

int run(const DispatchCompareOptions& options, const MpiSession& session, const Json& environment) {
  BanyanOverMpi banyan(session, options.profile_file);
  const auto host_of = gather_hosts();
  const Team team = team_of(options, session, host_of);
  const int colour = session.rank() % options.groups;
  banyan_comm* split = nullptr;
  require(banyan_comm_split(banyan.get(), colour, team.rank, &split), "banyan_comm_split");
  const Comm of_team(split);
  const MpiComm mpi = MpiComm::of_colour(colour);
  Contest contest{options, session, split, mpi, host_of, team, {}};
  const bool prints = session.rank() == 0;
  const Layer layer = make_layer(options.layer, team.size);  // what is wrong with it, before anything is printed
  if (prints) {
    print_header(contest, layer);
  }
  std::vector<DispatchPoint> points;
  uint64_t wrong = 0;
  const double start = MPI_Wtime();
  for (const size_t tokens : options.tokens) {
    if (options.budget_s > 0 && from_rank_zero(MPI_Wtime() - start) > options.budget_s) {
      if (prints) {
        fmt::print("# left out, budget spent: {} tokens\n", tokens);
      }
      continue;
    }
    points.push_back(measure(contest, tokens));
    wrong += summarize(points.back()).wrong;
    if (prints) {
      fmt::print("{}", dispatch_lines(points.back()));
      std::fflush(stdout);
    }
  }
  if (prints) {
    if (!contest.warning.empty()) {
      fmt::print("# warning: {}\n", contest.warning);
    }
    write_results(contest, points, environment);
  }
  return wrong == 0 ? kExitOk : kExitFailed;
}

int compare(int argc, char** argv) {
  const DispatchCompareOptions options = parse_dispatch_options(argc, argv);
  if (options.help) {
    fmt::print("{}", dispatch_compare_help());
    return kExitOk;
  }
  const Json environment = describe_environment(argc, argv);
  const MpiSession session(&argc, &argv);
  return guarded("dispatch_compare", session, [&] { return run(options, session, environment); });
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  return banyan::perf::run_program("dispatch_compare", [&] { return banyan::perf::compare(argc, argv); });
}
