// SPDX-License-Identifier: Apache-2.0
#include "exam.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>

namespace banyan::gpu_test {
namespace {

constexpr int kSkipped = 77;

constexpr const char* kUsage =
    "usage: %s PLUGIN_FOLDER [RANKS=4] [OPTIONS]\n"
    "The exam of the device plugin there, with 1 to RANKS ranks, which share the devices in turn.\n\n"
    "  --filter TEXT   only the tests whose names contain it; several: any of them\n"
    "  --limit-s N     a test that lasts longer failed: its ranks say where they are, and are ended (default 20)\n"
    "  --within-s N    no test begins later than that (default: all are run)\n"
    "  --list          only names\n"
    "\nRanks that share a device need an MPS server, or each waits until the device turns to the other.\n"
    "Example:\n  %s build/dev/lib 2 --filter lines --filter pulls\n";

struct Options {
  std::string folder;
  int most_ranks = 4;
  std::vector<std::string> filters;
  double limit_s = 20;
  double within_s = 1e9;
  bool lists = false;
};

Options parse(int argc, char** argv) {
  Options options;
  int places = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool takes = word == "--filter" || word == "--limit-s" || word == "--within-s";
    if (takes && i + 1 == argc) {
      throw std::invalid_argument(word + " needs a value");
    }
    if (word == "--filter") {
      options.filters.emplace_back(argv[++i]);
    } else if (word == "--limit-s") {
      options.limit_s = std::atof(argv[++i]);
    } else if (word == "--within-s") {
      options.within_s = std::atof(argv[++i]);
    } else if (word == "--list") {
      options.lists = true;
    } else if (word.rfind("-", 0) != 0 && places < 2) {
      options.folder = places == 0 ? word : options.folder;
      options.most_ranks = places == 1 ? std::atoi(argv[i]) : options.most_ranks;
      ++places;
    } else {
      throw std::invalid_argument("unknown option " + word);
    }
  }
  if (options.folder.empty() || options.most_ranks < 1 || !(options.limit_s > 0)) {
    throw std::invalid_argument("a folder, at least one rank and a limit are needed");
  }
  return options;
}

bool is_chosen(const Options& options, const std::string& name) {
  bool chosen = options.filters.empty();
  for (const std::string& filter : options.filters) {
    chosen = chosen || name.find(filter) != std::string::npos;
  }
  return chosen;
}

/// Two first, one last.
std::vector<int> sizes_of(int most_ranks) {
  std::vector<int> sizes;
  for (int size = 2; size <= most_ranks; ++size) {
    sizes.push_back(size);
  }
  sizes.push_back(1);
  return sizes;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(const Options& options, const std::vector<Trial>& trials) {
  const auto begin = std::chrono::steady_clock::now();
  const banyan_device_ops& ops = perf::load_plugin(options.folder);
  if (perf::count_devices(ops) == 0) {  // in a process of its own: the driver must not be up when ranks are forked
    std::printf("SKIP: there is no CUDA device here\n");
    return kSkipped;
  }
  std::printf("devices answer (%.1f s)\n", seconds_since(begin));
  int passed = 0, not_run = 0;
  std::vector<std::string> failed;
  for (const int size : sizes_of(options.most_ranks)) {
    for (const Trial& trial : trials) {
      const bool runs = size >= trial.fewest_ranks && is_chosen(options, trial.name);
      if (!runs || seconds_since(begin) > options.within_s) {
        not_run += runs ? 1 : 0;
        continue;
      }
      const std::string name = std::to_string(size) + " ranks: " + trial.name;
      perf::JobOptions job = trial.options;
      job.limit_s = options.limit_s;
      const auto start = std::chrono::steady_clock::now();
      const bool good = perf::run_ranks(ops, size, job, trial.body) == 0;
      std::printf("%s %s (%.1f s)\n", good ? "ok    " : "FAILED", name.c_str(), seconds_since(start));
      std::fflush(stdout);
      passed += good ? 1 : 0;
      if (!good) {
        failed.push_back(name);
        static_cast<void>(perf::count_devices(ops));  // waits until they answer again
      }
    }
  }
  std::printf("%d passed, %zu failed, %d not run (%.1f s)\n", passed, failed.size(), not_run, seconds_since(begin));
  return failed.empty() && not_run == 0 ? 0 : 1;
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

void expect(bool condition, const std::string& what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

int examine(int argc, char** argv, const std::vector<Trial>& trials) {
  try {
    if (argc > 1 && std::strcmp(argv[1], "--help") == 0) {
      std::printf(kUsage, argv[0], argv[0]);
      return 0;
    }
    const Options options = parse(argc, argv);
    for (const Trial& trial : trials) {
      if (options.lists && is_chosen(options, trial.name)) {
        std::printf("%s\n", trial.name.c_str());
      }
    }
    return options.lists ? 0 : run(options, trials);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    std::fprintf(stderr, kUsage, argv[0], argv[0]);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace banyan::gpu_test
