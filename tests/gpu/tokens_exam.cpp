// SPDX-License-Identifier: Apache-2.0
// The exam of a device plugin's token exchanges: every row, expert and weight lies where it belongs, and combine's sums
// are those of a host, bit for bit; back to back with other tokens each time; few blocks; rows of several chunks;
// captured graphs; and waits that end. Exit status 77: there is no device.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "exam.hpp"
#include "gpu/mapped_tokens.hpp"

namespace banyan::gpu_test {

using perf::JobOptions;
using perf::MappedRank;
using perf::MappedTokens;

namespace {

/// Which tokens have choices at all.
enum class Pattern : uint8_t { kMost, kFirstOnly, kFew, kLateOnes };

bool has_choices(Pattern pattern, int token, int num_tokens) {
  switch (pattern) {
    case Pattern::kFirstOnly:
      return token == 0;
    case Pattern::kFew:
      return token % 40 == 0;
    case Pattern::kLateOnes:
      return token < 2 || token > num_tokens * 2 / 3;
    default:
      return true;
  }
}

struct Shape {
  std::string name;
  size_t row_bytes;
  int top_k;
  int num_experts;
  int max_tokens;
  banyan_dtype dtype;
  int max_blocks;
  Pattern pattern = Pattern::kMost;
};

/// What a rank dispatches in a round: the same wherever it is made.
struct Batch {
  int num_tokens = 0;
  std::vector<uint16_t> rows;  ///< upper halves of small numbers: BF16, and FP32 as pairs of them
  std::vector<int> experts;
  std::vector<float> weights;
};

Batch batch_of(const Shape& shape, int rank, int round) {
  std::mt19937 random(static_cast<unsigned>(round * 1000 + rank));
  Batch batch;
  const int kinds[] = {shape.max_tokens, 0, 1, std::min(63, shape.max_tokens), std::min(65, shape.max_tokens)};
  batch.num_tokens = (round + rank) % 3 == 0 ? kinds[random() % 5]
                                             : static_cast<int>(random() % static_cast<unsigned>(shape.max_tokens + 1));
  const auto count = static_cast<size_t>(batch.num_tokens);
  batch.rows.resize(count * shape.row_bytes / 2);
  const uint64_t seed = mixed(static_cast<uint64_t>(round) << 32 | static_cast<uint64_t>(rank));
  for (size_t i = 0; i < batch.rows.size(); i += 4) {  // rows are multiples of 16 bytes
    const uint64_t four = (mixed(seed ^ i) & 0x80ff80ff80ff80ffU) | 0x3f003f003f003f00U;  // +-0.5 to 2
    std::memcpy(batch.rows.data() + i, &four, sizeof(four));
  }
  for (size_t i = 0; i < count * static_cast<size_t>(shape.top_k); ++i) {
    const bool none = random() % 8 == 0;
    const unsigned range = static_cast<unsigned>(shape.num_experts);
    const auto expert = static_cast<int>(round % 4 == 1 ? random() % (range / 2 + 1) % range : random() % range);
    batch.experts.push_back(none ? (random() % 2 == 0 ? -1 : shape.num_experts) : expert);
    batch.weights.push_back(static_cast<float>(random() % 1024) / 1024);
  }
  for (int token = 0; token < batch.num_tokens; ++token) {
    if (!has_choices(shape.pattern, token, batch.num_tokens)) {
      std::fill_n(batch.experts.begin() + token * shape.top_k, shape.top_k, -1);
    }
  }
  if (round % 5 == 4 && shape.pattern == Pattern::kMost) {  // all to the last rank's experts
    std::fill(batch.experts.begin(), batch.experts.end(), shape.num_experts - 1);
  }
  return batch;
}

std::vector<int> ranks_of_experts(const Shape& shape, int num_ranks) {
  std::vector<int> ranks;
  for (int expert = 0; expert < shape.num_experts; ++expert) {
    ranks.push_back(expert * num_ranks / shape.num_experts);
  }
  return ranks;
}

template <typename Number>
Number* to_device(const std::vector<Number>& host, size_t room) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, std::max<size_t>(16, room * sizeof(Number))), "cudaMalloc");
  check(cudaMemcpy(memory, host.data(), host.size() * sizeof(Number), cudaMemcpyHostToDevice), "cudaMemcpy");
  return static_cast<Number*>(memory);
}

/// What a rank's experts make of a number: it times a power of two.
float scale_of(int rank) { return static_cast<float>(1 << rank % 3); }

