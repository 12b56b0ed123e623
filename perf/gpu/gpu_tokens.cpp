// SPDX-License-Identifier: Apache-2.0
// Dispatch and combine between the GPUs of this host: a row for each token and rank (layout A), and rows by expert
// (layout B), by the method of shared/reference/gpu-anchors.md, and beside them what the copy engines take to move as
// many bytes to the peers.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "gpu/command_line.hpp"
#include "gpu/mapped_experts.hpp"
#include "gpu/mapped_tokens.hpp"

namespace banyan::perf {
namespace {

constexpr int kWarmUps = 8;
constexpr int kIterations = 40;  ///< unless told otherwise
constexpr int kInputs = 3;       ///< taken in turn
constexpr float kWeight = 0.5F;  ///< of every choice
constexpr size_t kFlushBytes = size_t{256} << 20;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

struct Case {
  const char* name;
  int tokens, hidden, top_k, num_experts;
};

constexpr Case kCases[] = {{"d128", 128, 7168, 8, 256},
                           {"p4k", 4096, 7168, 8, 256},
                           {"p8k", 8192, 7168, 8, 256},
                           {"gs16k", 16384, 2048, 2, 16}};

template <typename Number>
Number* allocate(size_t count) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, count * sizeof(Number)), "cudaMalloc");
  return static_cast<Number*>(memory);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Of BF16.
