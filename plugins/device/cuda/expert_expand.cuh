// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/expert_push.cuh"

/// Of the dispatch by experts what is the planner's and the expanders'.
namespace banyan::cuda {

/// Lays out the runs of this rank's experts. One block.
class Planner {
 public:
  __device__ Planner(const Experts& experts, DispatchShared& shared, uint64_t call)
      : experts_(experts), shared_(shared), call_(call) {}

  /// All threads; false: a wait failed.
  __device__ bool plan(const Patience& patience) {
    const bool counted = add_up(patience);
    const bool good = __syncthreads_and(counted ? 1 : 0) != 0;
    if (good) {
      place_runs();
    }
    const bool known = good && read_streams(patience);
    const bool all = __syncthreads_and(known ? 1 : 0) != 0;
    if (threadIdx.x == 0 && all) {
      __threadfence();
      store_release(reinterpret_cast<char*>(&experts_.state->plan), Arrival::word(call_, 0));
    }
    return all;
  }

 private:
  [[nodiscard]] __device__ const char* area() const { return experts_.own_area(); }

  /// The rows of each own expert, and by rank where they begin in its run.
  __device__ bool add_up(const Patience& patience) {
    const ExpertLayout& layout = experts_.layout;
    if (threadIdx.x == 0) {
      experts_.state->longest = 0;
      experts_.state->most_pushers = 1;
    }
    for (int own = static_cast<int>(threadIdx.x); own < experts_.num_own; own += kExpertThreads) {
      const int expert = experts_.own_experts[own];
      uint32_t sum = 0;
      for (int rank = 0; rank < layout.num_ranks; ++rank) {
        uint64_t word = 0;
        if (!await(patience, area() + layout.count(rank, expert), call_, rank, word)) {
          return false;
        }
        experts_.bases[rank * layout.num_experts + expert] = sum;
        sum += Arrival::parts(word);
      }
      shared_.index[own] = sum;
    }
    return true;
  }

  [[nodiscard]] __device__ uint32_t aligned(uint32_t count) const {
    return (count + experts_.row_alignment - 1) / experts_.row_alignment * experts_.row_alignment;
  }
  [[nodiscard]] __device__ uint32_t within(uint32_t row) const {
    return row < experts_.max_rows ? row : experts_.max_rows;
  }

  /// Each thread has experts in a row.
  __device__ void place_runs() {
    const ExpertLayout& layout = experts_.layout;
    const int share = (experts_.num_own + kExpertThreads - 1) / kExpertThreads;
    const int first = share * static_cast<int>(threadIdx.x);
    const int end = first + share < experts_.num_own ? first + share : experts_.num_own;
    uint32_t sum = 0;
    for (int own = first; own < end; ++own) {
      sum += aligned(shared_.index[own]);
    }
    shared_.next_index[threadIdx.x] = sum;
    __syncthreads();
    uint32_t row = 0;
    for (unsigned thread = 0; thread < threadIdx.x; ++thread) {
      row += shared_.next_index[thread];
    }
    for (int own = first; own < end; ++own) {
      const uint32_t count = shared_.index[own];
      for (int rank = 0; rank < layout.num_ranks; ++rank) {
        experts_.bases[rank * layout.num_experts + experts_.own_experts[own]] += row;
      }
      experts_.offsets[own] = static_cast<int32_t>(within(row));
      experts_.counts[own] = static_cast<int32_t>(within(row + count) - within(row));
      for (uint32_t padding = row + count; padding < within(row + aligned(count)); ++padding) {
        experts_.sources[padding] = {-1, -1, -1, 0};
      }
      row += aligned(count);
    }
    if (threadIdx.x == kExpertThreads - 1) {
      experts_.offsets[experts_.num_own] = static_cast<int32_t>(within(row));
      *experts_.needed = static_cast<int32_t>(row);
    }
  }

