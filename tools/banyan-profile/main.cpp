// SPDX-License-Identifier: Apache-2.0
// banyan-profile: measures what the links between the ranks of a job really do, or shows a profile measured before.
#include <unistd.h>

#include <banyan/banyan.hpp>
#include <boost/program_options.hpp>
#include <iostream>
#include <map>
#include <string>

#include "common/tool.hpp"
#include "progress.hpp"

namespace {

namespace po = boost::program_options;
namespace tool = banyan::tool;

constexpr const char* kUsage =
    "usage: banyan-profile [options]          under a launcher: mpirun, srun, torchrun, banyan-run, banyan-lab run\n"
    "       banyan-profile --file FILE [options]\n"
    "Measures latency, time per message, the rate of one flow and of all ranks of a host at once, from host to host,\n"
    "and of copies. From four hosts on it infers which hosts share uplinks, and what these carry, unless "
    "BANYAN_TOPOLOGY_FILE\n"
    "tells the racks. Rank 0 prints tables and writes the profile that BANYAN_PROFILE and the tools' --profile read.\n";

constexpr const char* kExamples =
    "\nExamples:\n"
    "  mpirun -n 16 banyan-profile -o profile.json             measure for about 20 s, print tables, keep the profile\n"
    "  BANYAN_PROFILE=profile.json mpirun -n 16 ./my_program   use it\n"
    "  banyan-run -n 4 -- banyan-profile --budget 5 --svg heatmap.svg\n"
    "  srun banyan-profile --budget 120 --resume partial.json -o profile.json    run it again if it was cut off\n"
    "  banyan-profile --file profile.json --format svg -o heatmap.svg            show a profile; measures nothing\n"
    "\nWhat is measured, and how: docs/cost-model.md. The file: docs/profile-format.md.\n"
    "Measure on idle machines, with the ranks placed as the program will place them.\n"
    "Exit status: 0, or 1 if something failed, or 2 for a wrong option.\n";

const std::map<std::string, banyan_format> kFormats = {
    {"text", BANYAN_FORMAT_TEXT}, {"json", BANYAN_FORMAT_JSON}, {"svg", BANYAN_FORMAT_SVG}};

/// What the command line asks for.
struct Choices {
  std::string file;
  std::string output;
  std::string svg;
  std::string resume;
  banyan_format format = BANYAN_FORMAT_TEXT;
  double budget_s = 0;
  size_t max_bytes = 0;
  bool progress = false;
};

po::options_description describe_options() {
  po::options_description options("Options");
  options.add_options()("help,h", "print this and exit")("output,o", po::value<std::string>(),
                                                         "write the profile here; tables still go to stdout")(
      "format,F", po::value<std::string>(),
      "text, json or svg: of --output (default json), else of stdout (default text)")(
      "svg", po::value<std::string>(), "write a heat map of host-to-host rates here as well")(
      "budget,b", po::value<double>(), "aim to finish within this many seconds (default 20)")(
      "max-bytes,M", po::value<size_t>(), "largest message, bytes (default 4194304)")(
      "resume,r", po::value<std::string>(), "keep finished probes in this file and do not measure them again")(
      "file,f", po::value<std::string>(), "show this profile instead of measuring")(
      "progress", "show progress also when stderr is no terminal");
  return options;
}

Choices parse_choices(const po::variables_map& chosen) {
  Choices choices;
  const auto text = [&](const char* name) { return chosen.contains(name) ? chosen[name].as<std::string>() : ""; };
  choices.file = text("file");
  choices.output = text("output");
  choices.svg = text("svg");
  choices.resume = text("resume");
  choices.progress = chosen.contains("progress");
  const std::string name = chosen.contains("format") ? text("format") : choices.output.empty() ? "text" : "json";
  const auto format = kFormats.find(name);
  if (format == kFormats.end()) {
    throw tool::UsageError("unknown format \"" + name + "\"; expected text, json or svg");
  }
  choices.format = format->second;
  if (chosen.contains("budget")) {
    choices.budget_s = chosen["budget"].as<double>();
    if (!(choices.budget_s > 0)) {
      throw tool::UsageError("--budget must be a number of seconds above 0");
    }
  }
  if (chosen.contains("max-bytes")) {
    choices.max_bytes = chosen["max-bytes"].as<size_t>();
  }
  if (!choices.file.empty() && (!choices.resume.empty() || chosen.contains("budget") || chosen.contains("max-bytes"))) {
    throw tool::UsageError("--file measures nothing, so --resume, --budget and --max-bytes say nothing with it");
  }
  return choices;
}

void write(const Choices& choices, const banyan::Profile& profile) {
  if (!choices.svg.empty()) {
    tool::write_output(choices.svg, profile.export_as(BANYAN_FORMAT_SVG));
  }
  tool::write_output(choices.output, profile.export_as(choices.format));
  if (choices.file.empty() && !choices.output.empty() && choices.output != "-") {
    tool::write_output("-", profile.export_as(BANYAN_FORMAT_TEXT));
  }
}

void measure(const Choices& choices) {
  banyan::Comm comm = banyan::Comm::from_environment();
  const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
  ProgressBar bar(on_terminal);
  banyan_profile_config config = BANYAN_PROFILE_CONFIG_INIT;
  config.budget_s = choices.budget_s;
  config.max_bytes = choices.max_bytes;
  config.resume_file = choices.resume.empty() ? nullptr : choices.resume.c_str();
  if (on_terminal || choices.progress) {
    config.progress = &ProgressBar::show;
    config.progress_context = &bar;
  }
  if (comm.rank() == 0) {
    for (const std::string& path : {choices.output, choices.svg}) {
      tool::check_output(path);
    }
  }
  const banyan::Profile profile = comm.measure_profile(&config);
  bar.finish();
  if (comm.rank() == 0) {
    write(choices, profile);
  }
  comm.destroy();
}

int run(int argc, char** argv) {
  const po::options_description options = describe_options();
  po::variables_map chosen;
  po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), chosen);
  po::notify(chosen);
  if (chosen.contains("help")) {
    std::cout << kUsage << '\n' << options << kExamples;
    return tool::kExitOk;
  }
  const Choices choices = parse_choices(chosen);
  if (!choices.file.empty()) {
    write(choices, banyan::Profile::load(choices.file));
  } else {
    measure(choices);
  }
  return tool::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  return tool::run("banyan-profile", [&] { return run(argc, argv); });
}
