// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/bulk.cuh"
#include "cuda/experts.cuh"
#include "cuda/wait.cuh"

/// Of combine by experts what is to be added up, for whom.
namespace banyan::cuda {

constexpr int kWarp = 32;
static_assert(kGroup == kWarp, "a lane prepares a row");

/// Sums that the lanes of a warp have prepared.
struct Sums {
  const char* from[kGroup][kMaxTopK + 1];
  float weights[kGroup][kMaxTopK + 1];
  uint32_t ends[kGroup];  ///< a bit for each row that ends a rank's part
  int fan[kGroup];        ///< rows
  char* out[kGroup];
  char* post[kGroup];
  int count;

  __device__ void add(int lane, const char* row, float weight) {
    from[lane][fan[lane]] = row;
    weights[lane][fan[lane]++] = weight;
  }
  /// The rows that `lane` has added since are a part, if there are any.
  __device__ void end_part(int lane, int since) {
    if (fan[lane] > since) {
      ends[lane] |= 1U << (fan[lane] - 1);
    }
  }
};

/// The fetching warp's: prepares sums, and what they need to know.
class Collector {
 public:
  __device__ Collector(const ExpertCombine& combine, const Patience& patience, uint64_t call, Sums& sums)
      : combine_(combine),
        experts_(combine.experts),
        patience_(patience),
        call_(call),
        sums_(sums),
        lane_(static_cast<int>(threadIdx.x % kWarp)),
        group_(combine.experts.layout.group_rows()) {}

  /// Groups of rows for other ranks, those ranks in turn.
  [[nodiscard]] __device__ unsigned num_sends() const {
    uint32_t most = 0;
    for (int rank = 0; rank < experts_.layout.num_ranks; ++rank) {
      most = rank != experts_.rank && experts_.slots[rank] > most ? experts_.slots[rank] : most;
    }
    return groups_of(most) * static_cast<unsigned>(experts_.layout.num_ranks - 1);
  }
  [[nodiscard]] __device__ unsigned num_finishes() const {
    return groups_of(static_cast<uint32_t>(experts_.state->num_tokens));
  }

  __device__ void collect_send(unsigned unit) {
    const ExpertLayout& layout = experts_.layout;
    const int peers = layout.num_ranks - 1;
    const int rank = (experts_.rank + 1 + static_cast<int>(unit % static_cast<unsigned>(peers))) % layout.num_ranks;
    const uint32_t first = unit / static_cast<unsigned>(peers) * static_cast<unsigned>(group_);
    const uint32_t slot = begin(first, experts_.slots[rank]);
    if (lane_ < sums_.count) {
      add_own(rank, slot);
      sums_.out[lane_] = experts_.areas[rank] + layout.row_back(experts_.rank, slot);
      sums_.post[lane_] = lane_ + 1 == sums_.count ? experts_.areas[rank] + layout.group(experts_.rank, slot) : nullptr;
    }
    __syncwarp();
  }

  /// False: a wait failed.
  __device__ bool collect_finish(unsigned unit) {
    const ExpertLayout& layout = experts_.layout;
    const uint32_t token =
        begin(unit * static_cast<unsigned>(group_), static_cast<uint32_t>(experts_.state->num_tokens));
    bool good = true;
    if (lane_ < sums_.count) {
      const uint32_t* const places = experts_.places + static_cast<size_t>(token) * layout.top_k;
      for (int i = 0; i < layout.top_k && good; ++i) {
        const uint32_t place = places[i];
        if (place == kNoPlace) {
          break;
        }
        const int rank = rank_of(place);
        if (rank == experts_.rank) {
          add_own(rank, slot_of(place));
          continue;
        }
        uint64_t word = 0;
        good = await(patience_, experts_.own_area() + layout.group(rank, slot_of(place)), call_, rank, word);
        const int since = sums_.fan[lane_];
        sums_.add(lane_, experts_.own_area() + layout.row_back(rank, slot_of(place)), 1);
        sums_.end_part(lane_, since);
      }
      sums_.out[lane_] = combine_.out + static_cast<size_t>(token) * layout.row_bytes;
      sums_.post[lane_] = nullptr;
    }
    __syncwarp();  // the lane that fetches comes after what others awaited
    order_bulk();
    return __all_sync(0xffffffffU, good) != 0;
  }

 private:
  [[nodiscard]] __device__ unsigned groups_of(uint32_t count) const {
    return (count + static_cast<uint32_t>(group_) - 1) / static_cast<uint32_t>(group_);
  }

  /// Of a group from `first` on; the number of this lane's row.
  __device__ uint32_t begin(uint32_t first, uint32_t end) {
    const uint32_t left = first < end ? end - first : 0;
    if (lane_ == 0) {
      sums_.count = left < static_cast<uint32_t>(group_) ? static_cast<int>(left) : group_;
    }
    sums_.fan[lane_] = 0;
    sums_.ends[lane_] = 0;
    __syncwarp();
    return first + static_cast<uint32_t>(lane_);
  }

  /// The rows here of a rank's token, a part.
  __device__ void add_own(int rank, uint32_t slot) {
    const ExpertLayout& layout = experts_.layout;
    const uint32_t* const positions = experts_.positions + layout.index(rank, slot) * layout.top_k;
    const int since = sums_.fan[lane_];
#pragma unroll 4
    for (int choice = 0; choice < layout.top_k; ++choice) {
      const uint32_t position = positions[choice];
      if (position != kNoPlace) {
        const float weight = combine_.weighted != 0 ? experts_.sources[position].weight : 1;
        sums_.add(lane_, experts_.rows + static_cast<size_t>(position) * layout.row_bytes, weight);
      }
    }
    sums_.end_part(lane_, since);
  }

  const ExpertCombine& combine_;
  const Experts& experts_;
  const Patience& patience_;
  uint64_t call_;
  Sums& sums_;
  int lane_;
  int group_;
};

}  // namespace banyan::cuda
