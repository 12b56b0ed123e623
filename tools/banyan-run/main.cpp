// SPDX-License-Identifier: Apache-2.0
// banyan-run: starts the ranks of a program on this machine or over the nodes of a lab.
#include <exception>
#include <iostream>

#include "options.hpp"
#include "placement.hpp"
#include "preload.hpp"
#include "supervisor.hpp"

int main(int argc, char** argv) {
  try {
    auto options = banyan_run::parse_options(argc, argv);
    if (!options) {
      return 0;
    }
    if (options->preload == "nccl") {
      options = banyan_run::with_nccl_preloaded(*options);
    } else if (options->preload) {
      banyan_run::launch_preloaded(*options);
    }
    const banyan_run::Job job(*options);
    return banyan_run::Supervisor(*options, job).run();
  } catch (const std::exception& error) {
    std::cerr << "banyan-run: " << error.what() << "\nTry 'banyan-run --help'.\n";
    return 2;
  }
}
