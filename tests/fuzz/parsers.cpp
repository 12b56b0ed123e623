// SPDX-License-Identifier: Apache-2.0
#include "parsers.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

#include "base/error.hpp"
#include "base/json.hpp"
#include "cost/inferred_racks.hpp"
#include "cost/profile.hpp"
#include "moe/placement/popularity.hpp"
#include "planner/select.hpp"
#include "planner/traffic_generators.hpp"
#include "planner/traffic_matrix.hpp"
#include "planner/tuning_rules.hpp"
#include "profiler/results.hpp"
#include "schedule/text.hpp"
#include "schedule/verify.hpp"
#include "topology/discover.hpp"
#include "topology/locality_tree.hpp"
#include "topology/render.hpp"

namespace banyan::fuzz {
namespace {

void expect(bool condition, const char* what) {
  if (!condition) {
    throw std::logic_error(what);
  }
}

/// The reason of a refusal, which must say something and point into the text.
template <typename T>
std::string refusal(const Result<T>& result, std::string_view text) {
  expect(!result.error().message.empty(), "refused without a reason");
  expect(result.error().line >= 0 && result.error().line <= static_cast<int>(text.size()) + 1,
         "line is not in the text");
  return result.describe("text");
}

std::string use(const Result<topology::Graph>& result, std::string_view text) {
  if (!result) {
    return refusal(result, text);
  }
  const topology::Graph& graph = result.value("text");
  expect(topology::check(graph).empty(), "an accepted graph breaks a rule");
  static_cast<void>(topology::render_text(graph));
  static_cast<void>(topology::render_svg(graph));
  expect(topology::from_json(topology::to_json(graph)).value("json") == graph, "the graph does not come back");
  if (!graph.rank_vertex.empty()) {
    static_cast<void>(cost::nominal_model(topology::LocalityTree::derive(graph)));
  }
  return {};
}

std::string run_json(std::string_view text) {
  const auto result = json::parse(text);
  if (!result) {
    return refusal(result, text);
  }
  expect(json::parse(result.value("text").dump()).value("dump") == result.value("text"),
         "the value does not come back");
  return {};
}

std::string run_profile(std::string_view text) {
  const auto result = cost::profile_from_json(text);
  if (!result) {
    return refusal(result, text);
  }
  const std::string written = cost::to_json(result.value("text"));
  expect(cost::to_json(cost::profile_from_json(written).value("written")) == written, "the profile does not come back");
  auto graph = topology::from_synthetic("2:[2,2] nic=10gbit").value("synthetic");
  try {
    static_cast<void>(cost::add_inferred_racks(graph, result.value("text")));
    static_cast<void>(cost::measured_model(topology::LocalityTree::derive(graph), result.value("text")));
  } catch (const Error& error) {  // a profile of other machines
    expect(error.status() != BANYAN_ERR_INTERNAL, "a profile broke an invariant");
  }
  return {};
}

std::string run_schedule(std::string_view text) {
  const auto result = schedule::parse(text);
  if (!result) {
    return refusal(result, text);
  }
  const schedule::Schedule& schedule = result.value("text");
  static_cast<void>(schedule::verify(schedule, {}));
  expect(schedule::parse(schedule::print(schedule)).value("print") == schedule, "the schedule does not come back");
  return {};
}

std::string run_matrix(std::string_view text) {
  const auto result = planner::parse_matrix(text);
  if (!result) {
    return refusal(result, text);
  }
  const auto& matrix = result.value("text");
  expect(planner::parse_matrix(planner::print_matrix(matrix)).value("print") == matrix,
         "the matrix does not come back");
  return {};
}

std::string run_traffic_spec(std::string_view text) {
  try {
    static_cast<void>(planner::generate_traffic(planner::parse_traffic_spec(text), 4));
  } catch (const Error& error) {
    expect(error.status() != BANYAN_ERR_INTERNAL, "a traffic spec broke an invariant");
    return error.what();
  }
  return {};
}

/// Asks the rules about every exchange of one or several hosts, and lets the planner follow the answer.
std::string run_tuning_rules(std::string_view text) {
  const auto result = planner::TuningRules::parse(text, "fuzzed");
  if (!result) {
    return refusal(result, text);
  }
  const planner::TuningRules& rules = result.value("text");
  expect(rules.size() <= planner::TuningRules::kMaxRules, "more rules than are allowed");
  for (const char* machines : {"1:2", "3:[2,1,2]"}) {
    const auto tree = topology::LocalityTree::derive(topology::from_synthetic(machines).value("synthetic"));
    const planner::Hosts hosts(tree);
    const cost::CostModel model = cost::nominal_model(tree);
    constexpr std::optional<size_t> kBytes[] = {std::nullopt, 0, 4096, std::numeric_limits<size_t>::max()};
    for (const auto& bytes : kBytes) {
      const auto match = rules.find(planner::tuning_case(hosts, bytes));
      if (!match) {
        continue;
      }
      expect(match->origin.starts_with("fuzzed, rule "), "a match does not say whose it is");
      const planner::Wish wish{.algorithm = match->algorithm, .origin = match->origin};
      try {
        const planner::Situation situation{tree, hosts, model};
        static_cast<void>(bytes ? planner::choose_uniform(situation, std::min<size_t>(*bytes, 4096), wish)
                                : planner::choose_v(situation, wish));
      } catch (const Error& error) {  // these hosts have no racks
        expect(error.status() == BANYAN_ERR_NOT_FOUND && match->algorithm == "hierarchical(rack)",
               "an accepted algorithm breaks the planner");
      }
    }
  }
  return {};
}

std::string run_results(std::string_view text) {
  const auto result = profiler::results_from_json(text, "9f86d081884c7d65");
  return result ? std::string() : refusal(result, text);
}

std::string run_popularity(std::string_view text) {
  const auto result = moe::Popularity::from_json(text);
  if (!result) {
    return refusal(result, text);
  }
  moe::Popularity popularity = result.value("text");
  const std::string written = popularity.to_json();
  expect(moe::Popularity::from_json(written).value("written").to_json() == written,
         "the popularity does not come back");
  const moe::PopularityTerms& terms = popularity.terms();
  const std::vector<int64_t> none(static_cast<size_t>(terms.top_k), -1);
  for (int layer = 0; layer + 1 < terms.num_layers; ++layer) {
    popularity.observe(layer, none, 1, true);
    for (const double rows : popularity.predict()) {
      expect(rows >= 0 && rows <= terms.top_k * 1.001, "a token is expected to make no, or too many choices");
    }
  }
  return {};
}

}  // namespace

const std::vector<Parser>& parsers() {
  static const std::vector<Parser> kParsers = {
      {"json", run_json},
      {"topology", [](std::string_view text) { return use(topology::from_text(text), text); }},
      {"topology json", [](std::string_view text) { return use(topology::from_json(text), text); }},
      {"nccl xml", [](std::string_view text) { return use(topology::from_nccl_xml(text), text); }},
      {"slurm", [](std::string_view text) { return use(topology::from_slurm_conf(text), text); }},
      {"synthetic", [](std::string_view text) { return use(topology::from_synthetic(text), text); }},
      {"profile", run_profile},
      {"schedule", run_schedule},
      {"traffic matrix", run_matrix},
      {"traffic spec", run_traffic_spec},
      {"tuning rules", run_tuning_rules},
      {"profiler's results", run_results},
      {"popularity", run_popularity},
  };
  return kParsers;
}

}  // namespace banyan::fuzz
