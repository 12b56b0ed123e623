// SPDX-License-Identifier: Apache-2.0
#include "cuda/block.cuh"
#include "cuda/bulk.cuh"
#include "cuda/rank_bits.cuh"
#include "cuda/tokens.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

constexpr int kWarp = 32;
constexpr int kBatch = 64;                          ///< tokens, one bit of a word each
constexpr int kFinders = kDispatchThreads - kWarp;  ///< all but the first warp, whose first thread moves rows
constexpr int kLists = 3;                           ///< batches: one is found, one loaded, one may still be stored

/// Where the tokens of a batch go. Rows of odd length: lanes have a row each.
struct List {
  uint32_t places[kBatch][kMaxTopK + 1];  ///< in rising order
  uint8_t fan[kBatch];                    ///< how many
};

struct Shared {
  List lists[kLists];
  uint32_t bits[BANYAN_DEVICE_MAX_RANKS][2];    ///< by rank: which tokens of the batch go there
  int8_t rank_of_choice[kBatch][kMaxTopK + 4];  ///< negative: none
  uint32_t next_slot[BANYAN_DEVICE_MAX_RANKS];  ///< by rank: of the batch's first token

  [[nodiscard]] __device__ uint64_t bits_of(int rank) const {
    return static_cast<uint64_t>(bits[rank][1]) << 32 | bits[rank][0];
  }
};

/// The tokens of this block.
struct Range {
  int begin, end;
  int all;  ///< of all blocks
};

__device__ Range own_tokens(const Dispatch& dispatch) {
  const int given = dispatch.device_tokens == nullptr ? dispatch.num_tokens : *dispatch.device_tokens;
  const auto count = static_cast<uint32_t>(given < 0 ? 0 : given < dispatch.num_tokens ? given : dispatch.num_tokens);
  static_assert(kMostDispatchBlocks <= 1 << 8, "2^22 tokens times blocks have 32 bits");
  return {static_cast<int>(count * blockIdx.x / gridDim.x), static_cast<int>(count * (blockIdx.x + 1) / gridDim.x),
          static_cast<int>(count)};
}

/// Of the threads that find.
__device__ void sync_finders() { sync_some<kFinders>(); }

/// Sets bits and rank_of_choice for the batch that begins at `first`; where this thread's token goes. Finders; ends
/// with a barrier of theirs.
__device__ RankBits find_ranks(const Dispatch& dispatch, Shared& shared, int first, int end) {
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  const int top_k = dispatch.tokens.layout.top_k;
  RankBits mask{0, 0};
  if (finder < kBatch && first + finder < end) {
    const int32_t* const experts = dispatch.experts + static_cast<size_t>(first + finder) * top_k;
    int ranks[kMaxTopK];
#pragma unroll
    for (int choice = 0; choice < kMaxTopK; ++choice) {
      ranks[choice] = choice < top_k ? experts[choice] : -1;
    }
#pragma unroll
    for (int choice = 0; choice < kMaxTopK; ++choice) {
      const bool known = ranks[choice] >= 0 && ranks[choice] < dispatch.tokens.num_experts;
      ranks[choice] = known ? dispatch.tokens.rank_of_expert[ranks[choice]] : -1;
    }
#pragma unroll
    for (int choice = 0; choice < kMaxTopK; ++choice) {
      if (choice < top_k) {
        shared.rank_of_choice[finder][choice] = static_cast<int8_t>(ranks[choice]);
      }
      if (ranks[choice] >= 0) {
        mask.add(ranks[choice]);
      }
    }
  }
  sync_finders();  // the batch before has been counted
  if (finder < kBatch) {
    for (int rank = 0; rank < dispatch.tokens.layout.num_ranks; ++rank) {
      const unsigned both = __ballot_sync(0xffffffffU, mask.has(rank));
      if (finder % kWarp == 0) {
        shared.bits[rank][finder / kWarp] = both;
      }
    }
  }
  sync_finders();
  return mask;
}

/// What the batch's tokens took. Finders; the next find_ranks begins with a barrier after it.
__device__ void advance_slots(const Dispatch& dispatch, Shared& shared) {
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  for (int rank = finder; rank < dispatch.tokens.layout.num_ranks; rank += kFinders) {
    shared.next_slot[rank] += static_cast<uint32_t>(__popcll(shared.bits_of(rank)));
  }
}

