// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "banyan/device_plugin.h"
#include "cuda/tokens.cuh"

/// What the host and the kernels of a token exchange by experts (layout B) share: rows lie by expert, ready for a
/// grouped GEMM.
///
/// **The two numbers.** Of a rank, R is the pairs of its tokens and other ranks that they go to, P the rows that its
/// experts compute, S bytes each. Dispatch moves R S over the link, and in the own memory reads each row that came and
/// each own one once and writes P S; combine moves R S back, reads P S and the R rows that came, and writes the sums.
/// Floor of each: the larger of R S over what the copy engines reach on the link, and of the own bytes over what a
/// local copy reaches. (4096 tokens of 14336 bytes, 8 of 256 experts, two H200s, by the limits of
/// shared/reference/gpu-anchors.md: 58.6 MB over the link in 153 us; 0.65 GB in the own memory in 154 us.)
///
/// **Dispatch** is one kernel whose blocks have two tasks. *Pushers* have tokens in a row each, as in tokens.cuh. They
/// count them by rank and by expert, add up the blocks before, and then know of each choice which one of this rank's
/// rows of its expert it is. They tell receivers: the counts, a word each that carries the call; their first and last
/// place; then, batch by batch, a record of each choice, and each row once into the places of tokens.cuh, followed by
/// how far they are. *Expanders* copy what has come, and this rank's own rows from where the caller has them, to the
/// places of the experts, while the rest still comes. One of them, the planner, waits for the counts of all ranks first
/// and lays out the runs: experts in the order of their numbers, each run at a multiple of the alignment, in it the
/// ranks in their order, then tokens, then choices. So no place depends on time. Rows beyond max_rows are left out.
///
/// **Combine** is one kernel too. *Senders* add up the rows of each token of another rank, in the order of its choices,
/// and push the sum, of the rows' type, to the token's rank; each group of rows is followed by a word. *Finishers* do
/// the same with the own tokens' rows here, and add to that, in the order of ranks, what comes. Sums are in FP32 and
/// begin at zero; sum + weight * number is rounded once. A rank's part is rounded to the rows' type also where the
/// token is at home: what comes out does not depend on where it is.
///
/// Few blocks have both tasks, one after the other: pushers and senders wait for no peer.
///
/// They alternate, so little has to be agreed. Rows to experts and rows back have memories of their own. Who dispatches
/// again has combined; there each peer said that its dispatch was over, and sent all rows of this rank's tokens, so it
/// no longer reads what a dispatch writes. Who combines again has dispatched; there each peer sent counts, so its
/// combine before was over.
namespace banyan::cuda {

constexpr int kMostExperts = BANYAN_DEVICE_MAX_EXPERTS;
constexpr int kMostRowPushers = 24;
constexpr int kPushBatch = 64;  ///< tokens, one bit of a word each, at most
constexpr int kGroup = 32;      ///< rows that a warp prepares, at most

/// Of the rows of a rank's tokens at an expert's rank: how many make a batch of `bytes`, within limits.
[[nodiscard]] __host__ __device__ constexpr int rows_of(uint64_t bytes, uint64_t row_bytes, int fewest, int most) {
  const uint64_t count = bytes / row_bytes;
  return count < static_cast<uint64_t>(fewest) ? fewest
         : count > static_cast<uint64_t>(most) ? most
                                               : static_cast<int>(count);
}

/// Of a choice, from the token's rank to the expert's.
struct Record {
  int32_t expert;  ///< negative: another rank's, or none
  uint32_t index;  ///< among the rows of that rank for that expert
  float weight;
  int32_t token;
};

/// A rank's area. By peer: its dispatch is over; how many pushers it has; of each its first place, the end of its
/// places, and how far it is; counts by expert; groups of rows that came back. Then, as [num_ranks][max_tokens]:
/// records of choices, rows that came, rows that came back.
struct ExpertLayout {
  int num_ranks;
  int max_tokens;
  int top_k;
  int num_experts;
  uint64_t row_bytes;

  /// Of the rows that come back, those that one word is about.
  [[nodiscard]] __host__ __device__ int group_rows() const { return rows_of(131072, row_bytes, 8, kGroup); }
  [[nodiscard]] __host__ __device__ size_t num_groups() const {
    return static_cast<size_t>((max_tokens + group_rows() - 1) / group_rows());
  }
  [[nodiscard]] __host__ __device__ size_t num_places() const {
    return static_cast<size_t>(num_ranks) * static_cast<size_t>(max_tokens);
  }