float number_of(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float number = 0;
  std::memcpy(&number, &word, sizeof(number));
  return number;
}
uint16_t rounded(float number) {
  uint32_t bits = 0;
  std::memcpy(&bits, &number, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

/// Distinct experts of each token, uniform.
std::vector<int> route(const Case& one, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int> experts;
  for (int token = 0; token < one.tokens; ++token) {
    const auto first = experts.end() - experts.begin();
    while (experts.end() - experts.begin() < first + one.top_k) {
      const auto expert = static_cast<int>(random() % static_cast<unsigned>(one.num_experts));
      if (std::find(experts.begin() + first, experts.end(), expert) == experts.end()) {
        experts.push_back(expert);
      }
    }
  }
  return experts;
}

enum class Layout : char { kByRank = 'A', kByExpert = 'B' };

constexpr int kRowAlignment = 128;  ///< of experts' runs

class Measurement {
 public:
  Measurement(MappedRank& rank, const Case& one, Layout layout, int max_blocks, int iterations)
      : rank_(rank),
        case_(one),
        layout_(layout),
        iterations_(iterations),
        row_bytes_(2 * static_cast<size_t>(one.hidden)) {
    check(cudaSetDevice(rank.device()), "cudaSetDevice");
    for (int expert = 0; expert < one.num_experts; ++expert) {
      rank_of_expert_.push_back(expert * rank.size() / one.num_experts);
    }
    banyan_device_tokens_config config{};
    config.max_tokens = one.tokens;
    config.top_k = one.top_k;
    config.row_bytes = row_bytes_;
    config.dtype = BANYAN_DTYPE_BF16;
    config.max_blocks = max_blocks;
    if (layout == Layout::kByRank) {
      tokens_ = std::make_unique<MappedTokens>(rank, config, rank_of_expert_);
    } else {
      banyan_device_experts_config by_expert{};
      by_expert.tokens = config;
      by_expert.row_alignment = kRowAlignment;
      by_expert.max_rows = 2 * one.tokens * one.top_k + one.num_experts * kRowAlignment;  // twice what is even
      experts_ = std::make_unique<MappedExperts>(rank, by_expert, rank_of_expert_);
    }
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    for (auto& event : events_) {
      check(cudaEventCreate(&event), "cudaEventCreate");
    }
    flush_ = allocate<char>(kFlushBytes);
    const auto tokens = static_cast<size_t>(one.tokens);
    weights_ = allocate<float>(tokens * static_cast<size_t>(one.top_k));
    const std::vector<float> halves(tokens * static_cast<size_t>(one.top_k), kWeight);
    check(cudaMemcpy(weights_, halves.data(), halves.size() * sizeof(float), cudaMemcpyHostToDevice), "weights");
    out_ = allocate<uint16_t>(tokens * static_cast<size_t>(one.hidden));
    for (int input = 0; input < kInputs; ++input) {
      add_input(static_cast<unsigned>(input * 100 + rank.rank()));
    }
  }
  ~Measurement() {
    for (auto& event : events_) {
      static_cast<void>(cudaEventDestroy(event));
    }
    for (const Input& input : inputs_) {
      static_cast<void>(cudaFree(input.rows));
      static_cast<void>(cudaFree(input.experts));
    }
    static_cast<void>(cudaFree(flush_));
    static_cast<void>(cudaFree(weights_));
    static_cast<void>(cudaFree(out_));
    static_cast<void>(cudaStreamDestroy(stream_));
  }
  Measurement(const Measurement&) = delete;
  Measurement& operator=(const Measurement&) = delete;

  void run() {
    std::vector<double> dispatches, combines, sums, copies;
    for (int i = 0; i < kWarmUps + iterations_; ++i) {
      const Input& input = inputs_[static_cast<size_t>(i) % inputs_.size()];
      const double dispatch_s = time([&] { dispatch(input); });
      const double combine_s = time([&] { combine(); });
      const double copy_s = time([&] { copy(); });
      if (i >= kWarmUps) {
        dispatches.push_back(dispatch_s);
        combines.push_back(combine_s);
        sums.push_back(dispatch_s + combine_s);
        copies.push_back(copy_s);
      }
    }
    const double wrong = rank_.max(count_wrong(inputs_[static_cast<size_t>(kWarmUps + iterations_ - 1) % kInputs]));
    const double limit_s = median(copies);
    if (rank_.rank() == 0) {
      std::printf(
          "%c %-6s dispatch %8.1f us combine %8.1f us sum %8.1f us (most %8.1f) | %5.1f %5.1f GB/s | memcpyPeer "
          "%8.1f us each way, %5.1f %% | wire rows %zu #wrong %.0f\n",
          static_cast<char>(layout_), case_.name, 1e6 * median(dispatches), 1e6 * median(combines), 1e6 * median(sums),
          1e6 * *std::max_element(sums.begin(), sums.end()), rate(median(dispatches)), rate(median(combines)),
          1e6 * limit_s, 200 * limit_s / median(sums), wire_rows_, wrong);
      std::fflush(stdout);
    }
  }

 private:
  struct Input {
    char* rows;
    int* experts;
    std::vector<uint16_t> host_rows;
    std::vector<int> host_experts;
  };

  [[nodiscard]] double rate(double seconds) const {
    return 1e-9 * static_cast<double>(wire_rows_ * row_bytes_) / seconds;
  }

  void add_input(unsigned seed) {
    Input input{nullptr, nullptr, {}, route(case_, seed)};
    std::mt19937 random(seed);
    input.host_rows.resize(static_cast<size_t>(case_.tokens) * static_cast<size_t>(case_.hidden));
    for (uint16_t& bits : input.host_rows) {
      bits = static_cast<uint16_t>(0x3f00U | (random() & 0x7fU));
    }
    input.rows = allocate<char>(input.host_rows.size() * 2);
    input.experts = allocate<int>(input.host_experts.size());
    check(cudaMemcpy(input.rows, input.host_rows.data(), input.host_rows.size() * 2, cudaMemcpyHostToDevice), "rows");
    check(cudaMemcpy(input.experts, input.host_experts.data(), input.host_experts.size() * 4, cudaMemcpyHostToDevice),
          "experts");
    wire_rows_ = 0;
    for (int token = 0; token < case_.tokens; ++token) {
      wire_rows_ += fan_of(input, token) - (goes_to(input, token, rank_.rank()) ? 1 : 0);
    }
    inputs_.push_back(std::move(input));
  }

  [[nodiscard]] bool goes_to(const Input& input, int token, int rank) const {
    const auto* const chosen = input.host_experts.data() + token * case_.top_k;
    return std::any_of(chosen, chosen + case_.top_k,
                       [&](int expert) { return rank_of_expert_[static_cast<size_t>(expert)] == rank; });
  }
  [[nodiscard]] size_t fan_of(const Input& input, int token) const {
    size_t fan = 0;
    for (int rank = 0; rank < rank_.size(); ++rank) {
      fan += goes_to(input, token, rank) ? 1 : 0;
    }
    return fan;
  }

  void dispatch(const Input& input) {
    const banyan_device_dispatch dispatch{.struct_size = 0,
                                          .rows = input.rows,
                                          .experts = input.experts,
                                          .weights = weights_,
                                          .num_tokens = case_.tokens,
                                          .device_tokens = nullptr};
    if (layout_ == Layout::kByRank) {
      tokens_->dispatch(dispatch, stream_);
    } else {
      experts_->dispatch(dispatch, stream_);
    }
  }
  void combine() {
    if (layout_ == Layout::kByRank) {
      tokens_->combine(out_, stream_);
    } else {
      experts_->combine(out_, true, stream_);
    }
  }

  /// As many bytes as the wire rows, to the peers in equal parts, from the first input to their copy window.
  void copy() {
    const auto peers = static_cast<size_t>(rank_.size() - 1);
    for (int step = 1; step < rank_.size(); ++step) {
      const int peer = (rank_.rank() + step) % rank_.size();
      check(cudaMemcpyAsync(rank_.peer_window(0, peer), inputs_[0].rows,
                            std::min(wire_rows_ / peers, static_cast<size_t>(case_.tokens)) * row_bytes_,
                            cudaMemcpyDeviceToDevice, stream_),
            "cudaMemcpyAsync");
    }
  }

  /// Seconds of a phase at the slowest rank. L2 is emptied, and the ranks are lined up by exchanges of no bytes, so
  /// that the host is ahead.
  template <typename Phase>
  double time(Phase phase) {
    check(cudaMemsetAsync(flush_, 1, kFlushBytes, stream_), "cudaMemsetAsync");
    for (int i = 0; i < 4; ++i) {
      check(cudaMemsetAsync(flush_, 2, kFlushBytes, stream_), "cudaMemsetAsync");  // and the host gets ahead
    }
    for (int i = 0; i < 2; ++i) {
      rank_.exchange(std::vector<banyan_device_move>(static_cast<size_t>(rank_.size())), stream_);
    }
    check(cudaEventRecord(events_[0], stream_), "cudaEventRecord");
    phase();
    check(cudaEventRecord(events_[1], stream_), "cudaEventRecord");
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    const auto failure = rank_.failure();
    if (failure.status != BANYAN_OK) {
      throw std::runtime_error("call " + std::to_string(failure.call) + " waited for rank " +
                               std::to_string(failure.peer) + " in vain");
    }
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, events_[0], events_[1]), "cudaEventElapsedTime");
    return rank_.max(1e-3 * static_cast<double>(milliseconds));
  }

  /// What the last iteration must give for a number of a token: each rank gives its row back; or each rank the sum of
  /// the rows of its experts, half of each, rounded.
  [[nodiscard]] uint16_t expected(const Input& input, int token, uint16_t bits) const {
    if (layout_ == Layout::kByRank) {
      return rounded(static_cast<float>(fan_of(input, token)) * number_of(bits));
    }
    float sum = 0;
    for (int rank = 0; rank < rank_.size(); ++rank) {
      const auto* const chosen = input.host_experts.data() + token * case_.top_k;
      const auto count = std::count_if(chosen, chosen + case_.top_k, [&](int expert) {
        return rank_of_expert_[static_cast<size_t>(expert)] == rank;
      });
      sum += number_of(rounded(static_cast<float>(count) * kWeight * number_of(bits)));
    }
    return rounded(sum);
  }

  /// Sums are exact for up to 8 rows with eight bits of mantissa, so one rounding of each is all there is.
  [[nodiscard]] double count_wrong(const Input& input) const {
    std::vector<uint16_t> out(input.host_rows.size());
    check(cudaMemcpy(out.data(), out_, out.size() * 2, cudaMemcpyDeviceToHost), "cudaMemcpy");
    double wrong = 0;
    std::vector<uint16_t> sums(1 << 7);  // by the bits that differ between numbers
    for (int token = 0; token < case_.tokens; ++token) {
      for (size_t bits = 0; bits < sums.size(); ++bits) {
        sums[bits] = expected(input, token, static_cast<uint16_t>(0x3f00U | bits));
      }
      const size_t first = static_cast<size_t>(token) * static_cast<size_t>(case_.hidden);
      for (size_t at = first; at < first + static_cast<size_t>(case_.hidden); ++at) {
        wrong += out[at] == sums[input.host_rows[at] & 0x7fU] ? 0 : 1;
      }
    }
    return wrong;
  }

  MappedRank& rank_;
  const Case& case_;
  Layout layout_;
  int iterations_;
  size_t row_bytes_;
  std::vector<int> rank_of_expert_;
  std::unique_ptr<MappedTokens> tokens_;    ///< layout A
  std::unique_ptr<MappedExperts> experts_;  ///< layout B
  cudaStream_t stream_{};
  cudaEvent_t events_[2]{};
  char* flush_ = nullptr;
  float* weights_ = nullptr;
  uint16_t* out_ = nullptr;
  std::vector<Input> inputs_;
  size_t wire_rows_ = 0;
};

