// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "exam.hpp"
#include "token_batch.hpp"

/// What the exams of token exchanges share: a dispatch and a combine on a stream, and orders of them.
namespace banyan::gpu_test {

template <typename Number>
Number* to_device(const std::vector<Number>& host, size_t room) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, std::max<size_t>(16, room * sizeof(Number))), "cudaMalloc");
  check(cudaMemcpy(memory, host.data(), host.size() * sizeof(Number), cudaMemcpyHostToDevice), "cudaMemcpy");
  return static_cast<Number*>(memory);
}
template <typename Number>
std::vector<Number> to_host(const void* memory, size_t count) {
  std::vector<Number> host(count);
  check(cudaMemcpy(host.data(), memory, count * sizeof(Number), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return host;
}

/// A dispatch and a combine, and what the stream saw after each.
class TokenStep {
 public:
  TokenStep(const Shape& shape, perf::MappedRank& rank, int number);
  virtual ~TokenStep();
  TokenStep(const TokenStep&) = delete;
  TokenStep& operator=(const TokenStep&) = delete;

  virtual void expect_right() const = 0;

  static constexpr size_t kWaste = size_t{256} << 20;

 protected:
  [[nodiscard]] const Batch& own_batch() const { return round_.batch(rank_.rank()); }
  void note() { rank_.note(shape_.name + ": enqueues round " + std::to_string(number_)); }
  /// Odd rounds leave the number of tokens to the device.
  [[nodiscard]] banyan_device_dispatch what() const;
  /// One rank, another in each round, is late, at another place in each round. `waste`: memory to spend time on.
  void delay(int place, cudaStream_t stream, void* waste) const;
  /// Before and after dispatch: the number of tokens is there only then.
  void set_count(cudaStream_t stream) const;
  void clear_count(cudaStream_t stream) const;
  static void copy(void* to, const void* from, size_t bytes, cudaStream_t stream);
  template <typename Number>
  Number* room(size_t count) {
    auto* const memory = to_device(std::vector<Number>{}, count);
    memories_.push_back(memory);
    return memory;
  }
  template <typename Number>
  Number* on_device(const std::vector<Number>& host) {
    auto* const memory = to_device(host, host.size());
    memories_.push_back(memory);
    return memory;
  }
  void expect_combined(const std::vector<uint16_t>& expected) const;

  const Shape& shape_;
  perf::MappedRank& rank_;
  int number_;
  Round round_;
  char* out_;

 private:
  std::vector<void*> memories_;
  const uint16_t* rows_;
  const int* experts_;
  int* count_;
  const float* weights_;
};

class Waste {
 public:
  Waste() { check(cudaMalloc(&memory_, TokenStep::kWaste), "cudaMalloc"); }
  ~Waste() { static_cast<void>(cudaFree(memory_)); }
  Waste(const Waste&) = delete;
  Waste& operator=(const Waste&) = delete;
  [[nodiscard]] void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

void expect_no_failure(perf::MappedRank& rank);
/// Of layout A; struct_size, areas and experts are left.
[[nodiscard]] banyan_device_tokens_config config_of(const Shape& shape);

/// Six pairs of dispatch and combine that nothing separates but the stream. `Step` has `Exchange`, `make` and
/// `enqueue`.
template <typename Step>
void runs_back_to_back(const Shape& shape, perf::MappedRank& rank) {
  check(cudaSetDevice(rank.device()), "cudaSetDevice");
  const auto tokens = Step::make(shape, rank);
  const Waste waste;
  const Stream stream;
  for (int first = 0; first < 18; first += 6) {
    std::vector<std::unique_ptr<Step>> steps;
    for (int round = first; round < first + 6; ++round) {
      steps.push_back(std::make_unique<Step>(shape, rank, round));
    }
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (const auto& step : steps) {
      step->enqueue(*tokens, stream.get(), waste.get());
    }
    expect_no_failure(rank);
    for (const auto& step : steps) {
      step->expect_right();
    }
    rank.barrier();
  }
}

/// Two token exchanges of a group, whose kernels are the same.
template <typename Step>
void takes_turns(const Shape& shape, const Shape& shorter, perf::MappedRank& rank) {
  check(cudaSetDevice(rank.device()), "cudaSetDevice");
  const auto tokens = Step::make(shape, rank), others = Step::make(shorter, rank);
  const Waste waste;
  std::vector<std::unique_ptr<Step>> steps;
  for (int round = 0; round < 6; ++round) {
    steps.push_back(std::make_unique<Step>(round % 2 == 0 ? shape : shorter, rank, round));
  }
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i]->enqueue(i % 2 == 0 ? *tokens : *others, nullptr, waste.get());
  }
  expect_no_failure(rank);
  for (const auto& step : steps) {
    step->expect_right();
  }
  rank.barrier();
}

template <typename Step>
void replays_graphs(const Shape& shape, perf::MappedRank& rank) {
  check(cudaSetDevice(rank.device()), "cudaSetDevice");
  const auto tokens = Step::make(shape, rank);
  const Waste waste;
  const Stream stream;
  Step one(shape, rank, 2), other(shape, rank, 3);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  one.enqueue(*tokens, stream.get(), waste.get());
  other.enqueue(*tokens, stream.get(), waste.get());
  cudaGraph_t graph{};
  cudaGraphExec_t ready{};
  check(cudaStreamEndCapture(stream.get(), &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
  for (int repeat = 0; repeat < 4; ++repeat) {
    check(cudaGraphLaunch(ready, stream.get()), "cudaGraphLaunch");
  }
  expect_no_failure(rank);
  one.expect_right();
  other.expect_right();
  check(cudaGraphExecDestroy(ready), "cudaGraphExecDestroy");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  rank.barrier();
}

template <typename Step>
void names_who_is_missing(const Shape& shape, perf::MappedRank& rank) {
  check(cudaSetDevice(rank.device()), "cudaSetDevice");
  const auto tokens = Step::make(shape, rank);
  const Waste waste;
  Step step(shape, rank, 2);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  if (rank.rank() + 1 < rank.size()) {
    const auto start = std::chrono::steady_clock::now();
    step.enqueue(*tokens, nullptr, waste.get());
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    expect(seconds < 5, "a wait of 1 s lasted " + std::to_string(seconds));
    expect(rank.failure().status == BANYAN_ERR_TIMEOUT, "no timeout");
  }
  rank.barrier();
}

/// Every shape back to back, and the rest with shapes that are long enough.
template <typename Step>
std::vector<Trial> trials_of(const std::vector<Shape>& shapes, const Shape& several, const Shape& shorter) {
  const perf::JobOptions usual{.eager_bytes = 4096, .timeout_s = 4};
  perf::JobOptions brief = usual;
  brief.timeout_s = 1;
  std::vector<Trial> trials;
  for (const Shape& shape : shapes) {
    trials.push_back({shape.name, [shape](perf::MappedRank& rank) { runs_back_to_back<Step>(shape, rank); }, 1, usual});
  }
  trials.push_back({"rows of two lengths in turn",
                    [several, shorter](perf::MappedRank& rank) { takes_turns<Step>(several, shorter, rank); }, 1,
                    usual});
  trials.push_back(
      {"replays graphs", [several](perf::MappedRank& rank) { replays_graphs<Step>(several, rank); }, 1, usual});
  trials.push_back({"names who is missing",
                    [shape = shapes[0]](perf::MappedRank& rank) { names_who_is_missing<Step>(shape, rank); }, 2,
                    brief});
  return trials;
}

}  // namespace banyan::gpu_test
