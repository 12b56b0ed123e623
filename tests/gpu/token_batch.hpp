// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "banyan/device_plugin.h"

/// What tests of token exchanges give them, and a plain reference of what must come out.
namespace banyan::gpu_test {

/// Which tokens have choices at all.
enum class Pattern : uint8_t { kMost, kFirstOnly, kFew, kLateOnes, kNone };

struct Shape {
  std::string name;
  size_t row_bytes;
  int top_k;
  int num_experts;
  int max_tokens;
  banyan_dtype dtype;
  int max_blocks;
  Pattern pattern = Pattern::kMost;
  int row_alignment = 1;  ///< of layout B, as max_rows
  int max_rows = 0;
};

/// What a rank dispatches in a round: the same wherever it is made.
struct Batch {
  int num_tokens = 0;
  std::vector<uint16_t> rows;  ///< upper halves of small numbers: BF16, and FP32 as pairs of them
  std::vector<int> experts;
  std::vector<float> weights;
};
[[nodiscard]] Batch batch_of(const Shape& shape, int rank, int round);
/// Of all ranks.
[[nodiscard]] std::vector<Batch> batches_of(const Shape& shape, int num_ranks, int round);

[[nodiscard]] std::vector<int> ranks_of_experts(const Shape& shape, int num_ranks);

[[nodiscard]] float number_of(banyan_dtype type, const uint16_t* bits);
void put_number(banyan_dtype type, float number, uint16_t* bits);
[[nodiscard]] size_t halves_of(banyan_dtype type);

/// A round of all ranks.
class Round {
 public:
  Round(const Shape& shape, int num_ranks, int round);

  [[nodiscard]] const Batch& batch(int rank) const { return batches_[static_cast<size_t>(rank)]; }
  [[nodiscard]] int num_ranks() const { return static_cast<int>(batches_.size()); }
  [[nodiscard]] bool has_weights() const { return round_ % 7 != 3; }
  /// Negative: no expert.
  [[nodiscard]] int rank_of(int expert) const;
  [[nodiscard]] bool goes_to(int source, int token, int rank) const;
  [[nodiscard]] int expert_of(int source, int token, int choice) const;
  /// What a receiver is told.
  [[nodiscard]] float weight_of(int source, int token, int choice) const;
  [[nodiscard]] const uint16_t* row_of(int source, int token) const;
  [[nodiscard]] std::string where(int source, int token) const;

  /// Layout A. Rows as a rank's experts make them of what should come, at its places; and the sums of a rank's tokens.
  [[nodiscard]] std::vector<uint16_t> results_by_rank(int rank) const;
  [[nodiscard]] std::vector<uint16_t> sums_by_rank(int rank) const;

  /// Layout B. What should lie at a rank, without the rows.
  struct Runs {
    std::vector<int> experts, counts, offsets;
    int needed = 0;
    std::vector<banyan_device_row> sources;  ///< those before the last offset
  };
  [[nodiscard]] Runs runs_of(int rank) const;
  [[nodiscard]] std::vector<uint16_t> results_by_expert(const Runs& runs) const;
  [[nodiscard]] std::vector<uint16_t> sums_by_expert(int rank, bool weighted) const;

 private:
  const Shape& shape_;
  int round_;
  std::vector<int> ranks_of_experts_;
  std::vector<Batch> batches_;
};

/// Compares; throw std::runtime_error with where it differs. `rows`, `sources`: those before the last offset.
struct SeenByRank {
  const int* counts;
  const int* experts;
  const float* weights;
  const char* rows;
};
void expect_by_rank(const Round& round, const Shape& shape, int rank, const SeenByRank& seen);
struct SeenByExpert {
  const int *experts, *counts, *offsets, *needed;
  const banyan_device_row* sources;
  const char* rows;
};
void expect_by_expert(const Round& round, const Shape& shape, int rank, const SeenByExpert& seen);
void expect_sums(const Round& round, const Shape& shape, int rank, const std::vector<uint16_t>& expected,
                 const uint16_t* out);

}  // namespace banyan::gpu_test