/// Counts this block's tokens by rank, and adds up those of the blocks before: next_slot is then this block's first
/// slots. All threads; false: a wait failed.
__device__ bool find_first_slots(const Dispatch& dispatch, Shared& shared, const Patience& patience, uint64_t call,
                                 Range range) {
  const Tokens& tokens = dispatch.tokens;
  const int num_ranks = tokens.layout.num_ranks;
  for (int rank = static_cast<int>(threadIdx.x); rank < num_ranks; rank += kDispatchThreads) {
    shared.next_slot[rank] = 0;
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) {
    for (int first = range.begin; first < range.end; first += kBatch) {
      static_cast<void>(find_ranks(dispatch, shared, first, range.end));
      advance_slots(dispatch, shared);
    }
  }
  __syncthreads();
  uint64_t* const counts = tokens.block_counts;
  static_assert(BANYAN_DEVICE_MAX_RANKS <= kDispatchThreads, "a thread has one rank at most");
  uint32_t own = 0;
  if (static_cast<int>(threadIdx.x) < num_ranks) {
    own = shared.next_slot[threadIdx.x];
    store_near(counts + blockIdx.x * num_ranks + threadIdx.x, Arrival::word(call, own));
    shared.next_slot[threadIdx.x] = 0;
  }
  __syncthreads();
  bool good = true;
  const int before = static_cast<int>(blockIdx.x) * num_ranks;
  for (int i = static_cast<int>(threadIdx.x); i < before && good; i += kDispatchThreads) {
    uint64_t word = 0;
    for (unsigned polls = 1;; ++polls) {
      word = load_near(counts + i);
      if (Arrival::call(word) == call) {
        break;
      }
      if (polls % kPollsPerLook == 0 && patience.is_over(tokens.rank, call)) {
        good = false;
        break;
      }
    }
    atomicAdd(&shared.next_slot[i % num_ranks], good ? Arrival::parts(word) : 0);
  }
  good = __syncthreads_and(good ? 1 : 0) != 0;
  if (blockIdx.x == gridDim.x - 1 && static_cast<int>(threadIdx.x) < num_ranks) {
    tokens.totals[threadIdx.x] = shared.next_slot[threadIdx.x] + own;
  }
  return good;
}

/// Fills the list of the batch that begins at `first`, and the places for combine. Finders.
__device__ void find_places(const Dispatch& dispatch, Shared& shared, List& list, int first, int end) {
  RankBits mask = find_ranks(dispatch, shared, first, end);
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  const int top_k = dispatch.tokens.layout.top_k;
  if (finder < kBatch) {
    uint32_t* const places = list.places[finder];
    const uint64_t before = (uint64_t{1} << finder) - 1;
    int fan = 0;
    while (mask.any()) {
      const int rank = mask.take();
      places[fan++] =
          place_of(rank, shared.next_slot[rank] + static_cast<uint32_t>(__popcll(shared.bits_of(rank) & before)));
    }
    list.fan[finder] = static_cast<uint8_t>(fan);
    for (int i = 0; first + finder < end && i < top_k; ++i) {
      dispatch.tokens.places[static_cast<size_t>(first + finder) * top_k + i] = i < fan ? places[i] : kNoPlace;
    }
  }
  sync_finders();
}

/// Tells receivers which of their experts a row is for, and with which weights. Finders; ends with a barrier.
__device__ void send_choices(const Dispatch& dispatch, Shared& shared, const List& list, int first, int end) {
  const Tokens& tokens = dispatch.tokens;
  const AreaLayout& layout = tokens.layout;
  const int top_k = layout.top_k;
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  const int copies = top_k < layout.num_ranks ? top_k : layout.num_ranks;
  const int count = (end - first < kBatch ? end - first : kBatch) * copies * top_k;
  for (int i = finder; i < count; i += kFinders) {
    const int choice = i % top_k;
    const int copy = i / top_k % copies;
    const int token = i / (top_k * copies);
    if (copy >= list.fan[token]) {
      continue;
    }
    const uint32_t place = list.places[token][copy];
    const int rank = rank_of(place);
    const bool is_there = shared.rank_of_choice[token][choice] == rank;
    const size_t from = static_cast<size_t>(first + token) * top_k + choice;
    const size_t to = layout.index(tokens.rank, slot_of(place)) * top_k + choice;
    reinterpret_cast<int32_t*>(tokens.areas[rank] + layout.experts())[to] = is_there ? dispatch.experts[from] : -1;
    const bool has_weight = is_there && dispatch.weights != nullptr;
    reinterpret_cast<float*>(tokens.areas[rank] + layout.weights())[to] = has_weight ? dispatch.weights[from] : 0;
  }
  sync_finders();
  advance_slots(dispatch, shared);
}

