// SPDX-License-Identifier: Apache-2.0
// banyan-sim: how an exchange would go on machines that need not be there, message by message.
#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <string>

#include "banyan-sim/report.hpp"
#include "base/parse.hpp"
#include "common/tool.hpp"
#include "planner/quantity_text.hpp"

namespace {

namespace po = boost::program_options;
namespace planner = banyan::planner;
namespace sim = banyan::sim_tool;
namespace tool = banyan::tool;

constexpr const char* kUsage =
    "usage: banyan-sim (--topology FILE | --synthetic DESCRIPTION) (--bytes N | --matrix FILE | --gen SPEC) [options]\n"
    "Simulates an exchange without a cluster: when each message travels, how long it takes in all, how near the bound "
    "that\n"
    "is, which links are the busiest. Up to 16384 ranks and more: a uniform exchange needs no schedule.\n";

constexpr const char* kExamples =
    "\nExamples:\n"
    "  banyan-sim -s \"4:4 nic=10gbit\" -b 64k\n"
    "  banyan-sim -s \"4:[8,8,8,7] nic=[100gbit x3,25gbit]\" -g moe:16k,experts=64,topk=8 --compare\n"
    "  banyan-sim -s \"64:8 nic=400gbit racks=8 uplink=800gbit\" -b 4k -a \"hierarchical(node)\"   4:1 oversubscribed\n"
    "  banyan-sim -s \"2048:8 nic=400gbit racks=128 uplink=3.2tbit\" -b 4k -a \"hierarchical(rail)\"   16384 ranks\n"
    "  banyan-sim -t job.json -p profile.json -m traffic.txt --json simulated.json\n"
    "\nWhat is modelled and what is not: docs/simulator.md. Pictures of a plan in time: banyan-plan --gantt, --trace.\n"
    "Exit status: 0, or 1 if something failed or is broken, or 2 for a wrong option.\n";

constexpr int kMostInARow = 10000;

/// What the command line asks for beside the scenario.
struct Request {
  std::string text_file;
  std::string json_file;  ///< empty: not wanted
  bool compare = false;
  size_t links = 0;
  sim::Settings settings;
};

po::options_description own_options() {
  po::options_description options("How to simulate, and what to write (\"-\": to stdout)");
  const auto text = [] { return po::value<std::string>(); };
  options.add_options()("compare,c", "simulate every candidate, the fastest first")(
      "in-flight", po::value<int>(),
      "sends between hosts that a rank has in flight, whole messages, 0: no limit. Default: as the library paces them, "
      "or without a schedule what covers two latencies")(
      "exchanges", po::value<int>()->default_value(1),
      "so many in a row, a rank begins the next when it has done the last; times are per exchange")(
      "rails", po::value<int>(),
      "cards of a host that messages are spread over. Default: as the library does, all unless they are RDMA cards")(
      "wires", po::value<std::string>()->default_value("queues"),
      "how links carry: \"queues\" serve packets in order of arrival, \"fair\" all messages at once at max-min fair "
      "rates; without a schedule or with --in-flight: fair")(
      "burst", po::value<std::string>(), "queues: links are token buckets that hold so many bytes, as a lab's shapers")(
      "burst-s", po::value<double>(), "the same in seconds of a link's rate; the larger counts")(
      "gap-at-sender",
      "the sender's host does the receiver's kernel work too, as in a lab of network namespaces; with a schedule")(
      "resolution", po::value<double>(),
      "seconds; rates of messages are found at most so often, 0: at each change. Default: 1/10000 of the bound or "
      "more; 0 up to 20000 messages")("max-ranks", po::value<int>()->default_value(sim::Settings().max_ranks),
                                      "schedules are built for so many ranks; beyond, messages are made when needed")(
      "output,o", text()->default_value("-"), "the report as text")("json", text(),
                                                                    "the same for programs, with all links")(
      "links", po::value<int>()->default_value(8), "rows in the table of busiest links")("help,h",
                                                                                         "print this and exit");
  return options;
}

/// None for max-min fair wires.
std::optional<banyan::simulator::Queues> parse_queues(const po::variables_map& chosen) {
  const auto wires = chosen["wires"].as<std::string>();
  if (wires != "queues" && wires != "fair") {
    throw tool::UsageError("--wires is queues or fair");
  }
  banyan::simulator::Queues queues;
  if (chosen.contains("burst")) {
    const auto bytes = banyan::parse::bytes(chosen["burst"].as<std::string>());
    if (!bytes) {
      throw tool::UsageError("--burst is a number of bytes such as 65536 or 64k");
    }
    queues.burst_bytes = static_cast<double>(*bytes);
  }
  if (chosen.contains("burst-s")) {
    queues.burst_s = chosen["burst-s"].as<double>();
    if (!std::isfinite(queues.burst_s) || queues.burst_s < 0) {
      throw tool::UsageError("--burst-s is a number of seconds from 0 on");
    }
  }
  return wires == "queues" ? std::optional(queues) : std::nullopt;
}

Request parse_request(const po::variables_map& chosen) {
  Request request;
  request.text_file = chosen["output"].as<std::string>();
  request.json_file = chosen.contains("json") ? chosen["json"].as<std::string>() : "";
  request.compare = chosen.contains("compare");
  for (const char* name : {"in-flight", "max-ranks", "links"}) {
    if (chosen.contains(name) && chosen[name].as<int>() < 0) {
      throw tool::UsageError(std::string("--") + name + " is a number from 0 on");
    }
  }
  request.links = static_cast<size_t>(chosen["links"].as<int>());
  for (const char* name : {"exchanges", "rails"}) {
    if (chosen.contains(name) && (chosen[name].as<int>() < 1 || chosen[name].as<int>() > kMostInARow)) {
      throw tool::UsageError(fmt::format("--{} is a number from 1 to {}", name, kMostInARow));
    }
  }
  request.settings.exchanges = chosen["exchanges"].as<int>();
  if (chosen.contains("rails")) {
    request.settings.rails = chosen["rails"].as<int>();
  }
  request.settings.max_ranks = chosen["max-ranks"].as<int>();
  if (chosen.contains("in-flight")) {
    request.settings.in_flight = chosen["in-flight"].as<int>();
  }
  request.settings.queues = parse_queues(chosen);
  request.settings.gap_at_sender = chosen.contains("gap-at-sender");
  if (chosen.contains("resolution")) {
    const double resolution_s = chosen["resolution"].as<double>();
    if (!std::isfinite(resolution_s) || resolution_s < 0) {
      throw tool::UsageError("--resolution is a number of seconds from 0 on");
    }
    request.settings.resolution_s = resolution_s;
  }
  return request;
}

/// Tells on stderr how far a simulation is, from a few seconds on.
class Progress {
 public:
  void begin(std::string name) {
    name_ = std::move(name);
    last_ = Clock::now();
  }
  void operator()(uint64_t done, double now_s) {
    constexpr auto kBetween = std::chrono::seconds(3);
    if (Clock::now() - last_ >= kBetween) {
      last_ = Clock::now();
      std::cerr << fmt::format("banyan-sim: {}: {} messages, {} simulated\n", name_, done,
                               planner::seconds_text(now_s));
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::string name_;
  Clock::time_point last_ = Clock::now();
};

/// All candidates, the fastest first; those that can not be simulated become notes.
std::vector<sim::Run> compare(const planner::Plan& outline,
                              const std::function<sim::Run(const planner::Candidate&)>& simulate,
                              std::vector<std::string>& notes) {
  std::vector<sim::Run> runs;
  for (const planner::Candidate& candidate : outline.choice.candidates) {
    try {
      runs.push_back(simulate(candidate));
    } catch (const banyan::Error& error) {
      if (error.status() != BANYAN_ERR_NOT_SUPPORTED) {
        throw;
      }
      notes.push_back(planner::algorithm_name(candidate.algorithm) + " is left out: " + error.what());
    }
  }
  std::stable_sort(runs.begin(), runs.end(),
                   [](const sim::Run& a, const sim::Run& b) { return a.exchange_s() < b.exchange_s(); });
  return runs;
}

void run_request(const tool::ScenarioRequest& what, Request request) {
  for (const std::string* path : {&request.text_file, &request.json_file}) {
    if (!path->empty()) {
      tool::check_output(*path);
    }
  }
  const tool::Scenario scenario(what);
  const planner::Plan outline = planner::outline_plan(scenario.situation(), scenario.demand(), scenario.wish());
  Progress progress;
  request.settings.progress = std::ref(progress);
  const auto simulate = [&](const planner::Candidate& candidate) {
    progress.begin(planner::algorithm_name(candidate.algorithm));
    return sim::simulate(scenario, outline, candidate, scenario.wish(), request.settings);
  };
  std::vector<std::string> notes = outline.notes;
  const std::vector<sim::Run> runs =
      request.compare ? compare(outline, simulate, notes) : std::vector<sim::Run>{simulate(outline.choice.chosen)};
  const sim::Report report{scenario, outline, runs, notes, request.links};
  tool::write_output(request.text_file, sim::report_text(report));
  if (!request.json_file.empty()) {
    tool::write_output(request.json_file, sim::report_json(report));
  }
}

int run(int argc, char** argv) {
  po::options_description options = tool::scenario_options();
  options.add(own_options());
  po::variables_map chosen;
  po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), chosen);
  po::notify(chosen);
  if (chosen.contains("help")) {
    std::cout << kUsage << '\n' << options << tool::scenario_help() << kExamples;
    return tool::kExitOk;
  }
  const Request request = parse_request(chosen);
  run_request(tool::scenario_request(chosen), request);
  return tool::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  return tool::run("banyan-sim", [&] { return run(argc, argv); });
}
