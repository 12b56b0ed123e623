// SPDX-License-Identifier: Apache-2.0
// banyan-plan: what Banyan would choose for an exchange, and why, on machines that need not be there.
#include <boost/program_options.hpp>
#include <iostream>
#include <string>

#include "banyan-plan/html.hpp"
#include "banyan-plan/timing.hpp"
#include "base/json.hpp"
#include "common/tool.hpp"
#include "planner/explain.hpp"
#include "planner/render.hpp"
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
    "  banyan-plan -t job.json -p profile.json -m traffic.txt --html plan.html\n"
    "  banyan-plan -s \"8:8 nic=400gbit rails=8\" -b 16k --trace trace.json            open it in ui.perfetto.dev\n"
    "\nFormats: docs/topology-format.md, docs/profile-format.md, docs/schedule-ir.md (matrices). Plans: "
    "docs/planning.md.\n"
    "Exit status: 0, or 1 if something failed or is broken, or 2 for a wrong option.\n";

/// What the command line asks for beside the scenario. Empty: not wanted.
struct Request {
  std::string text_file;
  std::string json_file;
  std::string html_file;
  std::string loads_file;
  std::string gantt_file;
  std::string trace_file;
  std::string ir_file;
  long links = 0;
  long max_ranks = 0;
  long max_messages = 0;

  [[nodiscard]] bool needs_timing() const { return !gantt_file.empty() || !trace_file.empty(); }
  [[nodiscard]] bool needs_schedule() const { return needs_timing() || !loads_file.empty() || !ir_file.empty(); }
};

po::options_description output_options() {
  po::options_description options("What to write (\"-\": to stdout)");
  const auto file = [] { return po::value<std::string>(); };
  const auto number = [](long value) { return po::value<long>()->default_value(value); };
  options.add_options()("output,o", file()->default_value("-"), "the explanation as text")(
      "json", file(), "the same for programs, with all links")("html", file(),
                                                               "all of it with pictures, as one self-contained page")(
      "loads", file(), "SVG: the tree with each link's load")("gantt", file(),
                                                              "SVG: messages in time, a row for each rank and link")(
      "trace", file(), "the same for chrome://tracing and ui.perfetto.dev (JSON)")(
      "ir", file(), "the schedule, docs/schedule-ir.md")("links", number(16), "rows in the table of busiest links")(
      "max-ranks", number(1024),
      "for more ranks only the choice is told: a schedule takes about 300 bytes for each pair of ranks")(
      "max-messages", number(20000), "schedules of more messages are not simulated")("help,h", "print this and exit");
  return options;
}

Request parse_request(const po::variables_map& chosen) {
  const auto text = [&](const char* name) {
    return chosen.contains(name) ? chosen[name].as<std::string>() : std::string();
  };
  const auto number = [&](const char* name) {
    const long value = chosen[name].as<long>();
    if (value < 0) {
      throw tool::UsageError(std::string("--") + name + " is a number from 0 on");
    }
    return value;
  };
  return {.text_file = text("output"),
          .json_file = text("json"),
          .html_file = text("html"),
          .loads_file = text("loads"),
          .gantt_file = text("gantt"),
          .trace_file = text("trace"),
          .ir_file = text("ir"),
          .links = number("links"),
          .max_ranks = number("max-ranks"),
          .max_messages = number("max-messages")};
}

/// Before the work whose results they are to hold.
void check_outputs(const Request& request) {
  for (const std::string* path : {&request.text_file, &request.json_file, &request.html_file, &request.loads_file,
                                  &request.gantt_file, &request.trace_file, &request.ir_file}) {
    if (!path->empty()) {
      tool::check_output(*path);
    }
  }
}

