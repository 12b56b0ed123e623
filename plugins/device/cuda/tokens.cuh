// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "banyan/device_plugin.h"
#include "cuda/group_state.cuh"

/// What the host and the kernels of a token exchange share.
///
/// **Dispatch** sends a token's row once to each rank that holds one of its experts, next to the rows of its other
/// tokens: a receiver has [num_ranks][max_tokens] places, and the tokens of a rank take the first ones of its part, in
/// their order. Each block of the kernel has tokens in a row. It counts how many of them go where, tells the blocks
/// after it, adds up those before it, and then knows every place; rows go through shared memory by bulk copies, read
/// once and stored once for each rank. The last block tells the receivers how many rows have arrived, and waits for its
/// own.
///
/// **Combine** pulls: it tells the peers that the rows here may be read, waits until theirs may be, and fetches what
/// lies at a token's places into shared memory, where the other warps add it up in the order of ranks.
///
/// They alternate, so nothing else has to be agreed: who dispatches again has combined, so the peers had said that
/// their experts have read what was dispatched before.
namespace banyan::cuda {

constexpr int kMaxTopK = BANYAN_DEVICE_MAX_TOP_K;
constexpr int kSlotBits = 24;
constexpr uint32_t kNoPlace = 0xffffffffU;

/// A token's place: rank above, slot in the part of that rank's places that is this rank's.
[[nodiscard]] __host__ __device__ constexpr uint32_t place_of(int rank, uint32_t slot) {
  return static_cast<uint32_t>(rank) << kSlotBits | slot;
}
[[nodiscard]] __host__ __device__ constexpr int rank_of(uint32_t place) { return static_cast<int>(place >> kSlotBits); }
[[nodiscard]] __host__ __device__ constexpr uint32_t slot_of(uint32_t place) { return place & ((1U << kSlotBits) - 1); }

/// A rank's area: by peer, whether its rows may be read, and how many of its rows have arrived; by peer, that number
/// for the user; then what came: experts, weights and rows, [num_ranks][max_tokens] each.
struct AreaLayout {
  int num_ranks;
  int max_tokens;
  int top_k;
  uint64_t row_bytes;

  static constexpr size_t kAlign = 256;
  [[nodiscard]] static __host__ __device__ constexpr size_t aligned(size_t bytes) {
    return (bytes + kAlign - 1) / kAlign * kAlign;
  }
  [[nodiscard]] __host__ __device__ size_t num_places() const {
    return static_cast<size_t>(num_ranks) * static_cast<size_t>(max_tokens);
  }
  [[nodiscard]] __host__ __device__ size_t ready(int peer) const { return 8 * static_cast<size_t>(peer); }
  [[nodiscard]] __host__ __device__ size_t arrival(int peer) const { return ready(num_ranks + peer); }
  [[nodiscard]] __host__ __device__ size_t counts() const { return aligned(ready(2 * num_ranks)); }
  [[nodiscard]] __host__ __device__ size_t experts() const {
    return aligned(counts() + sizeof(int32_t) * static_cast<size_t>(num_ranks));
  }
  [[nodiscard]] __host__ __device__ size_t choices_bytes() const {
    return aligned(4 * num_places() * static_cast<size_t>(top_k));
  }
  [[nodiscard]] __host__ __device__ size_t weights() const { return experts() + choices_bytes(); }
  [[nodiscard]] __host__ __device__ size_t rows() const { return weights() + choices_bytes(); }
  [[nodiscard]] __host__ __device__ size_t bytes() const { return rows() + num_places() * row_bytes; }

  [[nodiscard]] __host__ __device__ size_t index(int source, uint32_t slot) const {
    return static_cast<size_t>(source) * static_cast<size_t>(max_tokens) + slot;
  }
  [[nodiscard]] __host__ __device__ size_t row(int source, uint32_t slot) const {
    return rows() + index(source, slot) * row_bytes;
  }
};

/// Device memory of a token exchange, read and written by its kernels alone.
struct TokensState {
  uint64_t dispatches;  ///< that are over
  uint64_t combines;
  uint32_t blocks;     ///< of the present kernel, those that are over
  int32_t num_tokens;  ///< of the last dispatch
};

/// What all its kernels know.
struct Tokens {
  Watch watch;
  int rank;
  AreaLayout layout;
  int num_experts;
  const int32_t* rank_of_expert;  ///< [num_experts]
  TokensState* state;
  uint32_t* places;        ///< [max_tokens][top_k], in rising order, then kNoPlace
  uint64_t* block_counts;  ///< [block][num_ranks]: call and count of a block of this dispatch
  uint32_t* totals;        ///< [num_ranks]
  char* areas[BANYAN_DEVICE_MAX_RANKS];
};

constexpr uint32_t kLargestChunk = 16384;
constexpr uint32_t kMostStagesBytes = 12 * kLargestChunk;  ///< of all stages of a block

/// Rows travel in chunks, the last one smaller; a block has so many of them on their way.
struct RowCut {
  uint64_t row_bytes;
  uint32_t chunk_bytes, num_chunks;
  uint32_t stages;

  [[nodiscard]] __host__ __device__ uint32_t bytes_of(uint32_t chunk) const {
    const uint64_t left = row_bytes - static_cast<uint64_t>(chunk) * chunk_bytes;
    return left < chunk_bytes ? static_cast<uint32_t>(left) : chunk_bytes;
  }
};
/// Smaller chunks have more stages, kMostStagesBytes at most.
[[nodiscard]] RowCut cut_rows(uint64_t row_bytes);

struct Dispatch {
  Tokens tokens;
  RowCut cut;
  const char* rows;
  const int32_t* experts;  ///< [num_tokens][top_k]; negative: none
  const float* weights;    ///< [num_tokens][top_k], or null: zeros
  int num_tokens;
  const int32_t* device_tokens;  ///< or null
};

struct Combine {
  Tokens tokens;
  RowCut cut;
  char* out;
};

constexpr int kDispatchThreads = 128;
constexpr int kCombineThreads = 544;
constexpr int kMostDispatchBlocks = 256;

/// Both kernels have one block on a multiprocessor.
[[nodiscard]] cudaError_t launch_dispatch(const Dispatch& dispatch, int num_blocks, cudaStream_t stream);
[[nodiscard]] cudaError_t launch_combine(const Combine& combine, banyan_dtype type, int num_blocks,
                                         cudaStream_t stream);
/// Load the kernels, so that first launches wait for nothing, and let them use what rows of any length need: exchanges
/// of several lengths may share a kernel.
[[nodiscard]] cudaError_t prepare_dispatch(const RowCut& cut);
[[nodiscard]] cudaError_t prepare_combine(banyan_dtype type, const RowCut& cut);

}  // namespace banyan::cuda
