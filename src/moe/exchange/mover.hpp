// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "moe/exchange/handle.hpp"
#include "moe/exchange/scratch.hpp"

namespace banyan::moe {

/// Moves rows of a group as handles say: to experts and back. Collective, chunk by chunk in equal order on all ranks.
/// Buffers are those of the chunk: tokens from its first on, rows of its layout; they do not overlap. One thread, the
/// group's; errors are thrown, and after any but INVALID_ARGUMENT the group is unusable.
class Mover {
 public:
  explicit Mover(Group& group) : group_(group) {}

  /// `tokens`: [tokens of the chunk] rows of Group::row_bytes, `scales` beside of Group::scale_bytes; to `rows` and
  /// `row_scales`, in the chunk's layout. Unused rows become zero. Scales may be null where there are none.
  void dispatch(const Handle::Chunk& chunk, const std::byte* tokens, const std::byte* scales, std::byte* rows,
                std::byte* row_scales);

  /// The weighted sum of the rows that experts made of each token: `rows` in the chunk's layout, of hidden() elements
  /// of combine_dtype(); to `tokens`. A row of kExpertMajor is multiplied by its pick's weight, unless `weighted` is
  /// false; rows of other layouts hold their rank's sum already. Tokens without picks become zero.
  void combine(const Handle::Chunk& chunk, const std::byte* rows, std::byte* tokens, bool weighted);

  /// Gradients of combine: of its rows, from `tokens`, the gradient of its result: each pick's weight times its token's
  /// row (other layouts: the row). Unused rows become zero.
  void spread(const Handle::Chunk& chunk, const std::byte* tokens, std::byte* rows);

  /// And of the weights, [tokens, top_k] fp32, 0 where there is no pick: the dot product of its token's gradient and
  /// its expert's row. After spread() of the same chunk, whose token rows are still here. kExpertMajor only.
  void weight_gradients(const Handle::Chunk& chunk, const Routing& routing, const std::byte* expert_rows,
                        std::span<float> gradients);

 private:
  /// Rows of `bytes` bytes up the ladder; returns them as they arrive.
  const std::byte* climb(const Handle::Chunk& chunk, const std::byte* tokens, size_t bytes);
  void pack(const Handle::Chunk& chunk, const std::byte* tokens, const std::byte* scales, std::byte* packed) const;
  void zero_unused(const Handle::Chunk& chunk, std::byte* rows, size_t bytes) const;
  void sum_picks(const Handle::Chunk& chunk, const std::byte* rows, bool weighted, std::byte* arrivals);
  void sum_returned(const Handle::Chunk& chunk, size_t rung, const std::byte* returned, bool weighted, std::byte* held);
  [[nodiscard]] bool raw() const { return group_.metadata_rules().dedup == Dedup::kNone; }

  Group& group_;
  Scratch packed_, send_, held_[2];
  const std::byte* arrived_ = nullptr;  ///< of the last climb
  std::vector<float> sums_;
};

}  // namespace banyan::moe