planner::Plan make_plan(const tool::Scenario& scenario, const Request& request, const planner::Wish& wish) {
  const int ranks = scenario.tree().num_ranks();
  if (ranks <= request.max_ranks) {
    return planner::make_plan(scenario.situation(), scenario.demand(), wish, tool::kSlotBytes);
  }
  if (request.needs_schedule()) {
    throw banyan::Error(BANYAN_ERR_LIMIT, "a schedule of " + std::to_string(ranks) +
                                              " ranks is asked for; --max-ranks " + std::to_string(ranks) +
                                              " allows it");
  }
  planner::Plan plan = planner::outline_plan(scenario.situation(), scenario.demand(), wish);
  plan.notes.push_back("no schedule of " + std::to_string(ranks) + " ranks was built, only chosen; --max-ranks " +
                       std::to_string(ranks) + " builds it");
  return plan;
}

/// Nothing where there is no schedule or it is too large; then a note says so.
tool::Timing make_timing(const tool::Scenario& scenario, planner::Plan& plan, const Request& request) {
  const size_t messages = plan.schedule.messages.size();
  if (messages == 0) {
    return {};
  }
  if (messages <= static_cast<size_t>(request.max_messages)) {
    return tool::time_plan(scenario, plan);
  }
  const std::string allow = "--max-messages " + std::to_string(messages);
  if (request.needs_timing()) {
    throw banyan::Error(BANYAN_ERR_LIMIT,
                        "the schedule has " + std::to_string(messages) + " messages; " + allow + " simulates it");
  }
  plan.notes.push_back("the schedule's " + std::to_string(messages) + " messages were not simulated; " + allow +
                       " does it");
  return {};
}

std::string as_text(const planner::Plan& plan, const tool::Timing& timing, const Request& request) {
  std::string text = planner::explain_text(plan);
  text += timing.exists() ? "\n" + tool::timing_text(plan, timing) : "";
  return plan.movement.links.empty() ? text
                                     : text + "\n" + planner::links_table(plan, static_cast<size_t>(request.links));
}

std::string as_json(const planner::Plan& plan, const tool::Timing& timing) {
  auto json = banyan::json::parse(planner::explain_json(plan)).value("plan");
  if (timing.exists()) {
    json["simulated_time_s"] = timing.timeline.total_s;
    for (size_t i = 0; i < json["steps"].size() && i < timing.timeline.steps.size(); ++i) {
      json["steps"][i]["simulated_from_s"] = timing.timeline.steps[i].first_issue_s;
      json["steps"][i]["simulated_to_s"] = timing.timeline.steps[i].last_done_s;
    }
  }
  return json.dump(2) + "\n";
}

void write(const std::string& path, const std::string& content) {
  if (!path.empty()) {
    tool::write_output(path, content);
  }
}

void write_all(const tool::Scenario& scenario, const planner::Plan& plan, const tool::Timing& timing,
               const Request& request, const std::string& command) {
  write(request.text_file, as_text(plan, timing, request));
  write(request.json_file, request.json_file.empty() ? "" : as_json(plan, timing));
  write(request.html_file, request.html_file.empty() ? "" : tool::render_html(scenario, plan, timing, command));
  write(request.loads_file, request.loads_file.empty() ? "" : planner::render_loads_svg(scenario.tree(), plan));
  write(request.ir_file, request.ir_file.empty() ? "" : banyan::schedule::print(plan.schedule));
  if (request.needs_timing()) {
    const planner::Gantt gantt = tool::gantt_of(scenario, plan, timing);
    write(request.gantt_file, planner::render_gantt_svg(gantt));
    write(request.trace_file, planner::render_gantt_trace(gantt));
  }
}

/// The command line, quoted where a shell needs it.
std::string command_line(int argc, char** argv) {
  std::string text = "banyan-plan";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool plain = !argument.empty() && argument.find_first_of(" []()$*'\"\\&;|<>?!`\n") == std::string::npos;
    text += plain ? " " + argument : " \"" + argument + "\"";
  }
  return text;
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
  check_outputs(request);
  const tool::Scenario scenario(asked);
  planner::Plan plan = make_plan(scenario, request, scenario.wish());
  const tool::Timing timing = make_timing(scenario, plan, request);
  write_all(scenario, plan, timing, request, command_line(argc, argv));
  return tool::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  return tool::run("banyan-plan", [&] { return run(argc, argv); });
}
