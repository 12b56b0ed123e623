// SPDX-License-Identifier: Apache-2.0
// All-to-alls of device memory between the GPUs of this host: Banyan's mapped exchange, NCCL's forms of ncclAlltoAll,
// and the limit, which is what the copy engines move to the peers. Interleaved round by round; the slowest rank counts.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gpu/command_line.hpp"
#include "gpu/mapped_job.hpp"

namespace banyan::perf {
namespace {

constexpr int kRounds = 15;
constexpr double kRound_s = 4e-3;  ///< a round repeats the exchange for about that long
constexpr int kMostRepeats = 200;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

void check(ncclResult_t result, const char* what) {
  if (result != ncclSuccess) {
    throw std::runtime_error(std::string(what) + ": " + ncclGetErrorString(result) + "; " + ncclGetLastError(nullptr));
  }
}

/// One way to make the exchange, and what its rounds took.
struct Candidate {
  std::string name;
  std::function<void()> enqueue;
  char* result = nullptr;    ///< device memory where rank i's block is at i * bytes; null: not checked
  bool is_optional = false;  ///< left out where it fails
  std::vector<double> rounds_s{};
};

class Compare {
 public:
  Compare(MappedRank& rank, size_t most_bytes, int rounds) : rank_(rank), rounds_(rounds) {
    check(cudaSetDevice(rank.device()), "cudaSetDevice");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
    const size_t all = most_bytes * static_cast<size_t>(rank.size());
    sends_ = rank.make_area(all);
    send_ = static_cast<char*>(sends_[static_cast<size_t>(rank.rank())]);
    recv_ = allocate(all);
    window_ = rank.make_window(all);
    limit_ = rank.make_window(all);
    make_nccl(all);
  }

  void run(size_t bytes) {
    fill(bytes);
    std::vector<Candidate> candidates;
    std::vector<int> repeats;
    for (Candidate& one : candidates_of(bytes)) {
      const auto warm_up = [&] { static_cast<void>(time(one, 3)); };
      if (!one.is_optional) {
        warm_up();
      } else if (!can(one.name, warm_up)) {
        continue;
      }
      candidates.push_back(one);
      repeats.push_back(static_cast<int>(std::clamp<double>(kRound_s / rank_.max(time(one, 5)), 5, kMostRepeats)));
    }
    for (int round = 0; round < rounds_; ++round) {
      for (size_t i = 0; i < candidates.size(); ++i) {
        Candidate& one = candidates[(i + static_cast<size_t>(round)) % candidates.size()];
        one.rounds_s.push_back(rank_.max(time(one, repeats[(i + static_cast<size_t>(round)) % candidates.size()])));
      }
    }
    print(bytes, candidates);
  }

 private:
  static char* allocate(size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "cudaMalloc");
    return static_cast<char*>(memory);
  }

  /// Whether all ranks can. Who cannot says why, and the comparison goes on without it.
  [[nodiscard]] bool can(const std::string& name, const std::function<void()>& attempt) {
    bool good = true;
    try {
      attempt();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "rank %d: no %s: %s\n", rank_.rank(), name.c_str(), error.what());
      good = false;
    }
    return rank_.max(good ? 0 : 1) == 0;
  }

  void make_nccl(size_t all) {
    ncclUniqueId ids[2];
    for (ncclUniqueId& id : ids) {
      if (rank_.rank() == 0) {
        check(ncclGetUniqueId(&id), "ncclGetUniqueId");
      }
      rank_.broadcast(&id, sizeof(id));
    }
    has_nccl_ = can("nccl", [&] { make_communicator(nccl_, ids[0], NCCL_CONFIG_INITIALIZER); });
    has_symmetric_ = has_nccl_ && can("nccl+sym", [&] {
                       check(ncclMemAlloc(reinterpret_cast<void**>(&sym_send_), all), "ncclMemAlloc");
                       check(ncclMemAlloc(reinterpret_cast<void**>(&sym_recv_), all), "ncclMemAlloc");
                       make_windows(nccl_, all);
                     });
    has_engines_ = has_symmetric_ && can("nccl+CE", [&] {
                     ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
                     config.CTAPolicy = NCCL_CTA_POLICY_ZERO;
                     make_communicator(nccl_engines_, ids[1], config);
                     make_windows(nccl_engines_, all);
                   });
  }

  void make_communicator(ncclComm_t& comm, const ncclUniqueId& id, ncclConfig_t config) const {
    check(ncclCommInitRankConfig(&comm, rank_.size(), id, rank_.rank(), &config), "ncclCommInitRankConfig");
  }