/// Moves chunks of rows through `kStages` stages of shared memory, loads kStages / 2 of them ahead. The first tokens'
/// rows are loaded before it is known where they go. One thread.
template <int kStages>
class Mover {
 public:
  __device__ Mover(const Dispatch& dispatch, const Shared& shared, char* stages, uint64_t* barriers, Range range)
      : dispatch_(dispatch),
        shared_(shared),
        stages_(stages),
        barriers_(barriers),
        range_(range),
        early_end_(range.begin),
        stored_{range.begin, 0} {}

  __device__ void begin() {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(barriers_ + stage, 1);
    }
    fence_barriers();
    const int early = static_cast<int>(kLead / dispatch_.cut.num_chunks);
    early_end_ = range_.begin + early < range_.end ? range_.begin + early : range_.end;
    for (int token = range_.begin; token < early_end_; ++token) {
      load(token);
    }
  }

  /// Loads the rows of the batch's tokens, and stores what was loaded kLead before. In the end nothing of earlier
  /// batches is left to be stored: their lists are filled again.
  __device__ void move(int first) {
    const int end = first + kBatch < range_.end ? first + kBatch : range_.end;
    for (int token = first > early_end_ ? first : early_end_; token < end; ++token) {
      if (fan_of(token) > 0) {
        load(token);
      }
    }
    store_until(first);
  }

  __device__ void finish() {
    store_until(range_.end);
    await_stores();
  }
  /// Nothing is stored; the stages are still until the end of the block.
  __device__ void drop() {
    for (uint32_t number = num_stored_; number != num_loaded_; ++number) {
      await_phase(barriers_ + number % kStages, number / kStages % 2);
    }
  }

 private:
  static constexpr uint32_t kLead = kStages / 2;

  struct Cursor {
    int token;
    uint32_t chunk;
  };

  [[nodiscard]] __device__ const List& list_of(int token) const {
    return shared_.lists[(token - range_.begin) / kBatch % kLists];
  }
  [[nodiscard]] __device__ int fan_of(int token) const { return list_of(token).fan[(token - range_.begin) % kBatch]; }
  [[nodiscard]] __device__ bool is_loaded(int token) const { return token < early_end_ || fan_of(token) > 0; }
  [[nodiscard]] __device__ char* stage_of(uint32_t number) const {
    return stages_ + static_cast<size_t>(number % kStages) * dispatch_.cut.chunk_bytes;
  }

  __device__ void load(int token) {
    for (uint32_t chunk = 0; chunk < dispatch_.cut.num_chunks; ++chunk) {
      if (num_loaded_ - num_stored_ == kLead) {
        store_next();
      }
      await_stores_read<kStages - kLead - 1>();
      const char* const row = dispatch_.rows + static_cast<size_t>(token) * dispatch_.cut.row_bytes;
      bulk_load(stage_of(num_loaded_), row + static_cast<size_t>(chunk) * dispatch_.cut.chunk_bytes,
                dispatch_.cut.bytes_of(chunk), barriers_ + num_loaded_ % kStages);
      ++num_loaded_;
    }
  }

  __device__ void store_until(int token) {
    while (true) {
      while (stored_.token < token && !is_loaded(stored_.token)) {
        ++stored_.token;
      }
      if (stored_.token >= token) {
        return;
      }
      store_next();
    }
  }

  /// There is something to store.
  __device__ void store_next() {
    while (!is_loaded(stored_.token)) {
      ++stored_.token;
    }
    await_phase(barriers_ + num_stored_ % kStages, num_stored_ / kStages % 2);
    const Tokens& tokens = dispatch_.tokens;
    const uint32_t* const places = list_of(stored_.token).places[(stored_.token - range_.begin) % kBatch];
    const int fan = fan_of(stored_.token);
    for (int copy = 0; copy < fan; ++copy) {
      char* const row = tokens.areas[rank_of(places[copy])] + tokens.layout.row(tokens.rank, slot_of(places[copy]));
      bulk_store(row + static_cast<size_t>(stored_.chunk) * dispatch_.cut.chunk_bytes, stage_of(num_stored_),
                 dispatch_.cut.bytes_of(stored_.chunk));
    }
    commit_stores();
    ++num_stored_;
    if (++stored_.chunk == dispatch_.cut.num_chunks) {
      stored_ = {stored_.token + 1, 0};
    }
  }

  const Dispatch& dispatch_;
  const Shared& shared_;
  char* stages_;
  uint64_t* barriers_;
  Range range_;
  int early_end_;  ///< of the tokens that are loaded wherever they go
  Cursor stored_;  ///< next
  uint32_t num_loaded_ = 0, num_stored_ = 0;
};

