// SPDX-License-Identifier: Apache-2.0
#include "planning/scenario.hpp"

#include "base/env.hpp"
#include "base/file.hpp"
#include "base/parse.hpp"
#include "common/tool.hpp"
#include "cost/inferred_racks.hpp"
#include "planner/traffic_generators.hpp"
#include "planner/tuning_rules.hpp"
#include "topology/discover.hpp"

namespace banyan::tool {
namespace {

namespace po = boost::program_options;

size_t parse_bytes(const std::string& option, const std::string& text) {
  const auto bytes = parse::bytes(text);
  if (!bytes) {
    throw UsageError("--" + option + " " + text + ": expected a number of bytes such as 4096, 64k or 1M");
  }
  return *bytes;
}

int parse_window(const std::string& text) {
  const auto window = parse::integer(text);
  if (!window || *window < 1 || *window > 65536) {
    throw UsageError("--window " + text + ": expected a number from 1 to 65536");
  }
  return static_cast<int>(*window);
}

std::optional<cost::Profile> load_profile(const ScenarioRequest& request) {
  if (request.profile_file.empty()) {
    return std::nullopt;
  }
  return cost::profile_from_json(file::read(request.profile_file)).value(request.profile_file);
}

topology::LocalityTree load_tree(const ScenarioRequest& request, const std::optional<cost::Profile>& profile) {
  const bool from_file = !request.topology_file.empty();
  topology::Graph graph = from_file
                              ? topology::from_text(file::read(request.topology_file)).value(request.topology_file)
                              : topology::from_synthetic(request.synthetic).value("\"" + request.synthetic + "\"");
  const std::string& name = from_file ? request.topology_file : request.synthetic;
  if (const std::string problem = topology::check(graph); !problem.empty()) {
    throw Error(BANYAN_ERR_FORMAT, name + ": " + problem);
  }
  if (graph.num_ranks() == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                name +
                    " has no ranks, so there is nobody to exchange with; Slurm's topology.conf has none: write what "
                    "banyan-topo --ranks sees of the job to a file, or describe it with --synthetic");
  }
  if (profile) {
    static_cast<void>(cost::add_inferred_racks(graph, *profile));
  }
  return topology::LocalityTree::derive(graph);
}

cost::CostModel load_model(const std::optional<cost::Profile>& profile, const topology::LocalityTree& tree) {
  return profile ? cost::measured_model(tree, *profile) : cost::nominal_model(tree);
}

planner::TrafficMatrix load_matrix(const ScenarioRequest& request, int num_ranks) {
  if (!request.generator.empty()) {
    return planner::generate_traffic(planner::parse_traffic_spec(request.generator, request.seed), num_ranks);
  }
  if (request.matrix_file.empty()) {
    return {num_ranks, {}};
  }
  planner::TrafficMatrix matrix = planner::parse_matrix(file::read(request.matrix_file)).value(request.matrix_file);
  if (matrix.num_ranks != num_ranks) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, request.matrix_file + " is a matrix of " +
                                                 std::to_string(matrix.num_ranks) + " ranks, the topology has " +
                                                 std::to_string(num_ranks));
  }
  return matrix;
}

planner::Wish load_wish(const ScenarioRequest& request, const planner::Hosts& hosts) {
  planner::Wish wish = request.wish;
  if (request.algorithm_named || request.tuning_file.empty()) {
    return wish;
  }
  const std::string name = "tuning file " + request.tuning_file;
  const auto rules = planner::TuningRules::parse(file::read(request.tuning_file), name).value(name);
  if (auto match = rules.find(planner::tuning_case(hosts, request.bytes_per_pair))) {
    wish.algorithm = std::move(match->algorithm);
    wish.origin = std::move(match->origin);
  }
  return wish;
}

}  // namespace

po::options_description scenario_options() {
  po::options_description options("What to plan");
  const auto text = [] { return po::value<std::string>(); };
  options.add_options()("topology,t", text(), "the machines: Banyan JSON or NCCL topology XML")(
      "synthetic,s", text(), "or a description, e.g. \"2:[8,7] nic=10gbit\"")(
      "profile,p", text(), "speeds that banyan-profile measured; without: nominal ones")(
      "bytes,b", text(), "traffic: all-to-all with so many bytes per pair, e.g. 64k")(
      "matrix,m", text(), "or all-to-all-v: a file of bytes from each rank (row) to each rank (column)")(
      "gen,g", text(), "or all-to-all-v with generated traffic, see below")(
      "seed", po::value<uint64_t>()->default_value(1), "of --gen, where it names none")(
      "algorithm,a", text()->default_value("auto"), "a name of docs/algorithms.md instead of the model's choice")(
      "aggregate-limit", text(), "all-to-all-v: aggregate pairs up to so many bytes (\"max\": none travels directly)")(
      "tuning", text(), "rules that name algorithms (docs/tuning.md); default: BANYAN_TUNING_FILE")(
      "chunk-bytes", text(), "pieces in which direct messages travel")("window", text(),
                                                                       "pieces that may be ahead of those received");
  return options;
}

ScenarioRequest scenario_request(const po::variables_map& chosen) {
  const auto text = [&](const char* name) {
    return chosen.contains(name) ? chosen[name].as<std::string>() : std::string();
  };
  if (chosen.count("topology") + chosen.count("synthetic") != 1) {
    throw UsageError("expected --topology FILE or --synthetic DESCRIPTION, one of them");
  }
  if (chosen.count("bytes") + chosen.count("matrix") + chosen.count("gen") != 1) {
    throw UsageError("expected --bytes N, --matrix FILE or --gen SPEC, one of them");
  }
  ScenarioRequest request;
  request.topology_file = text("topology");
  request.synthetic = text("synthetic");
  request.profile_file = text("profile");
  request.matrix_file = text("matrix");
  request.generator = text("gen");
  request.seed = chosen["seed"].as<uint64_t>();
  if (chosen.contains("bytes")) {
    request.bytes_per_pair = parse_bytes("bytes", text("bytes"));
  }
  request.wish.algorithm = text("algorithm");
  request.algorithm_named = !chosen["algorithm"].defaulted();
  request.tuning_file = chosen.contains("tuning") ? text("tuning") : env::get("BANYAN_TUNING_FILE").value_or("");
  if (chosen.contains("aggregate-limit")) {
    request.wish.aggregate_limit_bytes = parse_bytes("aggregate-limit", text("aggregate-limit"));
  }
  if (chosen.contains("chunk-bytes")) {
    request.wish.pace.chunk_bytes = parse_bytes("chunk-bytes", text("chunk-bytes"));
  }
  if (chosen.contains("window")) {
    request.wish.pace.window = parse_window(text("window"));
  }
  return request;
}

std::string scenario_help() {
  return "\nGenerated traffic (--gen KIND:AVERAGE[,KEY=VALUE]...):\n" + planner::traffic_spec_help();
}

Scenario::Scenario(const ScenarioRequest& request)
    : tree_(load_tree(request, load_profile(request))),
      hosts_(tree_),
      model_(load_model(load_profile(request), tree_)),
      matrix_(load_matrix(request, tree_.num_ranks())),
      bytes_per_pair_(request.bytes_per_pair.value_or(0)),
      wish_(load_wish(request, hosts_)) {}

std::vector<uint64_t> Scenario::sizes() const {
  const auto ranks = static_cast<size_t>(tree_.num_ranks());
  return matrix_.bytes.empty() ? std::vector<uint64_t>(ranks * ranks, bytes_per_pair_) : matrix_.bytes;
}

}  // namespace banyan::tool
