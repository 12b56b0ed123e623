// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moe/exchange/ladder.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// What a rank is told of one source's rows: which it hands on, and to whom, as the holder of a rung, and which it
/// wants itself, for which experts. Rows come in order of tokens, in pieces: piece c of C has those of tokens
/// [T c / C, T (c + 1) / C) of T.
struct PairRows {
  /// Of a rung but the last; no rows where the rank is not the source's holder.
  struct Held {
    std::vector<uint32_t> piece_begin;  ///< [C + 1], in rows
    std::vector<uint8_t> masks;         ///< by row, mask_bytes each: which children want it (Ladder::children)
  };
  std::vector<Held> held;
  std::vector<uint32_t> piece_begin;    ///< [C + 1]: of the wanted rows
  std::vector<uint32_t> pick_begin;     ///< [rows + 1]
  std::vector<uint16_t> local_experts;  ///< by pick
  std::vector<float> weights;           ///< by pick; 1 where the gate gave none
};

/// First of a source's tokens in a chunk, or a piece.
[[nodiscard]] inline size_t chunk_start(size_t num_tokens, size_t chunk, size_t num_chunks) {
  return num_tokens * chunk / num_chunks;
}

/// Bytes of a row's mask in the subtree of this rung that `rank` is in.
[[nodiscard]] size_t mask_bytes(const Ladder& ladder, size_t rung, int rank);
[[nodiscard]] inline bool in_mask(const uint8_t* mask, size_t child) {
  return (mask[child / 8] >> (child % 8) & 1) != 0;
}

/// How metadata are written; equal on all ranks.
struct MetadataRules {
  Dedup dedup = Dedup::kNode;
  int top_k = 0;
  size_t num_chunks = 1;  ///< as the caller sees them
  size_t most_parts = 1;  ///< pieces of a chunk, which may be on their way one after the other
  bool padded = false;    ///< what a rank is told may be followed by bytes that say nothing

  [[nodiscard]] size_t num_pieces() const noexcept { return num_chunks * most_parts; }
};

/// Writes what `source` tells each rank, one after the other: the rows that it holds, by rung: rows of each piece (4
/// bytes), masks; then the rows that it wants: rows of each piece, picks of each row (1 byte, 2 from a top_k of 256
/// on), by pick the local expert (2 bytes) and, if `weighted`, the weight (4 bytes). Numbers are the machine's.
/// bytes[rank] gets the size of each part.
[[nodiscard]] std::vector<std::byte> write_metadata(const Ladder& ladder, const MetadataRules& rules,
                                                    const Routing& routing, int source, bool weighted,
                                                    std::span<size_t> bytes);

/// Reads what `source` told `rank`. Error{INTERNAL}: it is not what was written for this rank.
[[nodiscard]] PairRows read_metadata(const Ladder& ladder, const MetadataRules& rules, int source, int rank,
                                     bool weighted, std::span<const std::byte> data);

}  // namespace banyan::moe
