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

/// A run: who takes part, over which hosts and links.
struct Contest {
  const DispatchCompareOptions& options;
  const MpiSession& session;
  banyan_comm* comm = nullptr;
  std::vector<int> host_of;
  std::vector<RankGroup> links;  ///< empty: rates unknown
  std::string warning;
};

LayerFacts facts_of(const Contest& contest, const Layer& layer) {
  return {layer.row_bytes(), rows_of(layer, contest.host_of), bound_of(layer, contest.host_of, contest.links)};
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
  const int rank = contest.session.rank();
  const LayerFacts facts = facts_of(contest, layer);
  std::vector<Entrant> entrants;
  add_groups(contest, layer, WayKind::kGroup, entrants);
  if (!options.targets.empty()) {
    add_groups(contest, even, WayKind::kEven, entrants);
  }
  if (options.with_rows) {
    entrants.push_back({"banyan:rows", WayKind::kRows, &layer, facts,
                        make_rows_way(make_banyan_carrier(contest.comm, layer), layer, contest.host_of, rank)});
  }
  if (options.with_mpi) {
    for (AlgorithmComm& comm : algorithm_comms(true, options.mpi_algorithms, contest.warning)) {
      const std::string name = "openmpi:" + comm.algorithm;
      entrants.push_back({name, WayKind::kMpi, &layer, facts,
                          make_rows_way(make_mpi_carrier(std::move(comm), layer), layer, contest.host_of, rank)});
    }
  }
  return entrants;
}

DispatchPoint measure(Contest& contest, size_t tokens) {
  DispatchPoint point;
  LayerTerms terms = contest.options.layer;
  terms.tokens = tokens;
  const Layer even = make_layer(terms, contest.session.size());
  point.layer = even;
  point.targets = contest.options.targets;
  if (!point.targets.empty()) {
    point.target_times = aim(point.layer, contest.comm, point.targets);
  }
  std::vector<Entrant> entrants = make_entrants(contest, point.layer, even);
  point.ways = run_steps(entrants, contest.host_of, contest.options.steps);
  return point;
}

void print_header(const Contest& contest, const Layer& layer) {
  const int num_hosts =
      contest.host_of.empty() ? 0 : *std::max_element(contest.host_of.begin(), contest.host_of.end()) + 1;
  fmt::print(
      "# dispatch_compare {}: {} ranks on {} hosts, top {} of {} experts in {}, {} replicas, hidden {} {}, zipf {}\n",
      contest.options.label, layer.num_ranks, num_hosts, layer.top_k, layer.num_experts, layer.placement,
      layer.replicas, layer.hidden, layer.dtype, layer.zipf);
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
  Contest contest{options, session, banyan.get(), gather_hosts(), {}, {}};
  contest.links = links_of(options.lab_json_file, options.bound_rate, contest.host_of);
  const bool prints = session.rank() == 0;
  const Layer layer = make_layer(options.layer, session.size());  // what is wrong with it, before anything is printed
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