  [[nodiscard]] __host__ __device__ size_t over(int peer) const { return 8 * static_cast<size_t>(peer); }
  [[nodiscard]] __host__ __device__ size_t pushers(int peer) const { return over(num_ranks + peer); }
  [[nodiscard]] __host__ __device__ size_t first(int peer, int pusher) const {
    return over(2 * num_ranks) + 24 * static_cast<size_t>(peer * kMostRowPushers + pusher);
  }
  [[nodiscard]] __host__ __device__ size_t end(int peer, int pusher) const { return first(peer, pusher) + 8; }
  [[nodiscard]] __host__ __device__ size_t progress(int peer, int pusher) const { return first(peer, pusher) + 16; }
  [[nodiscard]] __host__ __device__ size_t count(int peer, int expert) const {
    return first(num_ranks, 0) + 8 * static_cast<size_t>(peer * num_experts + expert);
  }
  [[nodiscard]] __host__ __device__ size_t group(int peer, uint32_t slot) const {
    const size_t number = static_cast<size_t>(peer) * num_groups() + slot / static_cast<uint32_t>(group_rows());
    return count(num_ranks, 0) + 8 * number;
  }
  [[nodiscard]] __host__ __device__ size_t records() const { return AreaLayout::aligned(group(num_ranks, 0)); }
  [[nodiscard]] __host__ __device__ size_t rows() const {
    return AreaLayout::aligned(records() + sizeof(Record) * num_places() * static_cast<size_t>(top_k));
  }
  [[nodiscard]] __host__ __device__ size_t rows_back() const {
    return AreaLayout::aligned(rows() + num_places() * row_bytes);
  }
  [[nodiscard]] __host__ __device__ size_t bytes() const { return rows_back() + num_places() * row_bytes; }

  [[nodiscard]] __host__ __device__ size_t index(int source, uint32_t slot) const {
    return static_cast<size_t>(source) * static_cast<size_t>(max_tokens) + slot;
  }
  [[nodiscard]] __host__ __device__ size_t record(int source, uint32_t slot, int choice) const {
    return records() +
           sizeof(Record) * (index(source, slot) * static_cast<size_t>(top_k) + static_cast<size_t>(choice));
  }
  [[nodiscard]] __host__ __device__ size_t row(int source, uint32_t slot) const {
    return rows() + index(source, slot) * row_bytes;
  }
  [[nodiscard]] __host__ __device__ size_t row_back(int peer, uint32_t slot) const {
    return rows_back() + index(peer, slot) * row_bytes;
  }
};

/// Places of a rank that one pusher fills.
struct Stream {
  uint32_t first, end;
};

/// Device memory of a token exchange, read and written by its kernels alone.
struct ExpertState {
  uint64_t dispatches;  ///< that are over
  uint64_t combines;
  uint32_t blocks;       ///< of the present kernel, those that are over
  int32_t num_tokens;    ///< of the last dispatch
  int32_t most_pushers;  ///< of a rank
  uint32_t longest;      ///< stream's places
  uint64_t plan;         ///< the dispatch whose runs are laid out
};

/// What all its kernels know.
struct Experts {
  Watch watch;
  int rank;
  ExpertLayout layout;
  int num_own;  ///< experts of this rank
  uint32_t max_rows, row_alignment;
  const int32_t* rank_of_expert;  ///< [num_experts]
  const int32_t* own_experts;     ///< [num_own], rising
  ExpertState* state;
  uint32_t* places;        ///< as in Tokens
  uint64_t* block_counts;  ///< [pusher][num_ranks + num_experts]: call and count of a block of this dispatch
  uint32_t* bases;         ///< [num_ranks][num_experts]: where a rank's rows of an own expert begin
  Stream* streams;         ///< [num_ranks][kMostRowPushers]
  uint32_t* slots;         ///< [num_ranks]: places that came
  uint32_t* positions;     ///< [num_ranks][max_tokens][top_k]: the row of a choice; kNoPlace: not here, or left out
  int32_t* counts;         ///< [num_own]
  int32_t* offsets;        ///< [num_own + 1]
  int32_t* needed;
  banyan_device_row* sources;  ///< [max_rows]
  char* rows;                  ///< [max_rows][row_bytes]
  char* areas[BANYAN_DEVICE_MAX_RANKS];

  [[nodiscard]] __host__ __device__ char* own_area() const { return areas[rank]; }
};

struct ExpertDispatch {
  Experts experts;
  RowCut cut;
  const char* rows;
  const int32_t* choices;  ///< [num_tokens][top_k]; negative: none
  const float* weights;    ///< [num_tokens][top_k], or null: zeros
  int num_tokens;
  const int32_t* device_tokens;  ///< or null
  int num_pushers;               ///< all blocks: they expand too
};

struct ExpertCombine {
  Experts experts;
  RowCut cut;
  char* out;
  int weighted;
  int num_senders;  ///< all blocks: they finish too
};

/// Of so many blocks; fewer than this have both tasks.
constexpr int kFewestToShare = 8;
[[nodiscard]] constexpr int pushers_of(int num_blocks) {
  return num_blocks < kFewestToShare        ? num_blocks
         : num_blocks / 5 < 2               ? 2
         : num_blocks / 5 < kMostRowPushers ? num_blocks / 5
                                            : kMostRowPushers;
}
[[nodiscard]] constexpr int senders_of(int num_blocks) {
  return num_blocks < kFewestToShare ? num_blocks : num_blocks / 2;
}

/// Both kernels have one block on a multiprocessor.
[[nodiscard]] cudaError_t launch_expert_dispatch(const ExpertDispatch& dispatch, int num_blocks, cudaStream_t stream);
[[nodiscard]] cudaError_t launch_expert_combine(const ExpertCombine& combine, banyan_dtype type, int num_blocks,
                                                cudaStream_t stream);
/// As prepare_dispatch.
[[nodiscard]] cudaError_t prepare_expert_dispatch(const RowCut& cut);
[[nodiscard]] cudaError_t prepare_expert_combine(banyan_dtype type, const RowCut& cut);

}  // namespace banyan::cuda
