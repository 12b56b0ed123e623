// SPDX-License-Identifier: Apache-2.0
#include "common/perf_main.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "common/measure.hpp"
#include "common/program.hpp"

namespace banyan::perf {
namespace po = boost::program_options;
namespace {

/// Options of these two programs that are not about the sweep.
struct Extras {
  std::string profile_file;
  bool explain = false;
};

po::options_description extra_options(Extras& extras) {
  po::options_description description("Other");
  auto add = description.add_options();
  add("profile", po::value(&extras.profile_file), "measured profile, a file of banyan-profile");
  add("explain", po::bool_switch(&extras.explain), "print for each size which plan was chosen and why");
  add("help,h", "this text");
  return description;
}

std::string help_text(const PerfProgram& program, const po::options_description& options) {
  std::ostringstream text;
  text << "usage: " << program.name << " [OPTIONS]\n"
       << program.summary << "\n\n"
       << "Start one process per rank with any launcher: 'banyan-run -n 8 -- " << program.name
       << "' on this machine,\n'banyan-lab run -- " << program.name
       << "' in a lab, mpirun, torchrun or srun. Without a launcher it is one rank.\n\n"
       << options << "\nExamples:\n"
       << program.examples << "\nWhat the columns mean and what to compare: docs/performance.md.\n";
  return text.str();
}

Comm join_job(const Extras& extras) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.profile_file = extras.profile_file.empty() ? nullptr : extras.profile_file.c_str();
  banyan_comm* comm = nullptr;
  require(banyan_comm_create_from_environment(&config, &comm), "banyan_comm_create_from_environment");
  return Comm(comm);
}

/// Rank 0's voice: the table on stdout, the JSON file at the end.
class Printer {
 public:
  Printer(bool speaks, const SweepOptions& options, Json environment)
      : speaks_(speaks), options_(options), environment_(std::move(environment)) {}

  void header(const PerfProgram& program, const CommShape& shape) {
    num_hosts_ = shape.num_hosts;
    num_ranks_ = shape.size;
    say(fmt::format("# {}: {} ranks on {} hosts, {} + {} exchanges per size, {}\n", program.name, shape.size,
                    shape.num_hosts, options_.warmup, options_.iterations,
                    options_.oneshot ? "one-shot calls" : "persistent requests") +
        table_header());
  }

  void row(Row row, const std::string& explanation) {
    say(table_line(row));
    if (!explanation.empty()) {
      say(explanation + (explanation.ends_with('\n') ? "" : "\n"));
    }
    Json json = to_json(row);
    if (!explanation.empty()) {
      json["explanation"] = explanation;
    }
    json_rows_.push_back(std::move(json));
    rows_.push_back(std::move(row));
  }

  void finish(const char* program) {
    say(table_footer(rows_));
    if (!speaks_ || options_.json_file.empty()) {
      return;
    }
    Json json;
    json["format"] = "banyan-perf-1";
    json["program"] = program;
    json["environment"] = environment_;
    json["environment"]["banyan"] = describe_library();
    json["ranks"] = num_ranks_;
    json["hosts"] = num_hosts_;
    json["options"] = to_json(options_);
    json["rows"] = json_rows_;
    write_file(options_.json_file, json.dump(1) + "\n");
  }

  [[nodiscard]] bool all_right() const {
    return std::all_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.wrong == 0; });
  }

 private:
  void say(const std::string& text) const {
    if (speaks_) {
      fmt::print("{}", text);
      std::fflush(stdout);
    }
  }

  bool speaks_;
  const SweepOptions& options_;
  Json environment_;
  int num_ranks_ = 1;
  int num_hosts_ = 1;
  std::vector<Row> rows_;
  Json json_rows_ = Json::array();
};

int run(const PerfProgram& program, const SweepOptions& options, const Extras& extras, Json environment) {
  const Comm comm = join_job(extras);
  const CommShape shape = shape_of(comm.get());
  Printer printer(shape.rank == 0, options, std::move(environment));
  printer.header(program, shape);
  for (const auto& traffic : program.points(options, shape.size)) {
    Row row = measure(comm.get(), shape, traffic, options);
    std::string explanation;
    if (extras.explain && shape.rank == 0) {
      explanation = export_plan(make_plan(comm.get(), traffic, options.algorithm).get(), BANYAN_FORMAT_TEXT);
    }
    printer.row(std::move(row), explanation);
  }
  printer.finish(program.name);
  return printer.all_right() ? kExitOk : kExitFailed;
}

}  // namespace

int perf_main(int argc, const char* const* argv, const PerfProgram& program) {
  return run_program(program.name, [&] {
    SweepOptions options;
    Extras extras;
    po::options_description all;
    all.add(size_options(options)).add(run_options(options)).add(program.options).add(extra_options(extras));
    const auto given = parse_command_line(argc, argv, all);
    if (given.count("help") != 0) {
      fmt::print("{}", help_text(program, all));
      return kExitOk;
    }
    check_sweep_options(options, given);
    return run(program, options, extras, describe_environment(argc, argv));
  });
}

}  // namespace banyan::perf
