// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// Scores with the memory that they borrow.
struct Table {
  std::vector<float> values;
  size_t num_experts = 1;

  [[nodiscard]] size_t num_tokens() const { return values.size() / num_experts; }
  [[nodiscard]] Scores scores() const { return scores_of(values.data(), num_tokens(), num_experts); }
};

inline Table table_of(size_t num_experts, std::vector<float> values) {
  return {.values = std::move(values), .num_experts = num_experts};
}

inline Table random_table(size_t num_tokens, size_t num_experts, unsigned seed, float spread = 2) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(num_tokens * num_experts);
  for (float& value : values) {
    value = normal(generator);
  }
  return {.values = std::move(values), .num_experts = num_experts};
}

/// Few different values, so that there are many ties.
inline Table tied_table(size_t num_tokens, size_t num_experts, unsigned seed) {
  auto table = random_table(num_tokens, num_experts, seed);
  for (float& value : table.values) {
    value = std::round(value);
  }
  return table;
}

template <typename Call>
void expect_error(const Call& call, const std::string& text, banyan_status status = BANYAN_ERR_INVALID_ARGUMENT) {
  try {
    static_cast<void>(call());
    ADD_FAILURE() << "no error: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(text));
  }
}

}  // namespace banyan::moe::gate