  /// Which places each pusher fills. All threads.
  __device__ bool read_streams(const Patience& patience) {
    const ExpertLayout& layout = experts_.layout;
    for (int i = static_cast<int>(threadIdx.x); i < layout.num_ranks * kMostRowPushers; i += kExpertThreads) {
      const int rank = i / kMostRowPushers;
      const int pusher = i % kMostRowPushers;
      uint64_t pushers = 0, first = 0, end = 0;
      if (!await(patience, area() + layout.pushers(rank), call_, rank, pushers)) {
        return false;
      }
      const auto count = static_cast<int>(Arrival::parts(pushers));
      if (pusher >= count) {
        experts_.streams[i] = {0, 0};
        continue;
      }
      if (!await(patience, area() + layout.first(rank, pusher), call_, rank, first) ||
          !await(patience, area() + layout.end(rank, pusher), call_, rank, end)) {
        return false;
      }
      experts_.streams[i] = {Arrival::parts(first), Arrival::parts(end)};
      atomicMax(&experts_.state->longest, Arrival::parts(end) - Arrival::parts(first));
      atomicMax(&experts_.state->most_pushers, count);
      if (pusher == count - 1) {
        experts_.slots[rank] = Arrival::parts(end);
      }
    }
    return true;
  }

  const Experts& experts_;
  DispatchShared& shared_;
  uint64_t call_;
};

/// A block that expands: it takes the groups of all pushers' places in turn, each `step`th.
template <int kStages>
class Expander {
 public:
  __device__ Expander(const ExpertDispatch& dispatch, DispatchShared& shared, RowMover<kStages>& mover, uint64_t call)
      : dispatch_(dispatch),
        experts_(dispatch.experts),
        shared_(shared),
        mover_(mover),
        call_(call),
        group_(rows_of(131072, dispatch.cut.row_bytes, 8, RowList::kRows)) {}

  /// All threads: the first moves a group while the finders wait for the next one and prepare it.
  __device__ void expand(const Patience& patience, unsigned expander, unsigned step) {
    bool planned = true;
    if (threadIdx.x == 0) {
      uint64_t word = 0;
      const auto* const plan = reinterpret_cast<const char*>(&experts_.state->plan);
      planned = await(patience, plan, call_, experts_.rank, word);
      shared_.failed = false;
    }
    if (__syncthreads_and(planned ? 1 : 0) == 0) {
      return;
    }
    const auto streams = static_cast<unsigned>(experts_.layout.num_ranks * experts_.state->most_pushers);
    const unsigned groups =
        (experts_.state->longest + static_cast<unsigned>(group_) - 1) / static_cast<unsigned>(group_);
    const unsigned units = groups * streams;
    const bool finds = threadIdx.x >= kWarp;
    if (finds && expander < units) {
      find(patience, shared_.lists[0], expander, streams);
    }
    __syncthreads();
    int list = 0;
    for (unsigned unit = expander; unit < units; unit += step) {
      if (threadIdx.x == 0) {
        move(shared_.lists[list], unit, streams);
      } else if (finds && unit + step < units) {
        find(patience, shared_.lists[1 - list], unit + step, streams);
      }
      list = 1 - list;
      __syncthreads();
    }
  }

 private:
  [[nodiscard]] __device__ int rank_of_unit(unsigned unit, unsigned streams) const {
    return static_cast<int>(unit % streams) % experts_.layout.num_ranks;
  }
  [[nodiscard]] __device__ int pusher_of_unit(unsigned unit, unsigned streams) const {
    return static_cast<int>(unit % streams) / experts_.layout.num_ranks;
  }
  [[nodiscard]] __device__ uint32_t first_of_unit(unsigned unit, unsigned streams) const {
    const Stream& stream =
        experts_.streams[rank_of_unit(unit, streams) * kMostRowPushers + pusher_of_unit(unit, streams)];
    return stream.first + unit / streams * static_cast<uint32_t>(group_);
  }

