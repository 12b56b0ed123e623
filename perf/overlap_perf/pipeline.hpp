// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/handles.hpp"
#include "layer/gate.hpp"
#include "layer/layer.hpp"

namespace banyan::perf {

struct PipelineTerms {
  size_t num_chunks = 1;  ///< 0: the model's choice for experts_s
  double experts_s = 0;   ///< of a whole step
  bool progress_thread = true;
};

/// A layer whose experts compute for a given time, in chunks. Its routing is made once. Collective, one thread.
class Pipeline {
 public:
  /// Borrows both.
  Pipeline(banyan_comm* comm, const Layer& layer, int rank, const PipelineTerms& terms);

  /// A step whose experts take no time; one whose parts wait for each other; one whose chunks overlap.
  void exchange() { in_turn(0); }
  void in_turn() { in_turn(experts_s_); }
  void overlapped();

  [[nodiscard]] size_t num_chunks() const noexcept { return info_.num_chunks; }
  [[nodiscard]] double predicted_s() const noexcept { return info_.predicted_step_s; }
  /// What the last step gave, [tokens, hidden]; may be spoiled before one.
  [[nodiscard]] std::vector<std::byte>& combined() noexcept { return combined_; }
  [[nodiscard]] int roundings() const noexcept { return info_.dedup; }  ///< docs/moe.md "Sums"

 private:
  void in_turn(double experts_s);
  /// The experts of a chunk: rows as the check wants them, then busy until their share of the time is over.
  void compute(size_t chunk, double experts_s, const std::vector<banyan_moe_request*>& under_way);

  struct FreeGroup {
    void operator()(banyan_moe_group* group) const noexcept { banyan_moe_group_free(group); }
  };
  struct FreeHandle {
    void operator()(banyan_moe_handle* handle) const noexcept { banyan_moe_handle_free(handle); }
  };

  const Layer& layer_;
  double experts_s_;
  bool polls_;
  std::vector<std::byte> tokens_, combined_;
  std::vector<int> experts_;
  std::vector<std::vector<std::byte>> rows_;  ///< by chunk
  banyan_moe_group_info info_{};
  std::unique_ptr<banyan_moe_group, FreeGroup> group_;
  std::unique_ptr<banyan_moe_handle, FreeHandle> handle_;
};

}  // namespace banyan::perf
