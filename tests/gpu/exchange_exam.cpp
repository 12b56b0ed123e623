// SPDX-License-Identifier: Apache-2.0
// The exam of a device plugin's exchanges: every byte arrives once, in time, and nothing else changes, for sizes and
// alignments at the protocols' limits; back to back, with other data each time; captured graphs; streams; few blocks;
// and waits that end. Exit status 77: there is no device.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "exam.hpp"
#include "mixed.hpp"

namespace banyan::gpu_test {

using perf::JobOptions;
using perf::MappedRank;

namespace {

constexpr size_t kEager = 4096;
constexpr size_t kGuard = 32;  ///< bytes beside each block that must stay as they are
constexpr char kUntouched = 0x5a;
constexpr int kWindows = 2;

/// Which protocols a sequence uses.
enum class Kind : uint8_t { kLines, kPushes, kPulls, kAll };

/// What `source` sends `target` in an exchange: no two blocks alike.
void fill(char* to, size_t bytes, int source, int target, int round) {
  const uint64_t seed =
      mixed(static_cast<uint64_t>(round) << 32 | static_cast<uint64_t>(source) << 16 | static_cast<uint64_t>(target));
  for (size_t at = 0; at < bytes; at += 8) {
    const uint64_t word = mixed(seed ^ at);
    std::memcpy(to + at, &word, std::min<size_t>(8, bytes - at));
  }
}

/// At the protocols' limits: of lines of 120 bytes, the eager limit, units of copies.
std::vector<size_t> edges_of(Kind kind) {
  const std::vector<size_t> small = {0, 1, 7, 8, 119, 120, 121, 128, 4000, kEager};
  const std::vector<size_t> large = {kEager + 1, 5 * kEager + 13, 65536, 300001, 1000003, (8U << 20) + 5};
  std::vector<size_t> edges;
  if (kind != Kind::kPushes) {
    edges.insert(edges.end(), small.begin(), small.end());
  }
  if (kind != Kind::kLines) {
    edges.insert(edges.end(), large.begin(), large.end());
  }
  return edges;
}

/// Sizes of all pairs of a round, the same on all ranks.
std::vector<size_t> sizes_of(int num_ranks, int round, Kind kind) {
  std::mt19937_64 random(static_cast<uint64_t>(round) * 977 + 5);
  const std::vector<size_t> edges = edges_of(kind);
  std::vector<size_t> sizes;
  for (int pair = 0; pair < num_ranks * num_ranks; ++pair) {
    const bool uniform = round % 4 == 3;
    sizes.push_back(uniform ? edges[static_cast<size_t>(round) / 4 % edges.size()] : edges[random() % edges.size()]);
  }
  return sizes;
}

bool is_pull(Kind kind, int round) { return kind == Kind::kPulls || (kind == Kind::kAll && round % 4 == 2); }

/// Several exchanges in a row, each with its own sizes, places and data. After each the stream copies what was received
/// so far, so that what comes too early or too late is seen.
class Sequence {
 public:
  Sequence(MappedRank& rank, int first_round, int count, Kind kind = Kind::kAll)
      : rank_(rank), kind_(kind), first_round_(first_round) {
    check(cudaSetDevice(rank.device()), "cudaSetDevice");
    for (int i = 0; i < count; ++i) {
      steps_.push_back(lay_out(first_round + i));
    }
    const auto largest = static_cast<size_t>(rank.max(static_cast<double>(bytes_)));
    bytes_ = (largest + 4095) / 4096 * 4096;
    for (char*& window : windows_) {
      window = rank.make_window(bytes_);
    }
    for (Step& step : steps_) {
      step.sends = rank.make_area(bytes_);
      step.send = static_cast<char*>(step.sends[static_cast<size_t>(rank.rank())]);
      check(cudaMalloc(reinterpret_cast<void**>(&step.seen), kWindows * bytes_), "cudaMalloc");
    }
    image_.assign(kWindows * bytes_, kUntouched);
  }
  ~Sequence() {
    for (const Step& step : steps_) {
      static_cast<void>(cudaFree(step.seen));
    }
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  [[nodiscard]] size_t count() const { return steps_.size(); }

  /// Fresh data for all exchanges; `repeat` makes them differ from those before. Collective.
  void prepare(int repeat) {
    repeat_ = repeat;
    std::vector<char> host(bytes_);
    for (size_t i = 0; i < steps_.size(); ++i) {
      for (int peer = 0; peer < rank_.size(); ++peer) {
        const Block& block = steps_[i].blocks[static_cast<size_t>(peer)];
        fill(host.data() + block.send_at, block.sent, rank_.rank(), peer, number(i));
      }
      check(cudaMemcpy(steps_[i].send, host.data(), bytes_, cudaMemcpyHostToDevice), "cudaMemcpy");
    }
    for (char* const window : windows_) {
      check(cudaMemset(window, kUntouched, bytes_), "cudaMemset");
    }
    std::fill(image_.begin(), image_.end(), kUntouched);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    rank_.barrier();  // nobody clears what a peer writes already
  }

  /// Without `looks` the stream does not copy what was received so far, and what follows it need not wait for that.
  void enqueue(size_t i, cudaStream_t stream, bool looks = true) {
    Step& step = steps_[i];
    step.is_seen = looks;
    rank_.note("enqueues " + name(i));
    std::vector<banyan_device_move> moves;
    for (int peer = 0; peer < rank_.size(); ++peer) {
      const Block& block = step.blocks[static_cast<size_t>(peer)];
      const auto* const theirs = static_cast<const char*>(step.sends[static_cast<size_t>(peer)]);
      moves.push_back({step.send + block.send_at, block.sent, windows_[block.window] + block.recv_at, block.received,
                       -1, theirs + block.source_at});
    }
    if (is_pull(kind_, number(i))) {
      rank_.pull(moves, stream);
    } else {
      rank_.exchange(moves, stream);
    }
    for (int w = 0; looks && w < kWindows; ++w) {
      check(cudaMemcpyAsync(step.seen + static_cast<size_t>(w) * bytes_, windows_[w], bytes_, cudaMemcpyDeviceToDevice,
                            stream),
            "cudaMemcpyAsync");
    }
  }

  /// Waits, and compares what the stream saw after each exchange with what it should have.
  void expect_right() {
    rank_.note("waits for all exchanges up to " + name(steps_.size() - 1));
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    expect_no_failure("at the end");
    rank_.note("compares");
    std::vector<char> seen(kWindows * bytes_);
    for (size_t i = 0; i < steps_.size(); ++i) {
      for (int peer = 0; peer < rank_.size(); ++peer) {
        const Block& block = steps_[i].blocks[static_cast<size_t>(peer)];
        fill(image_.data() + static_cast<size_t>(block.window) * bytes_ + block.recv_at, block.received, peer,
             rank_.rank(), number(i));
      }
      if (!steps_[i].is_seen) {
        continue;
      }
      check(cudaMemcpy(seen.data(), steps_[i].seen, seen.size(), cudaMemcpyDeviceToHost), "cudaMemcpy");
      if (std::memcmp(seen.data(), image_.data(), seen.size()) != 0) {
        throw std::runtime_error(describe(seen, i));
      }
    }
  }

  /// Waits for one of them.
  void synchronize(size_t i) {
    rank_.note("waits for " + name(i));
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    expect_no_failure(name(i));
  }

 private:
  struct Block {
    size_t send_at, sent, recv_at, received;
    size_t source_at;  ///< in the peer's send memory
    int window;
  };
  struct Step {
    std::vector<Block> blocks;  ///< by peer
    std::vector<void*> sends;   ///< by rank: its send memory, mapped here
    char* send = nullptr;
    char* seen = nullptr;  ///< [window][bytes]
    bool is_seen = true;
  };

  void expect_no_failure(const std::string& where) const {
    const auto failure = rank_.failure();
    if (failure.status != BANYAN_OK) {
      throw std::runtime_error(where + ": the device reports status " + std::to_string(failure.status) + " of call " +
                               std::to_string(failure.call) + ", which waited for rank " +
                               std::to_string(failure.peer));
    }
  }

  /// With the sizes of its pairs.
  [[nodiscard]] std::string name(size_t i) const {
    std::string text = (is_pull(kind_, number(i)) ? "pull " : "exchange ") + std::to_string(i) + " from round " +
                       std::to_string(first_round_) + " of";
    for (const size_t size : sizes_of(rank_.size(), first_round_ + static_cast<int>(i), kind_)) {
      text += " " + std::to_string(size);
    }
    return text;
  }

  [[nodiscard]] int number(size_t i) const { return first_round_ + static_cast<int>(i) + 100000 * repeat_; }

  static size_t odd_place(int peer, int round) {
    return static_cast<size_t>(round % 2 == 0 ? 0 : 1 + (peer + round) % 15);
  }

  /// Where a rank has what it sends to each peer.
  [[nodiscard]] std::vector<size_t> send_places(const std::vector<size_t>& sizes, int rank, int round) const {
    std::vector<size_t> places;
    size_t at = 0;
    for (int peer = 0; peer < rank_.size(); ++peer) {
      at = (at + 15) / 16 * 16 + odd_place(peer, round);
      places.push_back(at);
      at += sizes[static_cast<size_t>(rank * rank_.size() + peer)];
    }
    return places;
  }

  /// Blocks at odd places in odd rounds, the received ones in both windows.
  Step lay_out(int round) {
    const auto sizes = sizes_of(rank_.size(), round, kind_);
    const auto own = send_places(sizes, rank_.rank(), round);
    Step step;
    size_t recv_at[kWindows] = {4096, 4096};
    for (int peer = 0; peer < rank_.size(); ++peer) {
      const size_t sent = sizes[static_cast<size_t>(rank_.rank() * rank_.size() + peer)];
      const size_t received = sizes[static_cast<size_t>(peer * rank_.size() + rank_.rank())];
      const size_t send_at = own[static_cast<size_t>(peer)];
      const size_t source_at = send_places(sizes, peer, round)[static_cast<size_t>(rank_.rank())];
      const int window = (peer + round) % kWindows;
      recv_at[window] = (recv_at[window] + kGuard + 15) / 16 * 16 + (round % 3 == 0 ? 0 : odd_place(peer, round));
      step.blocks.push_back({send_at, sent, recv_at[window], received, source_at, window});
      recv_at[window] += received + kGuard;
      bytes_ = std::max({bytes_, send_at + sent, recv_at[window]});
    }
    return step;
  }

  [[nodiscard]] std::string describe(const std::vector<char>& seen, size_t i) const {
    size_t wrong = 0, first = seen.size();
    for (size_t at = 0; at < seen.size(); ++at) {
      if (seen[at] != image_[at]) {
        first = std::min(first, at);
        ++wrong;
      }
    }
    std::string text = name(i) + ": " + std::to_string(wrong) + " wrong bytes, the first at " +
                       std::to_string(first % bytes_) + " of window " + std::to_string(first / bytes_) + "; blocks";
    for (const Block& block : steps_[i].blocks) {
      text += " " + std::to_string(block.received) + "@" + std::to_string(block.window) + ":" +
              std::to_string(block.recv_at);
    }
    return text;
  }

  MappedRank& rank_;
  Kind kind_;
  int first_round_;
  int repeat_ = 0;
  size_t bytes_ = 0;
  char* windows_[kWindows] = {};
  std::vector<Step> steps_;
  std::vector<char> image_;  ///< [window][bytes]: what should have been received
};

/// One exchange at a time.
void places_every_byte(MappedRank& rank, Kind kind, int rounds) {
  for (int round = 0; round < rounds; round += 8) {
    Sequence sequence(rank, round, 8, kind);
    sequence.prepare(0);
    for (size_t i = 0; i < sequence.count(); ++i) {
      sequence.enqueue(i, nullptr);
      sequence.synchronize(i);
    }
    sequence.expect_right();
    rank.barrier();
  }
}

/// Exchanges that nothing separates but the stream, which changes: an inbox is used again only when it has been read.
/// Nobody looks at what the last one before a change received: the next one, on another stream, would not wait for
/// that.
void runs_back_to_back(MappedRank& rank) {
  for (int round = 100; round < 148; round += 16) {
    Sequence sequence(rank, round, 16);
    Stream streams[2];
    const auto stream_of = [](size_t i) { return i / 3 % 2; };
    for (int repeat = 0; repeat < 3; ++repeat) {
      sequence.prepare(repeat);
      for (size_t i = 0; i < sequence.count(); ++i) {
        const bool stays = i + 1 == sequence.count() || stream_of(i + 1) == stream_of(i);
        sequence.enqueue(i, streams[stream_of(i)].get(), stays);
      }
      sequence.expect_right();
      rank.barrier();
    }
  }
}

void replays_graphs(MappedRank& rank) {
  Sequence sequence(rank, 200, 6);
  Stream stream;
  check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  for (size_t i = 0; i < sequence.count(); ++i) {
    sequence.enqueue(i, stream.get());
  }
  cudaGraph_t graph{};
  cudaGraphExec_t ready{};
  check(cudaStreamEndCapture(stream.get(), &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
  for (int repeat = 0; repeat < 6; ++repeat) {
    sequence.prepare(repeat);
    if (repeat % 2 == 0) {
      rank.note("launches the graph, repeat " + std::to_string(repeat));
      check(cudaGraphLaunch(ready, stream.get()), "cudaGraphLaunch");
    } else {  // the same without the graph, between its launches
      for (size_t i = 0; i < sequence.count(); ++i) {
        sequence.enqueue(i, stream.get());
      }
    }
    sequence.expect_right();
    rank.barrier();
  }
  check(cudaGraphExecDestroy(ready), "cudaGraphExecDestroy");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
}

double seconds_until_over() {
  const auto start = std::chrono::steady_clock::now();
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The last rank does not call. Later exchanges are refused.
void names_who_is_missing(MappedRank& rank, int round) {
  Sequence sequence(rank, round, 1);
  sequence.prepare(0);
  if (rank.rank() + 1 < rank.size()) {
    sequence.enqueue(0, nullptr);
    const double seconds = seconds_until_over();
    expect(seconds < 5, "a wait of 1 s lasted " + std::to_string(seconds));
    const auto failure = rank.failure();
    expect(failure.status == BANYAN_ERR_TIMEOUT, "no timeout");
    expect(failure.peer >= 0 && failure.peer < rank.size() && failure.call == 1, "whom, and in which exchange?");
    expect(rank.size() > 2 || failure.peer == rank.size() - 1, "rank 1 was missing");
    bool refused = false;
    try {
      sequence.enqueue(0, nullptr);
    } catch (const std::exception&) {
      refused = true;
    }
    expect(refused, "an exchange after the failure was not refused");
  }
  rank.barrier();
}

void ends_when_told(MappedRank& rank) {
  Sequence sequence(rank, 0, 1);
  sequence.prepare(0);
  if (rank.rank() + 1 < rank.size()) {
    sequence.enqueue(0, nullptr);
    rank.abort();
    expect(seconds_until_over() < 4, "an abort took 4 s");
    expect(rank.failure().status == BANYAN_ERR_ABORTED, "not aborted");
  }
  rank.barrier();
}

std::vector<Trial> trials() {
  const JobOptions usual{.eager_bytes = kEager, .timeout_s = 4};
  JobOptions few = usual, brief = usual;
  few.max_blocks = 1;
  brief.timeout_s = 1;
  const auto places = [](Kind kind, int rounds) {
    return [=](MappedRank& rank) { places_every_byte(rank, kind, rounds); };
  };
  const auto missing = [](int round) { return [round](MappedRank& rank) { names_who_is_missing(rank, round); }; };
  return {{"places every byte, lines", places(Kind::kLines, 32), 1, usual},
          {"places every byte, pushes", places(Kind::kPushes, 16), 1, usual},
          {"places every byte, pulls", places(Kind::kPulls, 24), 1, usual},
          {"places every byte, all kinds", places(Kind::kAll, 64), 1, usual},
          {"runs back to back", runs_back_to_back, 2, usual},
          {"runs back to back, one block", runs_back_to_back, 2, few},
          {"replays graphs", replays_graphs, 1, usual},
          {"names who is missing, no bytes", missing(3), 2, brief},
          {"names who is missing, any sizes", missing(0), 2, brief},
          {"names who is missing, a pull", missing(2), 2, brief},
          {"ends when told", ends_when_told, 2, usual}};
}

}  // namespace
}  // namespace banyan::gpu_test

int main(int argc, char** argv) { return banyan::gpu_test::examine(argc, argv, banyan::gpu_test::trials()); }
