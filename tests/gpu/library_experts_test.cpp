// SPDX-License-Identifier: Apache-2.0
// Token exchanges by experts through the C API, held against the plain reference of tests/gpu, bit for bit: what
// reaches the device plugin, and what of it is told. The plugin is tests/plugins/device_host, so no kernel runs.
#include <banyan/banyan.h>
#include <banyan/device_plugin.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "token_batch.hpp"

namespace banyan::gpu_test {
namespace {

constexpr int kRounds = 8;

/// A rank's group, and memory of its device.
class Rank {
 public:
  Rank(banyan_comm* comm, const Shape& shape, int num_ranks) : comm_(comm), shape_(shape), num_ranks_(num_ranks) {
    require(banyan_comm_rank(comm_, &rank_));
    banyan_device_group_options options = BANYAN_DEVICE_GROUP_OPTIONS_INIT;
    options.plugin = "host";
    options.eager_bytes = 512;
    require(banyan_device_group_create(comm_, rank_, &options, &group_));
    require(banyan_device_alloc(group_, memory_bytes(), &memory_));
    make_experts();
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;
  ~Rank() {
    EXPECT_EQ(banyan_device_experts_free(experts_), BANYAN_OK) << banyan_last_error();
    EXPECT_EQ(banyan_device_group_free(group_), BANYAN_OK) << banyan_last_error();
    EXPECT_EQ(banyan_comm_destroy(comm_), BANYAN_OK) << banyan_last_error();
  }

  /// A rank that finds something wrong lets the others not wait for it.
  void run_rounds() {
    try {
      for (int number = 0; number < kRounds; ++number) {
        run(number);
      }
    } catch (const std::exception& error) {
      banyan_comm_abort(comm_, error.what());
      throw;
    }
  }

 private:
  void run(int number) {
    const Round round(shape_, num_ranks_, number);
    dispatch(round, number);
    banyan_device_experts_view view{};
    view.struct_size = sizeof view;
    require(banyan_device_experts_received(experts_, &view));
    expect_by_expert(
        round, shape_, rank_,
        {view.experts, view.counts, view.offsets, view.needed, view.sources, static_cast<const char*>(view.rows)});
    const auto results = round.results_by_expert(round.runs_of(rank_));
    if (!results.empty()) {
      std::memcpy(view.rows, results.data(), results.size() * sizeof(uint16_t));
    }
    const bool weighted = round.has_weights() && number % 2 == 0;
    require(banyan_device_experts_combine(experts_, memory_, weighted ? 1 : 0, stream()));
    expect_sums(round, shape_, rank_, round.sums_by_expert(rank_, weighted), static_cast<const uint16_t*>(memory_));
  }

  static void require(banyan_status status) {
    if (status != BANYAN_OK) {
      throw std::runtime_error(banyan_last_error());
    }
  }
  [[nodiscard]] void* stream() const { return reinterpret_cast<void*>(static_cast<uintptr_t>(rank_ + 1)); }
  [[nodiscard]] size_t rows_bytes() const { return static_cast<size_t>(shape_.max_tokens) * shape_.row_bytes; }
  [[nodiscard]] size_t choices() const {
    return static_cast<size_t>(shape_.max_tokens) * static_cast<size_t>(shape_.top_k);
  }
  [[nodiscard]] size_t memory_bytes() const { return rows_bytes() + choices() * (sizeof(int) + sizeof(float)) + 64; }

  void make_experts() {
    const auto ranks = ranks_of_experts(shape_, num_ranks_);
    banyan_device_experts_options options = BANYAN_DEVICE_EXPERTS_OPTIONS_INIT;
    options.max_tokens = shape_.max_tokens;
    options.top_k = shape_.top_k;
    options.num_experts = shape_.num_experts;
    options.rank_of_expert = ranks.data();
    options.row_bytes = shape_.row_bytes;
    options.dtype = shape_.dtype;
    options.row_alignment = shape_.row_alignment;
    options.max_rows = shape_.max_rows;
    require(banyan_device_experts_create(group_, &options, &experts_));
  }

  /// The number of tokens is on the device in every other round.
  void dispatch(const Round& round, int number) {
    const Batch& mine = round.batch(rank_);
    auto* const memory = static_cast<char*>(memory_);
    auto* const choices_at = memory + rows_bytes();
    auto* const weights_at = choices_at + choices() * sizeof(int);
    auto* const count_at = weights_at + choices() * sizeof(float);
    std::memcpy(memory, mine.rows.data(), mine.rows.size() * sizeof(uint16_t));
    std::memcpy(choices_at, mine.experts.data(), mine.experts.size() * sizeof(int));
    std::memcpy(weights_at, mine.weights.data(), mine.weights.size() * sizeof(float));
    std::memcpy(count_at, &mine.num_tokens, sizeof(int));
    banyan_device_tokens_batch batch = BANYAN_DEVICE_TOKENS_BATCH_INIT;
    batch.rows = memory;
    batch.experts = reinterpret_cast<const int*>(choices_at);
    batch.weights = round.has_weights() ? reinterpret_cast<const float*>(weights_at) : nullptr;
    batch.num_tokens = number % 2 == 0 ? mine.num_tokens : shape_.max_tokens;
    batch.device_tokens = number % 2 == 0 ? nullptr : reinterpret_cast<const int*>(count_at);
    require(banyan_device_experts_dispatch(experts_, &batch, stream()));
  }

  banyan_comm* comm_;
  const Shape& shape_;
  int num_ranks_;
  int rank_ = 0;
  banyan_device_group* group_ = nullptr;
  banyan_device_experts* experts_ = nullptr;
  void* memory_ = nullptr;
};

void run(const Shape& shape, int num_ranks) {
  std::vector<banyan_comm*> comms(static_cast<size_t>(num_ranks));
  ASSERT_EQ(banyan_comm_create_local(num_ranks, nullptr, comms.data()), BANYAN_OK) << banyan_last_error();
  std::vector<std::thread> threads;
  for (banyan_comm* const comm : comms) {
    threads.emplace_back([&shape, comm, num_ranks] {
      try {
        Rank rank(comm, shape, num_ranks);
        rank.run_rounds();
      } catch (const std::exception& error) {
        ADD_FAILURE() << shape.name << ", " << num_ranks << " ranks: " << error.what();
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

TEST(DeviceExperts, EveryShapeThenRowsAndSumsAreThoseOfTheReference) {
  const std::vector<Shape> shapes = {{.name = "BF16",
                                      .row_bytes = 64,
                                      .top_k = 4,
                                      .num_experts = 12,
                                      .max_tokens = 40,
                                      .dtype = BANYAN_DTYPE_BF16,
                                      .max_blocks = 0},
                                     {.name = "FP32 in runs of 8",
                                      .row_bytes = 32,
                                      .top_k = 2,
                                      .num_experts = 7,
                                      .max_tokens = 33,
                                      .dtype = BANYAN_DTYPE_FP32,
                                      .max_blocks = 0,
                                      .row_alignment = 8},
                                     {.name = "all to one expert",
                                      .row_bytes = 16,
                                      .top_k = 3,
                                      .num_experts = 5,
                                      .max_tokens = 20,
                                      .dtype = BANYAN_DTYPE_FP16,
                                      .max_blocks = 0,
                                      .pattern = Pattern::kFirstOnly},
                                     {.name = "few",
                                      .row_bytes = 16,
                                      .top_k = 8,
                                      .num_experts = 64,
                                      .max_tokens = 9,
                                      .dtype = BANYAN_DTYPE_BF16,
                                      .max_blocks = 0,
                                      .pattern = Pattern::kFew,
                                      .row_alignment = 4},
                                     {.name = "none",
                                      .row_bytes = 16,
                                      .top_k = 1,
                                      .num_experts = 3,
                                      .max_tokens = 5,
                                      .dtype = BANYAN_DTYPE_BF16,
                                      .max_blocks = 0,
                                      .pattern = Pattern::kNone},
                                     {.name = "too few rows",
                                      .row_bytes = 48,
                                      .top_k = 4,
                                      .num_experts = 6,
                                      .max_tokens = 30,
                                      .dtype = BANYAN_DTYPE_BF16,
                                      .max_blocks = 0,
                                      .row_alignment = 4,
                                      .max_rows = 31}};
  for (const Shape& shape : shapes) {
    for (int num_ranks = 1; num_ranks <= 3; ++num_ranks) {
      run(shape, num_ranks);
    }
  }
}

}  // namespace
}  // namespace banyan::gpu_test
