// SPDX-License-Identifier: Apache-2.0
// launch_probe LAUNCHER SIZE [wait VICTIM]: run by a launcher; checks that the ranks found each other. "wait": stays
// until rank VICTIM failed, and checks that it is named.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "bootstrap/control.hpp"
#include "bootstrap/launch.hpp"
#include "forked_ranks.hpp"

namespace {

using banyan::Deadline;
using banyan::Error;
using banyan::bootstrap::connect_from_environment;
using banyan::bootstrap::Launch;
using banyan::bootstrap::launch_from_environment;
using banyan::bootstrap::make_control;

constexpr double kLimitS = 60;

void expect(bool condition, const std::string& what) {
  if (!condition) {
    throw Error(BANYAN_ERR_INTERNAL, what);
  }
}

void check(const std::string& launcher, int size, int victim) {
  const Launch launch = launch_from_environment();
  expect(launch.launcher == launcher, "launcher is " + launch.launcher);
  expect(launch.size == size, "size is " + std::to_string(launch.size));
  const auto bootstrap = connect_from_environment("", Deadline::in(kLimitS));
  expect(bootstrap->rank() == launch.rank && bootstrap->size() == size, "bootstrap and launch differ");
  const auto control = make_control(*bootstrap, "", Deadline::in(kLimitS));
  const auto names = bootstrap->allgather_strings("rank " + std::to_string(launch.rank), Deadline::in(kLimitS));
  for (int rank = 0; rank < size; ++rank) {
    expect(names[static_cast<size_t>(rank)] == "rank " + std::to_string(rank),
           "rank " + std::to_string(rank) + " is wrong");
  }
  if (victim >= 0) {
    banyan::testing::eventually([&] { return control->state().raised(); });
    expect(control->state().status() == BANYAN_ERR_PEER_FAILED, "state: " + control->state().text());
    expect(control->state().text().find("rank " + std::to_string(victim) + " ") != std::string::npos,
           "victim is not named: " + control->state().text());
  } else {
    bootstrap->barrier(Deadline::in(kLimitS));
    control->leave();
    expect(!control->state().raised(), "state: " + control->state().text());
  }
  std::printf("rank %d of %d: local %d of %d, node %d, launcher %s: good\n", launch.rank, size, launch.local_rank,
              launch.local_size, launch.node_rank, launch.launcher.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) {
    std::fprintf(stderr, "usage: launch_probe LAUNCHER SIZE [wait VICTIM]\n");
    return 2;
  }
  try {
    check(argv[1], std::atoi(argv[2]), argc == 5 ? std::atoi(argv[4]) : -1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "launch_probe: %s\n", error.what());
    return 1;
  }
  return 0;
}