float number_of(banyan_dtype type, const uint16_t* bits) {
  if (type == BANYAN_DTYPE_FP32) {
    float number = 0;
    std::memcpy(&number, bits, sizeof(number));
    return number;
  }
  if (type == BANYAN_DTYPE_FP16) {
    return __half2float(__half(__half_raw{*bits}));
  }
  return __bfloat162float(__nv_bfloat16(__nv_bfloat16_raw{*bits}));
}

void put_number(banyan_dtype type, float number, uint16_t* bits) {
  if (type == BANYAN_DTYPE_FP32) {
    std::memcpy(bits, &number, sizeof(number));
  } else if (type == BANYAN_DTYPE_FP16) {
    *bits = static_cast<__half_raw>(__float2half_rn(number)).x;
  } else {
    *bits = static_cast<__nv_bfloat16_raw>(__float2bfloat16_rn(number)).x;
  }
}

size_t halves_of(banyan_dtype type) { return type == BANYAN_DTYPE_FP32 ? 2 : 1; }

/// A dispatch and a combine, and what the stream saw after each.
class Step {
 public:
  Step(const Shape& shape, MappedRank& rank, int round) : shape_(shape), rank_(rank), round_(round) {
    ranks_of_experts_ = ranks_of_experts(shape, rank.size());
    for (int source = 0; source < rank.size(); ++source) {
      batches_.push_back(batch_of(shape, source, round));
    }
    const Batch& own = own_batch();
    const auto places = static_cast<size_t>(rank.size()) * static_cast<size_t>(shape.max_tokens);
    const auto tokens = static_cast<size_t>(own.num_tokens);
    choices_ = places * static_cast<size_t>(shape.top_k);
    rows_ = to_device(own.rows, own.rows.size());
    experts_ = to_device(own.experts, own.experts.size());
    weights_ = to_device(own.weights, own.weights.size());
    count_ = to_device(std::vector<int>{own.num_tokens, own.num_tokens}, 2);
    results_ = to_device(results(), places * shape.row_bytes / 2);
    out_ = to_device(std::vector<char>{}, tokens * shape.row_bytes);
    seen_rows_ = to_device(std::vector<char>{}, places * shape.row_bytes);
    seen_counts_ = to_device(std::vector<int>{}, static_cast<size_t>(rank.size()));
    seen_experts_ = to_device(std::vector<int>{}, choices_);
    seen_weights_ = to_device(std::vector<float>{}, choices_);
    check(cudaMemset(out_, 0x77, std::max<size_t>(1, tokens * shape.row_bytes)), "cudaMemset");
  }
  ~Step() {
    for (void* const memory : {static_cast<void*>(rows_), static_cast<void*>(experts_), static_cast<void*>(weights_),
                               static_cast<void*>(count_), static_cast<void*>(results_), static_cast<void*>(out_),
                               static_cast<void*>(seen_rows_), static_cast<void*>(seen_counts_),
                               static_cast<void*>(seen_experts_), static_cast<void*>(seen_weights_)}) {
      static_cast<void>(cudaFree(memory));
    }
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// One rank, another in each round, is late, at another place in each round. `waste`: device memory to spend time on.
  void enqueue(MappedTokens& tokens, cudaStream_t stream, void* waste) {
    rank_.note(shape_.name + ": enqueues round " + std::to_string(round_));
    const bool on_device = round_ % 2 == 1;
    const auto copy = [&](void* to, const void* from, size_t bytes) {
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "cudaMemcpyAsync");
    };
    const auto delay = [&](int place) {
      for (int i = 0; i < 4 && round_ % rank_.size() == rank_.rank() && round_ / rank_.size() % 3 == place; ++i) {
        check(cudaMemsetAsync(waste, i, kWaste, stream), "cudaMemsetAsync");
      }
    };
    copy(count_, count_ + 1, sizeof(int));
    delay(0);
    tokens.dispatch({.struct_size = 0,
                     .rows = rows_,
                     .experts = experts_,
                     .weights = has_weights() ? weights_ : nullptr,
                     .num_tokens = on_device ? shape_.max_tokens : own_batch().num_tokens,
                     .device_tokens = on_device ? count_ : nullptr},
                    stream);
    check(cudaMemsetAsync(count_, 0, sizeof(int), stream), "cudaMemsetAsync");  // combine does not look at it
    const auto received = tokens.received();
    copy(seen_counts_, received.counts, sizeof(int) * static_cast<size_t>(rank_.size()));
    copy(seen_experts_, received.experts, sizeof(int) * choices_);
    copy(seen_weights_, received.weights, sizeof(float) * choices_);
    copy(seen_rows_, received.rows, num_places() * shape_.row_bytes);
    delay(1);
    copy(received.rows, results_, num_places() * shape_.row_bytes);  // what the experts made
    delay(2);
    tokens.combine(out_, stream);
  }
  static constexpr size_t kWaste = size_t{256} << 20;

