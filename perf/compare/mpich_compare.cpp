// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <boost/program_options.hpp>
#include <cstdio>
#include <sstream>

#include "common/failure.hpp"
#include "common/options.hpp"
#include "common/program.hpp"
#include "compare/mpich_server.hpp"
#include "compare/ucp_yield.hpp"

namespace banyan::perf {
namespace {

namespace po = boost::program_options;

struct ServerOptions {
  std::string sockets;
  bool yields = false;
};

po::options_description all_options(ServerOptions& options) {
  po::options_description all("Options");
  auto add = all.add_options();
  add("help,h", "this text");
  add("sockets", po::value(&options.sockets), "folder where rank N listens at rankN for rank N of mpi_compare");
  add("yield", po::bool_switch(&options.yields), "waiting ranks give their core away: for more ranks than cores");
  return all;
}

std::string help() {
  ServerOptions options;
  std::ostringstream text;
  text << "usage: mpiexec.hydra -n N mpich_compare --sockets DIR [--yield]\n"
          "MPICH's part in a run of mpi_compare: does its exchanges when mpi_compare --mpich DIR asks for them, and "
          "sleeps\n"
          "between. Prints \"ready\" when mpi_compare may start; serves one run after the other until it is ended.\n\n"
       << all_options(options)
       << "\nExample (one machine, 4 ranks):\n"
          "  mpiexec.hydra -n 4 mpich_compare --sockets /tmp/mpich &        mkdir /tmp/mpich before\n"
          "  mpirun.openmpi -n 4 mpi_compare --mpich /tmp/mpich -b 8 -e 64k -f 8      after \"ready\"\n";
  return text.str();
}

/// Serves run after run; an error ends all ranks, which the partners see as a closed connection.
int serve(const ServerOptions& options, const MpiSession& session) {
  try {
    if (options.yields) {
      yield_in_ucp_progress();
    }
    Listener listener(socket_path(options.sockets, session.rank()));
    barrier();
    if (session.rank() == 0) {
      fmt::print("ready: {}, {} ranks\n", MpiSession::version(), session.size());
      std::fflush(stdout);
    }
    for (;;) {
      Channel partner = listener.accept();
      MpichServer(session).serve(partner);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "mpich_compare: rank {}: {}\n", session.rank(), error.what());
    MPI_Abort(MPI_COMM_WORLD, kExitFailed);
    return kExitFailed;
  }
}

int mpich_compare(int argc, char** argv) {
  ServerOptions options;
  const auto given = parse_command_line(argc, argv, all_options(options));
  if (given.count("help") != 0) {
    fmt::print("{}", help());
    return kExitOk;
  }
  if (options.sockets.empty()) {
    throw UsageError("--sockets is missing");
  }
  const MpiSession session(&argc, &argv);
  return serve(options, session);
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  return banyan::perf::run_program("mpich_compare", [&] { return banyan::perf::mpich_compare(argc, argv); });
}
