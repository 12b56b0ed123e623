// SPDX-License-Identifier: Apache-2.0
// banyan-plan: what Banyan would choose for an exchange, and why, on machines that need not be there.
#include <boost/program_options.hpp>
#include <iostream>
#include <string>

#include "base/parse.hpp"
#include "common/tool.hpp"
#include "planner/explain.hpp"
#include "planning/scenario.hpp"
#include "schedule/text.hpp"

namespace {

namespace po = boost::program_options;
namespace planner = banyan::planner;
namespace tool = banyan::tool;

constexpr const char* kUsage =
    "usage: banyan-plan (--topology FILE | --synthetic DESCRIPTION) (--bytes N | --matrix FILE | --gen SPEC) "
    "[options]\n"
    "Tells what Banyan would choose for an exchange and why, without a cluster: the algorithm, its predicted time, "
    "what\n"
    "each step and each link carries, what was rejected and by which term it loses, and how near the bound it is.\n";

constexpr const char* kExamples =
    "\nExamples:\n"
    "  banyan-plan -s \"4:4 nic=10gbit\" -b 64k\n"
    "  banyan-plan -s \"4:[8,8,8,7] nic=[100gbit x3,25gbit]\" -g moe:16k,experts=64,topk=8\n"
    "  banyan-plan -s \"4:4 nic=10gbit racks=2 uplink=10gbit\" -b 1M --algorithm direct   why not direct?\n"
    "  mpirun -n 16 banyan-topo --ranks -F json -o job.json                             a topology of your own\n"
    "  banyan-plan -t job.json -p profile.json -m traffic.txt --json plan.json\n"
    "\nFormats: docs/topology-format.md, docs/profile-format.md, docs/schedule-ir.md (matrices). Plans: "
    "docs/planning.md.\n"
    "Exit status: 0, or 1 if something failed or is broken, or 2 for a wrong option.\n";

/// What the command line asks for beside the scenario.
struct Request {
  std::string text_file;
  std::string json_file;
  std::string ir_file;
  long links = 16;
  long max_ranks = 1024;
};

po::options_description output_options() {
  po::options_description options("What to write (\"-\": stdout)");
  const auto file = [] { return po::value<std::string>(); };
  options.add_options()("output,o", file()->default_value("-"), "the explanation")(
      "json", file(), "the same for programs, with all links")("ir", file(), "the schedule, docs/schedule-ir.md")(
      "links", po::value<long>()->default_value(16), "busiest links in the table")(
      "max-ranks", po::value<long>()->default_value(1024),
      "for more ranks only the choice is told: no schedule is built, of which each pair of ranks takes about 300 "
      "bytes")("help,h", "print this and exit");
  return options;
}

Request parse_request(const po::variables_map& chosen) {
  const auto text = [&](const char* name) {
    return chosen.contains(name) ? chosen[name].as<std::string>() : std::string();
  };
  Request request;
  request.text_file = text("output");
  request.json_file = text("json");
  request.ir_file = text("ir");
  request.links = chosen["links"].as<long>();
  request.max_ranks = chosen["max-ranks"].as<long>();
  if (request.links < 0 || request.max_ranks < 0) {
    throw tool::UsageError("--links and --max-ranks are numbers from 0 on");
  }
  return request;
}

std::string explain(const planner::Plan& plan, const Request& request) {
  std::string text = planner::explain_text(plan);
  if (plan.num_ranks > request.max_ranks) {
    text += "outline    no schedule of " + std::to_string(plan.num_ranks) + " ranks was built; --max-ranks " +
            std::to_string(plan.num_ranks) + " builds it\n";
  }
  return plan.movement.links.empty() ? text
                                     : text + "\n" + planner::links_table(plan, static_cast<size_t>(request.links));
}

int run(int argc, char** argv) {
  po::options_description options;
  options.add(tool::scenario_options()).add(output_options());
  po::variables_map chosen;
  po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), chosen);
  po::notify(chosen);
  if (chosen.contains("help")) {
    std::cout << kUsage << options << tool::scenario_help() << kExamples;
    return tool::kExitOk;
  }
  const Request request = parse_request(chosen);
  const tool::ScenarioRequest asked = tool::scenario_request(chosen);
  const tool::Scenario scenario(asked);
  const bool outline = scenario.tree().num_ranks() > request.max_ranks;
  const planner::Plan plan =
      outline ? planner::outline_plan(scenario.situation(), scenario.demand(), asked.wish)
              : planner::make_plan(scenario.situation(), scenario.demand(), asked.wish, tool::kSlotBytes);
  tool::write_output(request.text_file, explain(plan, request));
  if (!request.json_file.empty()) {
    tool::write_output(request.json_file, planner::explain_json(plan));
  }
  if (!request.ir_file.empty()) {
    tool::write_output(request.ir_file, banyan::schedule::print(plan.schedule));
  }
  return tool::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  return tool::run("banyan-plan", [&] { return run(argc, argv); });
}
