// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/experts.cuh"
#include "cuda/tokens.cuh"
#include "emulation/kernels.hpp"
#include "token_batch.hpp"

/// Ranks whose token exchanges run on the emulated GPU, and are compared with the plain reference after each kernel.
namespace banyan::gpu_test {

/// Zeroed memory, aligned as a device's.
class Memory {
 public:
  explicit Memory(size_t bytes) : units_(bytes / sizeof(ulonglong2) + 17) {}
  [[nodiscard]] char* get() {
    const auto start = reinterpret_cast<uintptr_t>(units_.data());
    return reinterpret_cast<char*>((start + 255) / 256 * 256);
  }
  template <typename Entry>
  [[nodiscard]] Entry* as() {
    return reinterpret_cast<Entry*>(get());
  }

 private:
  std::vector<ulonglong2> units_;
};

/// What both layouts have.
class TokenJob {
 public:
  /// `blocks`: of each rank's kernels.
  TokenJob(const Shape& shape, std::vector<int> blocks, unsigned seed);
  virtual ~TokenJob() = default;
  TokenJob(const TokenJob&) = delete;
  TokenJob& operator=(const TokenJob&) = delete;

  /// A dispatch and a combine of all ranks, or of those before `end`.
  void add_round(int number, int end = BANYAN_DEVICE_MAX_RANKS);
  void delay(int rank, uint64_t sweeps) { gpu_.delay(rank, sweeps); }
  /// The host of `rank` aborts when `other`, whose stream has nothing else left, comes to that sweep.
  void abort(int rank, int other, uint64_t sweeps);
  /// What went wrong first; empty: nothing.
  [[nodiscard]] std::string run();

  [[nodiscard]] const cuda::HostWords& words(int rank) const { return ranks_[static_cast<size_t>(rank)].words; }
  uint64_t timeout = 200'000;  ///< in sweeps, of each wait

 protected:
  struct Step {
    Round round;
    int number;
    std::vector<std::unique_ptr<Memory>> outs;  ///< by rank
  };
  struct Rank {
    cuda::GroupState state{};
    cuda::HostWords words{};
  };

  virtual void dispatch(int rank, const Step& step) = 0;
  virtual void expect_received(int rank, const Round& round) = 0;
  virtual void compute(int rank, const Round& round) = 0;
  virtual void combine(int rank, const Step& step) = 0;
  [[nodiscard]] virtual std::vector<uint16_t> sums(int rank, const Step& step) const = 0;

  [[nodiscard]] int num_ranks() const { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] int blocks_of(int rank) const { return blocks_[static_cast<size_t>(rank)]; }
  [[nodiscard]] cuda::Watch watch_of(int rank);
  [[nodiscard]] static cudaStream_t stream(int rank) { return static_cast<cudaStream_t>(emulation::stream_of(rank)); }
  /// Odd rounds leave their number of tokens to the device.
  [[nodiscard]] static bool is_on_device(const Step& step) { return step.number % 2 == 1; }

  Shape shape_;
  std::vector<int> rank_of_expert_;

 private:
  void check(const std::string& what, const std::function<void()>& body);

  std::vector<int> blocks_;
  std::deque<Rank> ranks_;
  std::deque<Step> steps_;
  std::string problem_;
  emulation::EmulatedGpu gpu_;
};

/// Layout A.
class RankJob : public TokenJob {
 public:
  RankJob(const Shape& shape, std::vector<int> blocks, unsigned seed);

 private:
  struct Part {
    Memory area, state, places, counts, totals;
    cuda::Tokens tokens{};
  };

  void dispatch(int rank, const Step& step) override;
  void expect_received(int rank, const Round& round) override;
  void compute(int rank, const Round& round) override;
  void combine(int rank, const Step& step) override;
  [[nodiscard]] std::vector<uint16_t> sums(int rank, const Step& step) const override;

  std::deque<Part> parts_;
};

/// Layout B. `shape.max_rows` of each rank.
class ExpertJob : public TokenJob {
 public:
  ExpertJob(const Shape& shape, std::vector<int> blocks, unsigned seed);

 private:
  struct Part {
    std::vector<int> own;
    std::vector<std::unique_ptr<Memory>> memories;
    cuda::Experts experts{};
  };

  void make(int rank, Part& part);
  void dispatch(int rank, const Step& step) override;
  void expect_received(int rank, const Round& round) override;
  void compute(int rank, const Round& round) override;
  void combine(int rank, const Step& step) override;
  [[nodiscard]] std::vector<uint16_t> sums(int rank, const Step& step) const override;
  [[nodiscard]] static bool is_weighted(const Step& step) { return step.number % 2 == 0 && step.round.has_weights(); }

  std::deque<Part> parts_;
};

}  // namespace banyan::gpu_test