  void make_windows(ncclComm_t comm, size_t all) const {
    ncclWindow_t window{};
    for (char* const memory : {sym_send_, sym_recv_}) {
      check(ncclCommWindowRegister(comm, memory, all, &window, NCCL_WIN_COLL_SYMMETRIC), "ncclCommWindowRegister");
    }
  }

  /// What `source` sends `target`: no two blocks alike.
  static void write(char* to, size_t bytes, int source, int target) {
    uint64_t state = static_cast<uint64_t>(source * 1009 + target + 1) * 0x9E3779B97F4A7C15U;
    for (size_t at = 0; at < bytes; at += 8) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      std::memcpy(to + at, &state, std::min<size_t>(8, bytes - at));
    }
  }

  void fill(size_t bytes) {
    std::vector<char> host(bytes * static_cast<size_t>(rank_.size()));
    for (int peer = 0; peer < rank_.size(); ++peer) {
      write(host.data() + static_cast<size_t>(peer) * bytes, bytes, rank_.rank(), peer);
    }
    check(cudaMemcpy(send_, host.data(), host.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
    if (has_symmetric_) {
      check(cudaMemcpy(sym_send_, host.data(), host.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
    }
  }

  [[nodiscard]] std::vector<Candidate> candidates_of(size_t bytes) {
    const auto size = static_cast<size_t>(rank_.size());
    std::vector<banyan_device_move> moves;
    for (size_t peer = 0; peer < size; ++peer) {
      const auto* const theirs = static_cast<const char*>(sends_[peer]);
      moves.push_back({send_ + peer * bytes, bytes, window_ + peer * bytes, bytes, -1,
                       theirs + static_cast<size_t>(rank_.rank()) * bytes});
    }
    const auto limit = [this, bytes] {
      for (int step = 1; step < rank_.size(); ++step) {
        const int peer = (rank_.rank() + step) % rank_.size();
        check(cudaMemcpyAsync(rank_.peer_window(1, peer) + static_cast<size_t>(rank_.rank()) * bytes,
                              send_ + static_cast<size_t>(peer) * bytes, bytes, cudaMemcpyDeviceToDevice, stream_),
              "cudaMemcpyAsync");
      }
    };
    std::vector<Candidate> candidates;
    candidates.push_back({.name = "memcpyPeer", .enqueue = limit});
    candidates.push_back(
        {.name = "banyan", .enqueue = [this, moves] { rank_.exchange(moves, stream_); }, .result = window_});
    candidates.push_back(
        {.name = "banyan+CE", .enqueue = [this, moves] { rank_.pull(moves, stream_); }, .result = window_});
    const auto add_nccl = [&](bool has, const char* name, ncclComm_t comm, char* send, char* recv) {
      const auto enqueue = [=, this] {
        check(ncclAlltoAll(send, recv, bytes, ncclInt8, comm, stream_), "ncclAlltoAll");
      };
      if (has) {
        candidates.push_back({.name = name, .enqueue = enqueue, .result = recv, .is_optional = true});
      }
    };
    add_nccl(has_nccl_, "nccl", nccl_, send_, recv_);
    add_nccl(has_symmetric_, "nccl+sym", nccl_, sym_send_, sym_recv_);
    add_nccl(has_engines_, "nccl+CE", nccl_engines_, sym_send_, sym_recv_);
    return candidates;
  }

  /// Seconds of one exchange, of so many in a row.
  double time(Candidate& one, int repeats) {
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    rank_.barrier();
    check(cudaEventRecord(begin_, stream_), "cudaEventRecord");
    for (int i = 0; i < repeats; ++i) {
      one.enqueue();
    }
    check(cudaEventRecord(end_, stream_), "cudaEventRecord");
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    const auto failure = rank_.failure();
    if (failure.status != BANYAN_OK) {
      throw std::runtime_error("exchange " + std::to_string(failure.call) + " waited for rank " +
                               std::to_string(failure.peer) + " in vain");
    }
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds) / repeats;
  }

  /// Of one more exchange into memory that was cleared.
  [[nodiscard]] double count_wrong(Candidate& one, char* result, size_t bytes) {
    const size_t all = bytes * static_cast<size_t>(rank_.size());
    check(cudaMemset(result, 0x5a, all), "cudaMemset");
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    rank_.barrier();
    static_cast<void>(time(one, 1));
    std::vector<char> host(all), expected(bytes);
    check(cudaMemcpy(host.data(), result, all, cudaMemcpyDeviceToHost), "cudaMemcpy");
    double wrong = 0;
    for (int peer = 0; peer < rank_.size(); ++peer) {
      const char* const block = host.data() + static_cast<size_t>(peer) * bytes;
      write(expected.data(), bytes, peer, rank_.rank());
      const bool differs = std::memcmp(block, expected.data(), bytes) != 0;
      for (size_t i = 0; differs && i < bytes; ++i) {
        wrong += block[i] != expected[i] ? 1 : 0;
      }
    }
    return wrong;
  }

  void print(size_t bytes, std::vector<Candidate>& candidates) {
    double limit_s = 0;
    std::string line;
    for (Candidate& one : candidates) {
      const double wrong = one.result == nullptr ? 0 : rank_.max(count_wrong(one, one.result, bytes));
      std::sort(one.rounds_s.begin(), one.rounds_s.end());
      const double median_s = one.rounds_s[one.rounds_s.size() / 2];
      limit_s = limit_s == 0 ? median_s : limit_s;
      const double sent = static_cast<double>(bytes) * (rank_.size() - 1);
      char text[160];
      std::snprintf(text, sizeof text, " | %-10s %9.2f us %7.1f GB/s %5.1f %% most %9.2f #wrong %.0f", one.name.c_str(),
                    1e6 * median_s, 1e-9 * sent / median_s, 100 * limit_s / median_s, 1e6 * one.rounds_s.back(), wrong);
      line += text;
    }
    if (rank_.rank() == 0) {
      std::printf("%10zu%s\n", bytes, line.c_str());
      std::fflush(stdout);
    }
  }

  MappedRank& rank_;
  int rounds_;
  cudaStream_t stream_{};
  cudaEvent_t begin_{}, end_{};
  std::vector<void*> sends_;  ///< by rank: its send memory, mapped here
  char *send_ = nullptr, *recv_ = nullptr, *window_ = nullptr, *limit_ = nullptr;
  char *sym_send_ = nullptr, *sym_recv_ = nullptr;
  ncclComm_t nccl_{}, nccl_engines_{};
  bool has_nccl_ = false, has_symmetric_ = false, has_engines_ = false;
};

constexpr const char* kUsage =
    "usage: gpu_compare PLUGIN_FOLDER [RANKS=2] [EAGER_BYTES=262144] [MOST_BYTES=268435456] [OPTIONS]\n"
    "All-to-alls between the GPUs of this host, of 1 KiB to MOST_BYTES a pair: Banyan's mapped exchange and pull, "
    "NCCL's\n"
    "plain, symmetric and copy-engine forms, and beside them what the copy engines move to the peers (the limit).\n"
    "Ranks are processes; the slowest counts; median of the rounds, interleaved; bytes are checked.\n\n"
    "  --sizes LIST   bytes of a pair, with commas between (default: 1 KiB times powers of four)\n"
    "  --rounds N     default 15\n"
    "  --limit-s N    ranks that last longer say where they are, and are ended (default: none)\n"
    "\nExample:\n  NCCL_NVLS_ENABLE=0 gpu_compare build/cuda/lib 2 --sizes 16384,268435456\n";

std::vector<size_t> sizes_of(const CommandLine& line) {
  std::vector<size_t> sizes;
  const auto given = line.values.find("--sizes");
  if (given == line.values.end()) {
    const size_t most = line.place(3, size_t{256} << 20);
    for (size_t bytes = 1024; bytes <= most; bytes *= 4) {
      sizes.push_back(bytes);
    }
    return sizes;
  }
  std::stringstream list(given->second);
  for (std::string word; std::getline(list, word, ',');) {
    sizes.push_back(std::stoull(word));
  }
  return sizes;
}

int run(const CommandLine& line) {
  const auto sizes = sizes_of(line);
  const auto rounds = static_cast<int>(line.number("--rounds", kRounds));
  if (line.places.empty() || sizes.empty() || rounds < 1) {
    throw std::invalid_argument("a folder, sizes and rounds are needed");
  }
  const auto& ops = load_plugin(line.places[0]);
  if (count_devices(ops) == 0) {
    return 1;
  }
  const JobOptions job{.eager_bytes = line.place(2, size_t{256} << 10), .limit_s = line.number("--limit-s", 0)};
  return run_ranks(ops, static_cast<int>(line.place(1, 2)), job, [&](MappedRank& rank) {
    rank.note("makes communicators");
    Compare compare(rank, *std::max_element(sizes.begin(), sizes.end()), rounds);
    for (const size_t bytes : sizes) {
      rank.note("compares " + std::to_string(bytes) + " bytes");
      compare.run(bytes);
    }
  });
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0) {
    std::fputs(banyan::perf::kUsage, argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
  try {
    return banyan::perf::run(banyan::perf::read_command_line(argc, argv, {"--sizes", "--rounds", "--limit-s"}));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_compare: %s\n", error.what());
    return 1;
  }
}
