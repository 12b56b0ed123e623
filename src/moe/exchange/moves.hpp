// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "moe/exchange/move.hpp"

namespace banyan::moe {

/// Token rows of a chunk, where they are and where they go. Buffers are those of the chunk: tokens from its first on,
/// rows of its layout; they do not overlap, and are borrowed until the move ended.
struct DispatchTerms {
  const std::byte* tokens = nullptr;  ///< [tokens of the chunk] rows of Group::row_bytes
  const std::byte* scales = nullptr;  ///< beside, of Group::scale_bytes; null where there are none
  std::byte* rows = nullptr;          ///< unused rows become zero
  std::byte* row_scales = nullptr;
};
/// Tokens to the ranks of their experts.
[[nodiscard]] Moves make_dispatch(Group& group, const Handle::Chunk& chunk, const DispatchTerms& terms);

struct CombineTerms {
  const std::byte* rows = nullptr;  ///< of hidden() elements of combine_dtype()
  std::byte* tokens = nullptr;
  bool weighted = true;  ///< rows of kExpertMajor are multiplied by their pick's weight; false: gradient of dispatch
};
/// The weighted sum of the rows that experts made of each token. Rows of other layouts than kExpertMajor hold their
/// rank's sum already. Tokens without picks become zero.
[[nodiscard]] Moves make_combine(Group& group, const Handle::Chunk& chunk, const CombineTerms& terms);

struct SpreadTerms {
  const std::byte* tokens = nullptr;       ///< gradient of combine's result
  std::byte* rows = nullptr;               ///< unused rows become zero
  const std::byte* expert_rows = nullptr;  ///< what combine had; only for `gradients`
  const Routing* routing = nullptr;  ///< of this rank; not null: `gradients` are wanted, on all ranks; kExpertMajor
  std::span<float> gradients{};      ///< of the weights, [tokens of the chunk, top_k], 0 where there is no pick
};
/// Gradients of combine: of its rows, each pick's weight times its token's row (other layouts: the row); and of the
/// weights, the dot product of a token's gradient and its expert's row.
[[nodiscard]] Moves make_spread(Group& group, const Handle::Chunk& chunk, const SpreadTerms& terms);

/// A turn for something else on the same wires: done when all moves started before it are done, on all ranks.
[[nodiscard]] Moves make_turn(Group& group);

}  // namespace banyan::moe
