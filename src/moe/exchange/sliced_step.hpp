// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "moe/exchange/group.hpp"
#include "moe/exchange/handle.hpp"
#include "moe/exchange/mover.hpp"
#include "moe/exchange/moves.hpp"
#include "moe/exchange/scratch.hpp"
#include "moe/exchange/slices.hpp"

namespace banyan::moe {

/// The duplicates of a rank, joined by a communicator of theirs. One thread, the group's.
class DuplicateRing {
 public:
  /// Collective, after the group was made. Borrows all three.
  DuplicateRing(const Slices& slices, Group& group, Mover& mover);
  ~DuplicateRing();
  DuplicateRing(const DuplicateRing&) = delete;
  DuplicateRing& operator=(const DuplicateRing&) = delete;

  /// Brings each member's rows of `bytes` bytes to all: this rank's from `own`, counts[m] of member m to
  /// to + begins[m] * bytes.
  void gather(const std::byte* own, std::span<const size_t> counts, std::span<const size_t> begins, size_t bytes,
              std::byte* to);

  [[nodiscard]] const Slices& slices() const noexcept { return slices_; }
  [[nodiscard]] Group& group() noexcept { return group_; }
  [[nodiscard]] Mover& mover() noexcept { return mover_; }
  [[nodiscard]] size_t size() const noexcept { return slices_.members().size(); }

  /// Rows of this rank's slice, laid out, as they come and as they go; rows of all duplicates, one's after the other's;
  /// tokens of the slice.
  Scratch own, returning, gathered, tokens;

 private:
  const Slices& slices_;
  Group& group_;
  Mover& mover_;
  std::unique_ptr<comm::Communicator> communicator_;
  std::unique_ptr<coll::Engine> engine_;
};

/// A step of duplicates: a handle of this rank's slice, and what they gather. Functions are the moves of moves.hpp of a
/// chunk, waited for: tokens are those of cut(), rows those of layout(). Collective; after an error that is not
/// INVALID_ARGUMENT the group is unusable.
class SlicedStep {
 public:
  SlicedStep(DuplicateRing& ring, const GateOutput& gate);

  [[nodiscard]] const Handle& handle() const noexcept { return handle_; }
  [[nodiscard]] Slices::Cut cut(size_t chunk) const { return ring_.slices().cut(part_.num_tokens, chunk); }
  /// Where rows lie; of sharded experts those of all duplicates.
  [[nodiscard]] const Layout& layout(size_t chunk) const;
  /// Rows that arrive in a chunk, before they are laid out.
  [[nodiscard]] size_t num_received(size_t chunk) const;
  /// Handle::wire_rows and what is gathered from here to duplicates on other hosts.
  [[nodiscard]] size_t wire_rows(size_t chunk) const;

  void run(size_t chunk, const DispatchTerms& terms);
  void run(size_t chunk, const CombineTerms& terms);
  /// gradients: [tokens of cut(), top_k].
  void run(size_t chunk, const SpreadTerms& terms);

 private:
  /// Of sharded experts: what all duplicates have of a chunk.
  struct Shared {
    std::vector<uint32_t> used;  ///< rows of this rank's own layout that something comes to
    std::vector<size_t> counts;  ///< of each member's
    std::vector<size_t> begins;  ///< of each member's among all
    Layout layout;               ///< place[n]: of row n of all
  };

  void share_rows();
  [[nodiscard]] const std::byte* slice(size_t chunk, const std::byte* all, size_t bytes, Scratch& scratch) const;
  void gather_rows(const Shared& shared, const std::byte* own, size_t bytes, std::byte* rows);
  const std::byte* own_rows(size_t chunk, const std::byte* rows, size_t bytes);
  void gather_tokens(size_t chunk, const std::byte* own, size_t bytes, std::byte* all);
  [[nodiscard]] const Handle::Chunk& inner(size_t chunk) const { return handle_.chunks()[chunk]; }
  [[nodiscard]] bool sharded() const noexcept { return ring_.slices().sharded_experts(); }
  [[nodiscard]] size_t combine_bytes() const;

  DuplicateRing& ring_;
  Slices::Part part_;
  Handle handle_;
  std::vector<Shared> shared_;  ///< by chunk
  Scratch slice_tokens_, slice_scales_, own_scales_;
};

}  // namespace banyan::moe
