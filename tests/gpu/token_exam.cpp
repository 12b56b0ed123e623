// SPDX-License-Identifier: Apache-2.0
#include "token_exam.hpp"

namespace banyan::gpu_test {

TokenStep::TokenStep(const Shape& shape, perf::MappedRank& rank, int number)
    : shape_(shape), rank_(rank), number_(number), round_(shape, rank.size(), number) {
  const Batch& own = own_batch();
  const size_t bytes = static_cast<size_t>(own.num_tokens) * shape.row_bytes;
  rows_ = on_device(own.rows);
  experts_ = on_device(own.experts);
  weights_ = on_device(own.weights);
  count_ = on_device(std::vector<int>{own.num_tokens, own.num_tokens});
  out_ = room<char>(bytes);
  check(cudaMemset(out_, 0x77, std::max<size_t>(1, bytes)), "cudaMemset");
}

TokenStep::~TokenStep() {
  for (void* const memory : memories_) {
    static_cast<void>(cudaFree(memory));
  }
}

banyan_device_dispatch TokenStep::what() const {
  const bool on_device = number_ % 2 == 1;
  return {.struct_size = 0,
          .rows = rows_,
          .experts = experts_,
          .weights = round_.has_weights() ? weights_ : nullptr,
          .num_tokens = on_device ? shape_.max_tokens : own_batch().num_tokens,
          .device_tokens = on_device ? count_ : nullptr};
}

void TokenStep::delay(int place, cudaStream_t stream, void* waste) const {
  for (int i = 0; i < 4 && number_ % rank_.size() == rank_.rank() && number_ / rank_.size() % 3 == place; ++i) {
    check(cudaMemsetAsync(waste, i, kWaste, stream), "cudaMemsetAsync");
  }
}

void TokenStep::set_count(cudaStream_t stream) const { copy(count_, count_ + 1, sizeof(int), stream); }

void TokenStep::clear_count(cudaStream_t stream) const {
  check(cudaMemsetAsync(count_, 0, sizeof(int), stream), "cudaMemsetAsync");
}

void TokenStep::copy(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "cudaMemcpyAsync");
}

void TokenStep::expect_combined(const std::vector<uint16_t>& expected) const {
  const auto out = to_host<uint16_t>(out_, expected.size());
  expect_sums(round_, shape_, rank_.rank(), expected, out.data());
}

void expect_no_failure(perf::MappedRank& rank) {
  rank.note("waits for all rounds");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  const auto failure = rank.failure();
  expect(failure.status == BANYAN_OK, "the device reports a failure of call " + std::to_string(failure.call) +
                                          " with rank " + std::to_string(failure.peer));
  rank.note("compares");
}

banyan_device_tokens_config config_of(const Shape& shape) {
  banyan_device_tokens_config config{};
  config.max_tokens = shape.max_tokens;
  config.top_k = shape.top_k;
  config.row_bytes = shape.row_bytes;
  config.dtype = shape.dtype;
  config.max_blocks = shape.max_blocks;
  return config;
}

}  // namespace banyan::gpu_test