  void expect_right() const {
    expect_received();
    expect_combined();
  }

 private:
  [[nodiscard]] const Batch& own_batch() const { return batches_[static_cast<size_t>(rank_.rank())]; }

  [[nodiscard]] std::string where(int source, int token) const {
    return shape_.name + ", round " + std::to_string(round_) + ", token " + std::to_string(token) + " of rank " +
           std::to_string(source) + ": ";
  }

  template <typename Number>
  [[nodiscard]] static std::vector<Number> to_host(const void* memory, size_t count) {
    std::vector<Number> host(count);
    check(cudaMemcpy(host.data(), memory, count * sizeof(Number), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return host;
  }

  void expect_received() const {
    const auto counts = to_host<int>(seen_counts_, static_cast<size_t>(rank_.size()));
    const auto experts = to_host<int>(seen_experts_, choices_);
    const auto weights = to_host<float>(seen_weights_, choices_);
    const auto rows = to_host<char>(seen_rows_, num_places() * shape_.row_bytes);
    const auto top_k = static_cast<size_t>(shape_.top_k);
    for (int source = 0; source < rank_.size(); ++source) {
      const Batch& batch = batches_[static_cast<size_t>(source)];
      int slot = 0;
      for (int token = 0; token < batch.num_tokens; ++token) {
        if (!goes_to(batch, token, rank_.rank())) {
          continue;
        }
        const size_t place =
            static_cast<size_t>(source) * static_cast<size_t>(shape_.max_tokens) + static_cast<size_t>(slot);
        const auto* const row =
            reinterpret_cast<const char*>(batch.rows.data()) + static_cast<size_t>(token) * shape_.row_bytes;
        if (std::memcmp(rows.data() + place * shape_.row_bytes, row, shape_.row_bytes) != 0) {
          throw std::runtime_error(where(source, token) + "another row");
        }
        for (size_t choice = 0; choice < top_k; ++choice) {
          const int expert = batch.experts[static_cast<size_t>(token) * top_k + choice];
          const bool here = rank_of(expert) == rank_.rank();
          const float weight = batch.weights[static_cast<size_t>(token) * top_k + choice];
          if (experts[place * top_k + choice] != (here ? expert : -1) ||
              weights[place * top_k + choice] != (here && has_weights() ? weight : 0)) {
            throw std::runtime_error(where(source, token) + "expert or weight of choice " + std::to_string(choice));
          }
        }
        ++slot;
      }
      expect(counts[static_cast<size_t>(source)] == slot, where(source, -1) + std::to_string(slot) +
                                                              " rows expected, " +
                                                              std::to_string(counts[static_cast<size_t>(source)]));
    }
  }

  [[nodiscard]] size_t num_places() const { return choices_ / static_cast<size_t>(shape_.top_k); }
  [[nodiscard]] bool has_weights() const { return round_ % 7 != 3; }

  /// Negative: no expert.
  [[nodiscard]] int rank_of(int expert) const {
    return expert >= 0 && expert < shape_.num_experts ? ranks_of_experts_[static_cast<size_t>(expert)] : -1;
  }

  [[nodiscard]] bool goes_to(const Batch& batch, int token, int rank) const {
    const int* const chosen = batch.experts.data() + static_cast<size_t>(token) * static_cast<size_t>(shape_.top_k);
    return std::any_of(chosen, chosen + shape_.top_k, [&](int expert) { return rank_of(expert) == rank; });
  }

  /// What this rank's experts make of the rows that it should receive.
  [[nodiscard]] std::vector<uint16_t> results() const {
    const size_t halves = shape_.row_bytes / 2;
    std::vector<uint16_t> all(num_places() * halves, 0x1111);
    for (int source = 0; source < rank_.size(); ++source) {
      const Batch& batch = batches_[static_cast<size_t>(source)];
      size_t place = static_cast<size_t>(source) * static_cast<size_t>(shape_.max_tokens);
      for (int token = 0; token < batch.num_tokens; ++token) {
        if (goes_to(batch, token, rank_.rank())) {
          add_up(batch.rows.data() + static_cast<size_t>(token) * halves, {scale_of(rank_.rank())},
                 all.data() + place * halves);
          ++place;
        }
      }
    }
    return all;
  }

  /// A row times each scale, in FP32, added up in their order, rounded once.
  void add_up(const uint16_t* row, const std::vector<float>& scales, uint16_t* sums) const {
    for (size_t i = 0; i < shape_.row_bytes / 2; i += halves_of(shape_.dtype)) {
      const float number = number_of(shape_.dtype, row + i);
      float sum = 0;
      for (const float scale : scales) {
        sum += number * scale;
      }
      put_number(shape_.dtype, sum, sums + i);
    }
  }

  /// The ranks' results in their order.
  void expect_combined() const {
    const size_t halves = shape_.row_bytes / 2;
    const Batch& own = own_batch();
    const auto out = to_host<uint16_t>(out_, static_cast<size_t>(own.num_tokens) * halves);
    std::vector<uint16_t> expected(halves);
    std::vector<float> scales;
    for (int token = 0; token < own.num_tokens; ++token) {
      scales.clear();
      for (int rank = 0; rank < rank_.size(); ++rank) {
        if (goes_to(own, token, rank)) {
          scales.push_back(scale_of(rank));
        }
      }
      const size_t first = static_cast<size_t>(token) * halves;
      add_up(own.rows.data() + first, scales, expected.data());
      if (std::memcmp(expected.data(), out.data() + first, shape_.row_bytes) != 0) {
        const auto wrong = std::mismatch(expected.begin(), expected.end(), out.begin() + static_cast<long>(first));
        throw std::runtime_error(where(rank_.rank(), token) + "sum at " +
                                 std::to_string(wrong.first - expected.begin()) + " of " + std::to_string(halves) +
                                 " halves, of " + std::to_string(scales.size()) + " ranks");
      }
    }
  }

  const Shape& shape_;
  MappedRank& rank_;
  int round_;
  std::vector<int> ranks_of_experts_;
  std::vector<Batch> batches_;  ///< by rank
  size_t choices_ = 0;
  uint16_t *rows_, *results_;
  int *experts_, *count_;
  float* weights_;
  char *out_, *seen_rows_;
  int *seen_counts_, *seen_experts_;
  float* seen_weights_;
};

class Waste {
 public:
  Waste() { check(cudaMalloc(&memory_, Step::kWaste), "cudaMalloc"); }
  ~Waste() { static_cast<void>(cudaFree(memory_)); }
  Waste(const Waste&) = delete;
  Waste& operator=(const Waste&) = delete;
  [[nodiscard]] void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

void expect_no_failure(MappedRank& rank) {
  rank.note("waits for all rounds");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  const auto failure = rank.failure();
  expect(failure.status == BANYAN_OK, "the device reports a failure of call " + std::to_string(failure.call) +
                                          " with rank " + std::to_string(failure.peer));
  rank.note("compares");
}

MappedTokens make_tokens(const Shape& shape, MappedRank& rank) {
  check(cudaSetDevice(rank.device()), "cudaSetDevice");
  banyan_device_tokens_config config{};
  config.max_tokens = shape.max_tokens;
  config.top_k = shape.top_k;
  config.row_bytes = shape.row_bytes;
  config.dtype = shape.dtype;
  config.max_blocks = shape.max_blocks;
  return MappedTokens(rank, config, ranks_of_experts(shape, rank.size()));
}

/// Six pairs of dispatch and combine that nothing separates but the stream.
void runs_back_to_back(const Shape& shape, MappedRank& rank) {
  MappedTokens tokens = make_tokens(shape, rank);
  const Waste waste;
  cudaStream_t stream{};
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  for (int first = 0; first < 18; first += 6) {
    std::vector<std::unique_ptr<Step>> steps;
    for (int round = first; round < first + 6; ++round) {
      steps.push_back(std::make_unique<Step>(shape, rank, round));
    }
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (const auto& step : steps) {
      step->enqueue(tokens, stream, waste.get());
    }
    expect_no_failure(rank);
    for (const auto& step : steps) {
      step->expect_right();
    }
    rank.barrier();
  }
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

/// Two token exchanges of a group, whose kernels are the same.
void takes_turns(const Shape& shape, const Shape& shorter, MappedRank& rank) {
  MappedTokens tokens = make_tokens(shape, rank), others = make_tokens(shorter, rank);
  const Waste waste;
  std::vector<std::unique_ptr<Step>> steps;
  for (int round = 0; round < 6; ++round) {
    steps.push_back(std::make_unique<Step>(round % 2 == 0 ? shape : shorter, rank, round));
  }
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i]->enqueue(i % 2 == 0 ? tokens : others, nullptr, waste.get());
  }
  expect_no_failure(rank);
  for (const auto& step : steps) {
    step->expect_right();
  }
  rank.barrier();
}

void replays_graphs(const Shape& shape, MappedRank& rank) {
  MappedTokens tokens = make_tokens(shape, rank);
  const Waste waste;
  cudaStream_t stream{};
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  Step one(shape, rank, 2), other(shape, rank, 3);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  one.enqueue(tokens, stream, waste.get());
  other.enqueue(tokens, stream, waste.get());
  cudaGraph_t graph{};
  cudaGraphExec_t ready{};
  check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
  for (int repeat = 0; repeat < 4; ++repeat) {
    check(cudaGraphLaunch(ready, stream), "cudaGraphLaunch");
  }
  expect_no_failure(rank);
  one.expect_right();
  other.expect_right();
  check(cudaGraphExecDestroy(ready), "cudaGraphExecDestroy");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
  rank.barrier();
}

void names_who_is_missing(const Shape& shape, MappedRank& rank) {
  MappedTokens tokens = make_tokens(shape, rank);
  const Waste waste;
  Step step(shape, rank, 2);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  if (rank.rank() + 1 < rank.size()) {
    const auto start = std::chrono::steady_clock::now();
    step.enqueue(tokens, nullptr, waste.get());
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    expect(seconds < 5, "a wait of 1 s lasted " + std::to_string(seconds));
    expect(rank.failure().status == BANYAN_ERR_TIMEOUT, "no timeout");
  }
  rank.barrier();
}

std::vector<Shape> shapes() {
  return {
      {"rows of 4 KiB, 2 of 16", 4096, 2, 16, 300, BANYAN_DTYPE_BF16, 0},
      {"rows of 16 bytes, one choice", 16, 1, 4, 300, BANYAN_DTYPE_BF16, 0},
      {"rows of 4112 bytes, 8 of 64", 4112, 8, 64, 200, BANYAN_DTYPE_BF16, 0},
      {"rows of 14336 bytes, 8 of 256, 3 blocks", 14336, 8, 256, 300, BANYAN_DTYPE_BF16, 3},
      {"rows of 40016 bytes, 16 of 33, one block", 40016, 16, 33, 70, BANYAN_DTYPE_BF16, 1},
      {"rows of 8192 bytes, FP32, 4 of 8", 8192, 4, 8, 150, BANYAN_DTYPE_FP32, 0},
      {"rows of 1024 bytes, FP16, 6 of 40", 1024, 6, 40, 500, BANYAN_DTYPE_FP16, 7},
      {"one block, only the first token", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFirstOnly},
      {"one block, few tokens", 4096, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFew},
      {"one block, few large tokens", 14336, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kFew},
      {"one block, late tokens", 14336, 8, 64, 700, BANYAN_DTYPE_BF16, 1, Pattern::kLateOnes},
  };
}

std::vector<Trial> trials() {
  const JobOptions usual{.eager_bytes = 4096, .timeout_s = 4};
  JobOptions brief = usual;
  brief.timeout_s = 1;
  const auto all = shapes();
  std::vector<Trial> trials;
  for (const Shape& shape : all) {
    trials.push_back({shape.name, [shape](MappedRank& rank) { runs_back_to_back(shape, rank); }, 1, usual});
  }
  const Shape shorter{"rows of 10000 bytes, 4 of 64", 10000, 4, 64, 100, BANYAN_DTYPE_BF16, 3};
  trials.push_back({"rows of two lengths in turn",
                    [shape = all[3], shorter](MappedRank& rank) { takes_turns(shape, shorter, rank); }, 1, usual});
  trials.push_back({"replays graphs", [shape = all[3]](MappedRank& rank) { replays_graphs(shape, rank); }, 1, usual});
  trials.push_back(
      {"names who is missing", [shape = all[0]](MappedRank& rank) { names_who_is_missing(shape, rank); }, 2, brief});
  return trials;
}

}  // namespace
}  // namespace banyan::gpu_test

int main(int argc, char** argv) { return banyan::gpu_test::examine(argc, argv, banyan::gpu_test::trials()); }
