// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "tokens.hpp"

namespace banyan::fake_device {

/// What a rank has behind the area of a token exchange by ranks: rows by expert, and what is told of them.
struct ExpertAreaLayout {
  AreaLayout by_rank;
  size_t most_rows;
  size_t num_experts;  ///< of all ranks: room for what is told of those of one

  [[nodiscard]] size_t rows() const { return (by_rank.bytes() + 63) / 64 * 64; }
  [[nodiscard]] size_t sources() const { return rows() + most_rows * by_rank.row_bytes; }
  [[nodiscard]] size_t experts() const { return sources() + most_rows * sizeof(banyan_device_row); }
  [[nodiscard]] size_t counts() const { return experts() + num_experts * sizeof(int); }
  [[nodiscard]] size_t offsets() const { return counts() + num_experts * sizeof(int); }
  [[nodiscard]] size_t needed() const { return offsets() + (num_experts + 1) * sizeof(int); }
  [[nodiscard]] size_t bytes() const { return needed() + sizeof(int); }
};

/// A token exchange by ranks, whose rows are laid out by expert when they have come, and added up before they return.
class ExpertExchange {
 public:
  /// Throws where the terms are wrong.
  [[nodiscard]] static ExpertAreaLayout layout_of(int num_ranks, const banyan_device_experts_config& config);
  ExpertExchange(Group& group, const banyan_device_experts_config& config);

  void received(banyan_device_expert_rows& received) const;
  void dispatch(const banyan_device_dispatch& dispatch);
  void combine(void* out, bool weighted);

 private:
  template <typename Entry>
  [[nodiscard]] Entry* at(size_t offset) const {
    return reinterpret_cast<Entry*>(area_ + offset);
  }
  [[nodiscard]] std::byte* row_at(size_t offset, size_t index) const;
  void lay_out();
  /// The rows of an expert from row `next` on; the row behind them.
  [[nodiscard]] size_t lay_out_run(int expert, size_t next);
  void place(size_t row, const banyan_device_row& source, const std::byte* from);
  [[nodiscard]] std::vector<size_t> rows_of_choices() const;
  void add_up(size_t place_by_rank, std::span<const size_t> rows, bool weighted);
  void add_up_all(bool weighted);

  Group& group_;
  ExpertAreaLayout layout_;
  TokenExchange tokens_;
  char* area_;
  size_t max_rows_ = 0;
  size_t row_alignment_;
  std::vector<int> own_;
  bool has_weights_ = false;
  std::vector<size_t> place_of_row_;  ///< by row by expert: of the token's row
};

}  // namespace banyan::fake_device
