// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "cuda/bulk.cuh"
#include "cuda/tokens.cuh"

namespace banyan::cuda {

/// Rows that a block moves: each is read once and stored at some places.
struct RowList {
  static constexpr int kRows = 64;

  int count;
  uint32_t from[kRows];              ///< what the mover's caller makes of it
  uint32_t to[kRows][kMaxTopK + 1];  ///< likewise; kNoPlace: not this one. Rows of odd length: lanes have a row each
  uint8_t fan[kRows];                ///< places that may be in `to`; 0: the row is not read
};

/// Moves chunks of rows through `kStages` stages of shared memory, loads kStages / 2 of them ahead. One thread.
template <int kStages>
class RowMover {
 public:
  __device__ RowMover(const RowCut& cut, char* stages, uint64_t* barriers)
      : cut_(cut), stages_(stages), barriers_(barriers) {}

  __device__ void begin() {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(barriers_ + stage, 1);
    }
    fence_barriers();
  }

  /// Moves the list's rows from source(from) to target(to); all of them are being stored in the end.
  template <typename Source, typename Target>
  __device__ void move(const RowList& list, Source source, Target target) {
    Cursor loaded{next_row(list, 0), 0}, stored = loaded;
    while (stored.row < list.count) {
      if (loaded.row < list.count && num_loaded_ - num_stored_ < kLead) {
        await_stores_read<kStages - kLead - 1>();
        const char* const row = source(list.from[loaded.row]);
        bulk_load(stage_of(num_loaded_), row + offset(loaded.chunk), cut_.bytes_of(loaded.chunk),
                  barriers_ + num_loaded_ % kStages);
        ++num_loaded_;
        advance(list, loaded);
        continue;
      }
      await_phase(barriers_ + num_stored_ % kStages, num_stored_ / kStages % 2);
      for (int i = 0; i < list.fan[stored.row]; ++i) {
        const uint32_t to = list.to[stored.row][i];
        if (to != kNoPlace) {
          bulk_store(target(to) + offset(stored.chunk), stage_of(num_stored_), cut_.bytes_of(stored.chunk));
        }
      }
      commit_stores();
      ++num_stored_;
      advance(list, stored);
    }
  }

 private:
  static constexpr uint32_t kLead = kStages / 2;

  struct Cursor {
    int row;
    uint32_t chunk;
  };

  [[nodiscard]] static __device__ int next_row(const RowList& list, int row) {
    while (row < list.count && list.fan[row] == 0) {
      ++row;
    }
    return row;
  }
  __device__ void advance(const RowList& list, Cursor& cursor) const {
    if (++cursor.chunk == cut_.num_chunks) {
      cursor = {next_row(list, cursor.row + 1), 0};
    }
  }
  [[nodiscard]] __device__ size_t offset(uint32_t chunk) const { return static_cast<size_t>(chunk) * cut_.chunk_bytes; }
  [[nodiscard]] __device__ char* stage_of(uint32_t number) const {
    return stages_ + static_cast<size_t>(number % kStages) * cut_.chunk_bytes;
  }

  const RowCut& cut_;
  char* stages_;
  uint64_t* barriers_;
  uint32_t num_loaded_ = 0, num_stored_ = 0;
};

}  // namespace banyan::cuda