constexpr const char* kUsage =
    "usage: gpu_tokens PLUGIN_FOLDER [RANKS=2] [MAX_BLOCKS=0] [CASE ...] [OPTIONS]\n"
    "Dispatch and combine of BF16 rows between the GPUs of this host, routing fresh; a row for each token and rank "
    "(A),\n"
    "or rows by expert, in runs of multiples of 128, weighted in combine (B):\n"
    "d128, p4k, p8k (128, 4096, 8192 tokens of 7168, 8 of 256 experts), gs16k (16384 of 2048, 2 of 16); default: all.\n"
    "Median of 40 at the slowest rank, L2 emptied before each phase; sums are checked. Percent: twice what the copy\n"
    "engines take to move the same bytes both ways, of the sum.\n\n"
    "  --layout A|B     only that one (default: both, A first)\n"
    "  --iterations N   default 40\n"
    "  --limit-s N      ranks that last longer say where they are, and are ended (default: none)\n"
    "\nExample:\n  gpu_tokens build/cuda/lib 2 24 p4k\n";

int run(const CommandLine& line) {
  const auto max_blocks = static_cast<int>(line.place(2, 0));
  const auto iterations = static_cast<int>(line.number("--iterations", kIterations));
  if (line.places.empty() || iterations < 1) {
    throw std::invalid_argument("a folder and iterations are needed");
  }
  std::vector<Case> cases;
  for (const Case& one : kCases) {
    const auto names = line.places.begin() + static_cast<long>(std::min<size_t>(line.places.size(), 3));
    if (names == line.places.end() || std::find(names, line.places.end(), one.name) != line.places.end()) {
      cases.push_back(one);
    }
  }
  const auto chosen = line.values.find("--layout");
  std::vector<Layout> layouts;
  for (const Layout layout : {Layout::kByRank, Layout::kByExpert}) {
    if (chosen == line.values.end() || chosen->second == std::string(1, static_cast<char>(layout))) {
      layouts.push_back(layout);
    }
  }
  if (layouts.empty()) {
    throw std::invalid_argument("--layout is A or B");
  }
  const auto& ops = load_plugin(line.places[0]);
  if (count_devices(ops) == 0) {
    return 1;
  }
  const JobOptions job{.eager_bytes = 4096, .limit_s = line.number("--limit-s", 0)};
  return run_ranks(ops, static_cast<int>(line.place(1, 2)), job, [&](MappedRank& rank) {
    size_t most = 0;
    for (const Case& one : cases) {
      most = std::max(most, 2 * static_cast<size_t>(one.tokens) * static_cast<size_t>(one.hidden));
    }
    static_cast<void>(rank.make_window(most));
    for (const Case& one : cases) {
      for (const Layout layout : layouts) {
        rank.note(std::string(one.name) + " of layout " + static_cast<char>(layout));
        Measurement(rank, one, layout, max_blocks, iterations).run();
        rank.barrier();
      }
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
    return banyan::perf::run(banyan::perf::read_command_line(argc, argv, {"--iterations", "--layout", "--limit-s"}));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_tokens: %s\n", error.what());
    return 1;
  }
}
