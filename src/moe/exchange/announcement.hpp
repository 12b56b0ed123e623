// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "coll/engine.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// What a rank tells each other one of a step before anything else.
struct Header {
  Problem problem;
  uint64_t num_dropped = 0;  ///< so far
  uint64_t num_invalid = 0;
  uint64_t num_tokens = 0;
  uint64_t metadata_bytes = 0;  ///< to the reader
  uint32_t most_picks = 0;      ///< CapacityNeed::most
  uint32_t weighted = 0;
  uint64_t digest = 0;  ///< SliceOf::digest
};
static_assert(sizeof(Header) == 72, "docs/moe.md says so");

/// A header and what goes with it, to all ranks alike but for the bytes of metadata. Sizes are equal on all ranks.
struct Announcement {
  Header header;
  std::span<const size_t> metadata_bytes;  ///< by reader
  std::span<const uint32_t> counts;
  std::span<const std::byte> note;
};

/// What all ranks announced.
struct Announced {
  std::vector<Header> headers;   ///< by rank
  std::vector<uint32_t> counts;  ///< by rank, num_counts each
  size_t num_counts = 0;
  std::vector<std::byte> notes;  ///< by rank, one after the other

  [[nodiscard]] std::span<const uint32_t> counts_of(size_t rank) const {
    return std::span(counts).subspan(rank * num_counts, num_counts);
  }
};

/// One uniform exchange. Collective.
[[nodiscard]] Announced announce(coll::Engine& engine, const coll::Options& options, const Announcement& own);

}  // namespace banyan::moe
