// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moe/exchange/announcement.hpp"
#include "moe/exchange/group.hpp"
#include "moe/exchange/layout.hpp"
#include "moe/exchange/routing.hpp"
#include "moe/exchange/row_plan.hpp"

namespace banyan::moe {

/// The routing of one step: who sends which rows to whom, and where they lie. Serves dispatch, combine, both backward
/// directions, and all of them again for recomputation. Immutable; borrows the group.
class Handle {
 public:
  struct Chunk {
    uint64_t routing = 0;  ///< the handle's number
    size_t index = 0;      ///< in the handle
    RowPlan plan;
    Layout layout;
    std::vector<uint32_t> grad_sends;  ///< picks of the arrivals by source, then row: the order of gradients of weights
    std::vector<size_t> picks_from;    ///< by source: picks of its rows here
    std::vector<size_t> picks_to;      ///< by rank: picks of this rank's rows there
  };

  /// Collective: checks the gate's output, tells all ranks whether something is wrong, then who sends what: a uniform
  /// exchange of a few bytes and one of the metadata; between them those of share_capacity(). INVALID_ARGUMENT on all
  /// ranks, which names rank, token and field, leaves the group as it was.
  Handle(Group& group, const GateOutput& gate);

  [[nodiscard]] Group& group() const noexcept { return group_; }
  [[nodiscard]] const Routing& routing() const noexcept { return routing_; }
  [[nodiscard]] const std::vector<Chunk>& chunks() const noexcept { return chunks_; }
  /// Choices that were dropped or invalid, of all ranks.
  [[nodiscard]] uint64_t all_dropped() const noexcept { return all_dropped_; }
  [[nodiscard]] uint64_t all_invalid() const noexcept { return all_invalid_; }
  /// Of the step, agreed by all ranks; 0: none. Slots of kExpertMajor follow it.
  [[nodiscard]] size_t capacity() const noexcept { return capacity_; }
  /// What each rank noted: [ranks, Group::note_bytes].
  [[nodiscard]] std::span<const std::byte> notes() const noexcept { return notes_; }
  /// Rows that a dispatch of the chunk sends from here to other hosts; and picks of this rank's tokens there.
  [[nodiscard]] size_t wire_rows(const Chunk& chunk) const;
  [[nodiscard]] size_t logical_rows(const Chunk& chunk) const;

 private:
  /// What is told to each rank, one after the other.
  struct Metadata {
    std::vector<std::byte> data;
    std::vector<size_t> bytes;  ///< by rank
  };

  void make(const GateOutput& gate);
  [[nodiscard]] Metadata metadata(bool weighted) const;
  void check(const std::vector<Header>& headers);
  void check_duplicates(const std::vector<Header>& headers, std::span<const int> colours) const;
  void drop_beyond(const Announced& all, Metadata& announced);
  [[nodiscard]] std::vector<PairRows> exchange_metadata(const std::vector<Header>& headers, const Metadata& own);
  void add_chunk(const std::vector<PairRows>& pairs, size_t chunk, size_t num_parts);
  void lay_out_gradients(Chunk& chunk) const;
  [[nodiscard]] size_t rows_to_other_hosts(const std::vector<size_t>& rows) const;

  Group& group_;
  uint64_t number_ = 0;  ///< of the group's routings, from 1
  Routing routing_;
  std::vector<Chunk> chunks_;
  size_t capacity_ = 0;
  std::vector<std::byte> notes_;
  uint64_t all_dropped_ = 0;
  uint64_t all_invalid_ = 0;
};

}  // namespace banyan::moe
