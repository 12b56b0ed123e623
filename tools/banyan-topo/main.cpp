// SPDX-License-Identifier: Apache-2.0
// banyan-topo: shows what Banyan knows of the machines: this host, the hosts of a running job, a file, or a
// description.
#include <banyan/banyan.hpp>
#include <boost/program_options.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "common/tool.hpp"

namespace {

namespace po = boost::program_options;
namespace tool = banyan::tool;

constexpr const char* kUsage =
    "usage: banyan-topo [--file FILE | --synthetic DESCRIPTION | --ranks] [options]\n"
    "Shows this host, or a topology that a file or description gives, or with --ranks the hosts of all ranks that a\n"
    "launcher (mpirun, srun, torchrun, banyan-run) starts.\n";

constexpr const char* kExamples =
    "\nExamples:\n"
    "  banyan-topo                                             this host as a tree\n"
    "  banyan-topo --format json -o host.json                  this host as a file that --file reads back\n"
    "  banyan-topo --synthetic \"2:[8,7] nic=10gbit\" --format matrix\n"
    "  banyan-topo --synthetic \"64:8 nic=400gbit rails=8 racks=8 uplink=12.8tbit\" --format svg -o cluster.svg\n"
    "  NCCL_TOPO_DUMP_FILE=nccl.xml python train.py; banyan-topo --file nccl.xml\n"
    "  banyan-topo --check --file /etc/slurm/topology.conf     exit status 1 and the reason if it is broken\n"
    "  mpirun -n 16 banyan-topo --ranks                        all hosts of the job, printed by rank 0\n"
    "\nFile formats and the grammar of descriptions: docs/topology-format.md.\n"
    "Environment: BANYAN_HOST_ID, BANYAN_INTERFACE, BANYAN_TOPOLOGY_FILE (with --ranks).\n"
    "Exit status: 0, or 1 if something failed or is broken, or 2 for a wrong option.\n";

const std::map<std::string, banyan_format> kFormats = {{"text", BANYAN_FORMAT_TEXT},
                                                       {"json", BANYAN_FORMAT_JSON},
                                                       {"svg", BANYAN_FORMAT_SVG},
                                                       {"matrix", BANYAN_FORMAT_MATRIX}};

/// What the command line asks for.
struct Request {
  std::string file;
  std::string synthetic;
  std::string output;
  banyan_format format = BANYAN_FORMAT_TEXT;
  bool ranks = false;
  bool check = false;
};

po::options_description describe_options() {
  po::options_description options("Options");
  options.add_options()("help,h", "print this and exit")("file,f", po::value<std::string>(),
                                                         "read Banyan JSON, NCCL topology XML or Slurm topology.conf")(
      "synthetic,s", po::value<std::string>(), "build from a description, e.g. \"2:[8,7] nic=10gbit\"")(
      "ranks,r", "merge over all ranks of the launcher's job; collective, rank 0 prints")(
      "format,F", po::value<std::string>()->default_value("text"), "text, json, svg or matrix")(
      "output,o", po::value<std::string>()->default_value("-"), "write here instead of to stdout")(
      "check,c", "check the topology's invariants and print only how many ranks and hosts it has");
  return options;
}

Request parse_request(const po::variables_map& chosen) {
  Request request;
  request.ranks = chosen.contains("ranks");
  request.check = chosen.contains("check");
  request.output = chosen["output"].as<std::string>();
  if (chosen.contains("file")) {
    request.file = chosen["file"].as<std::string>();
  }
  if (chosen.contains("synthetic")) {
    request.synthetic = chosen["synthetic"].as<std::string>();
  }
  if (chosen.count("file") + chosen.count("synthetic") + chosen.count("ranks") > 1) {
    throw tool::UsageError("--file, --synthetic and --ranks exclude each other");
  }
  const auto format = kFormats.find(chosen["format"].as<std::string>());
  if (format == kFormats.end()) {
    throw tool::UsageError("unknown format \"" + chosen["format"].as<std::string>() +
                           "\"; expected text, json, svg or matrix");
  }
  request.format = format->second;
  return request;
}

void expect_ok(banyan_status status) {
  if (status != BANYAN_OK) {
    throw banyan::Exception(status, banyan_last_error());
  }
}

std::string exported(const banyan_topology* topology, banyan_format format) {
  char* text = nullptr;
  expect_ok(banyan_topology_export(topology, format, &text));
  const std::unique_ptr<char, void (*)(char*)> owner(text, &banyan_string_free);
  return text;
}

void show(const Request& request, const banyan_topology* topology) {
  expect_ok(banyan_topology_check(topology));
  if (!request.check) {
    tool::write_output(request.output, exported(topology, request.format));
    return;
  }
  int ranks = 0;
  int hosts = 0;
  expect_ok(banyan_topology_counts(topology, &ranks, &hosts));
  tool::write_output(request.output,
                     "valid: " + std::to_string(ranks) + " ranks, " + std::to_string(hosts) + " hosts\n");
}

/// The topology that all ranks of the launcher's job merge; rank 0 prints it.
void show_ranks(const Request& request) {
  banyan::Comm comm = banyan::Comm::from_environment();
  const banyan_topology* topology = nullptr;
  expect_ok(banyan_comm_topology(comm.get(), &topology));
  if (comm.rank() == 0) {
    show(request, topology);
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
  const Request request = parse_request(chosen);
  if (request.ranks) {
    show_ranks(request);
  } else if (!request.file.empty()) {
    show(request, banyan::Topology::load(request.file).get());
  } else if (!request.synthetic.empty()) {
    show(request, banyan::Topology::synthetic(request.synthetic).get());
  } else {
    show(request, banyan::Topology::discover().get());
  }
  return tool::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  return tool::run("banyan-topo", [&] { return run(argc, argv); });
}