/// The block's rows and choices. All threads: the first moves a batch while the finders prepare the next.
template <int kStages>
__device__ void move_rows(const Dispatch& dispatch, Shared& shared, Mover<kStages>& mover, Range range) {
  const bool finds = threadIdx.x >= kWarp;
  if (finds) {
    find_places(dispatch, shared, shared.lists[0], range.begin, range.end);
  }
  __syncthreads();
  int number = 0;
  for (int first = range.begin; first < range.end; first += kBatch) {
    if (threadIdx.x == 0) {
      mover.move(first);
    } else if (finds) {
      send_choices(dispatch, shared, shared.lists[number % kLists], first, range.end);
      if (first + kBatch < range.end) {
        find_places(dispatch, shared, shared.lists[(number + 1) % kLists], first + kBatch, range.end);
      }
    }
    ++number;
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    mover.finish();
  }
}

/// Tells receivers how many rows have arrived, and waits for what was sent here. The last block.
__device__ void end_dispatch(const Tokens& tokens, const Patience& patience, uint64_t call) {
  const int peer = static_cast<int>(threadIdx.x);
  if (peer >= tokens.layout.num_ranks || load_word(&tokens.watch.state->failed) != 0) {
    return;
  }
  const uint32_t sent = *const_cast<const volatile uint32_t*>(tokens.totals + peer);
  char* const area = tokens.areas[tokens.rank];
  auto* const counts = reinterpret_cast<int32_t*>(area + tokens.layout.counts());
  if (peer == tokens.rank) {
    counts[peer] = static_cast<int32_t>(sent);
    return;
  }
  store_release(tokens.areas[peer] + tokens.layout.arrival(tokens.rank), Arrival::word(call, sent));
  uint64_t word = 0;
  if (await(patience, area + tokens.layout.arrival(peer), call, peer, word)) {
    counts[peer] = static_cast<int32_t>(Arrival::parts(word));
  }
}

template <int kStages>
__global__ void __launch_bounds__(kDispatchThreads, 1) dispatch_kernel(const __grid_constant__ Dispatch dispatch) {
  char* const stages = dynamic_shared();
  __shared__ Shared shared;
  __shared__ uint64_t barriers[kStages];
  const Tokens& tokens = dispatch.tokens;
  const uint64_t call = begin_call(tokens.state->dispatches, tokens.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(tokens.watch);
  const Range range = own_tokens(dispatch);
  Mover<kStages> mover(dispatch, shared, stages, barriers, range);
  if (threadIdx.x == 0) {
    mover.begin();
  }
  if (find_first_slots(dispatch, shared, patience, call, range)) {
    move_rows(dispatch, shared, mover, range);
  } else if (threadIdx.x == 0) {
    mover.drop();
  }
  if (is_last_block_in_order(tokens.state->blocks)) {
    if (threadIdx.x == 0) {
      tokens.state->num_tokens = range.all;
    }
    end_dispatch(tokens, patience, call);
    end_call(tokens.state->dispatches, tokens.state->blocks, call);
  }
}

const void* function_for(uint32_t stages) {
  return stages == 48   ? reinterpret_cast<const void*>(dispatch_kernel<48>)
         : stages == 24 ? reinterpret_cast<const void*>(dispatch_kernel<24>)
                        : reinterpret_cast<const void*>(dispatch_kernel<12>);
}

}  // namespace

RowCut cut_rows(uint64_t row_bytes) {
  constexpr uint64_t kUnit = 16;
  const uint64_t chunks = (row_bytes + kLargestChunk - 1) / kLargestChunk;
  RowCut cut{.row_bytes = row_bytes, .chunk_bytes = 0, .num_chunks = 0, .stages = 12};
  cut.chunk_bytes = static_cast<uint32_t>(((row_bytes + chunks - 1) / chunks + kUnit - 1) / kUnit * kUnit);
  cut.num_chunks = static_cast<uint32_t>((row_bytes + cut.chunk_bytes - 1) / cut.chunk_bytes);
  cut.stages *= cut.chunk_bytes <= kLargestChunk / 4 ? 4 : cut.chunk_bytes <= kLargestChunk / 2 ? 2 : 1;
  return cut;
}

cudaError_t prepare_dispatch(const RowCut& cut) {
  return cudaFuncSetAttribute(function_for(cut.stages), cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(kMostStagesBytes));
}

cudaError_t launch_dispatch(const Dispatch& dispatch, int num_blocks, cudaStream_t stream) {
  void* arguments[] = {const_cast<Dispatch*>(&dispatch)};
  return cudaLaunchKernel(function_for(dispatch.cut.stages), dim3(static_cast<unsigned>(num_blocks)),
                          dim3(kDispatchThreads), arguments,
                          static_cast<size_t>(dispatch.cut.stages) * dispatch.cut.chunk_bytes, stream);
}

}  // namespace banyan::cuda