  /// Waits until the places before `end` are filled. One thread.
  __device__ bool await_places(const Patience& patience, int rank, int pusher, uint32_t end) const {
    const char* const address = experts_.own_area() + experts_.layout.progress(rank, pusher);
    for (unsigned polls = 1;; ++polls) {
      const uint64_t word = load_acquire(address);
      if (Arrival::call(word) == call_ && Arrival::parts(word) >= end) {
        return true;
      }
      if (polls % kPollsPerLook == 0 && patience.is_over(rank, call_)) {
        return false;
      }
    }
  }

  /// Fills a list with the rows of a unit. Finders.
  __device__ void find(const Patience& patience, RowList& list, unsigned unit, unsigned streams) {
    const int rank = rank_of_unit(unit, streams);
    const int pusher = pusher_of_unit(unit, streams);
    const Stream stream = experts_.streams[rank * kMostRowPushers + pusher];
    const uint32_t first = first_of_unit(unit, streams);
    const uint32_t left = first < stream.end ? stream.end - first : 0;
    const int count = left < static_cast<uint32_t>(group_) ? static_cast<int>(left) : group_;
    if (threadIdx.x == kWarp) {
      shared_.failed =
          shared_.failed || (count > 0 && !await_places(patience, rank, pusher, first + static_cast<uint32_t>(count)));
      list.count = shared_.failed ? 0 : count;
    }
    sync_finders();
    const int top_k = experts_.layout.top_k;
    for (int i = static_cast<int>(threadIdx.x) - kWarp; i < list.count * top_k; i += kFinders) {
      find_row(list, rank, first, i / top_k, i % top_k);
    }
    sync_finders();
  }

  /// Of a choice of the list's row.
  __device__ void find_row(RowList& list, int rank, uint32_t first, int row, int choice) const {
    const ExpertLayout& layout = experts_.layout;
    const uint32_t slot = first + static_cast<uint32_t>(row);
    const ulonglong2 pair = load_pair(experts_.own_area() + layout.record(rank, slot, choice));
    const auto expert = static_cast<int32_t>(static_cast<uint32_t>(pair.x));
    const auto token = static_cast<int32_t>(static_cast<uint32_t>(pair.y >> 32));
    uint32_t position = kNoPlace;
    if (expert >= 0) {
      position = experts_.bases[rank * layout.num_experts + expert] + static_cast<uint32_t>(pair.x >> 32);
      position = position < experts_.max_rows ? position : kNoPlace;
    }
    if (position != kNoPlace) {
      experts_.sources[position] = {rank, token, choice, __uint_as_float(static_cast<uint32_t>(pair.y))};
    }
    experts_.positions[layout.index(rank, slot) * layout.top_k + choice] = position;
    list.to[row][choice] = position;
    if (choice == 0) {
      list.fan[row] = static_cast<uint8_t>(layout.top_k);
      list.from[row] = rank == experts_.rank ? static_cast<uint32_t>(token) : slot;
    }
  }

  /// One thread, which knows of what the finders waited for.
  __device__ void move(const RowList& list, unsigned unit, unsigned streams) {
    const ExpertLayout& layout = experts_.layout;
    const int rank = rank_of_unit(unit, streams);
    const uint64_t row_bytes = dispatch_.cut.row_bytes;
    const char* const rows = rank == experts_.rank ? dispatch_.rows : experts_.own_area() + layout.row(rank, 0);
    order_bulk();
    mover_.move(
        list, [&](uint32_t row) { return rows + static_cast<size_t>(row) * row_bytes; },
        [&](uint32_t position) { return experts_.rows + static_cast<size_t>(position) * row_bytes; });
  }

  const ExpertDispatch& dispatch_;
  const Experts& experts_;
  DispatchShared& shared_;
  RowMover<kStages>& mover_;
  uint64_t call_;
  int group_;
};

}  // namespace banyan::cuda
