// SPDX-License-Identifier: Apache-2.0
// What the CUDA device plugin says of configs of token exchanges; needs no device.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "gpu/mapped_job.hpp"

namespace banyan::gpu_test {
namespace {

class TokenConfig : public testing::Test {
 protected:
  TokenConfig() {
    ranks_.assign(8, 1);
    config_.struct_size = sizeof(config_);
    config_.tokens.struct_size = sizeof(config_.tokens);
    config_.tokens.max_tokens = 100;
    config_.tokens.top_k = 2;
    config_.tokens.row_bytes = 64;
    config_.tokens.dtype = BANYAN_DTYPE_BF16;
    config_.row_alignment = 1;
    set_experts(8);
  }

  void set_experts(size_t count) {
    ranks_.resize(count, 1);
    config_.tokens.num_experts = static_cast<int>(count);
    config_.tokens.rank_of_expert = ranks_.data();
  }
  [[nodiscard]] size_t bytes_by_rank() const { return ops_.tokens_area_bytes(2, &config_.tokens); }
  [[nodiscard]] size_t bytes_by_expert() const { return ops_.experts_area_bytes(2, &config_); }
  [[nodiscard]] std::string error() const { return ops_.last_error(); }

  const banyan_device_ops& ops_ = perf::load_plugin(BANYAN_PLUGIN_FOLDER);
  std::vector<int> ranks_;
  banyan_device_experts_config config_{};
};

TEST_F(TokenConfig, FitsThenBothLayoutsHaveAnArea) {
  EXPECT_GT(bytes_by_rank(), 2U * 100 * 64);
  EXPECT_GT(bytes_by_expert(), 2U * 2 * 100 * 64);
}

TEST_F(TokenConfig, TokensAreWrongThenBothLayoutsSayWhy) {
  const auto expect_refused = [&](const std::function<void()>& spoil, const std::string& text) {
    const banyan_device_experts_config good = config_;
    spoil();
    EXPECT_EQ(bytes_by_rank(), 0U);
    EXPECT_NE(error().find(text), std::string::npos) << error();
    EXPECT_EQ(bytes_by_expert(), 0U);
    EXPECT_NE(error().find(text), std::string::npos) << error();
    config_ = good;
  };
  expect_refused([&] { config_.tokens.max_tokens = 0; }, "max_tokens is 0");
  expect_refused([&] { config_.tokens.top_k = 17; }, "top_k is 17; 1 to 16");
  expect_refused([&] { config_.tokens.row_bytes = 24; }, "rows of 24 bytes");
  expect_refused([&] { config_.tokens.rank_of_expert = nullptr; }, "needs experts and their ranks");
  expect_refused([&] { config_.tokens.dtype = BANYAN_DTYPE_BYTES; }, "combine adds FP32, FP16 or BF16");
  ranks_[3] = 2;
  expect_refused([] {}, "expert 3 is on rank 2 of 2");
}

TEST_F(TokenConfig, RowsByExpertAreWrongThenTheTextSaysWhy) {
  const auto expect_refused = [&](const std::string& text) {
    EXPECT_EQ(bytes_by_expert(), 0U);
    EXPECT_NE(error().find(text), std::string::npos) << error();
  };
  config_.row_alignment = 0;
  expect_refused("row_alignment is 0");
  config_.row_alignment = 1;
  config_.max_rows = -1;
  expect_refused("max_rows is -1");
  config_.max_rows = 0;
  set_experts(1025);
  expect_refused("1025 experts; at most 1024");
  set_experts(8);
  config_.tokens.max_tokens = 1 << 21;
  config_.tokens.top_k = 8;
  expect_refused("2097152 tokens of 8 choices");
  config_.struct_size = 8;
  expect_refused("a config of this version");
}

}  // namespace
}  // namespace banyan::gpu_test
