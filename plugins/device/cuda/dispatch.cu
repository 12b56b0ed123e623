// SPDX-License-Identifier: Apache-2.0
#include "cuda/bulk.cuh"
#include "cuda/tokens.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

constexpr int kWarp = 32;
constexpr int kBatch = 64;                          ///< tokens, one bit of a word each
constexpr int kFinders = kDispatchThreads - kWarp;  ///< all but the first warp, whose first thread moves rows
constexpr int kLists = 3;                           ///< batches: one is found, one loaded, one may still be stored

/// Where the tokens of a batch go.
struct List {
  uint32_t places[kBatch][kMaxTopK];  ///< in rising order
  uint8_t fan[kBatch];                ///< how many
};

struct Shared {
  List lists[kLists];
  unsigned long long bits[BANYAN_DEVICE_MAX_RANKS];  ///< by rank: which tokens of the batch go there
  int8_t rank_of_choice[kBatch][kMaxTopK];           ///< negative: none
  uint32_t next_slot[BANYAN_DEVICE_MAX_RANKS];       ///< by rank: of the batch's first token
  int failed;
};

/// The tokens of this block.
struct Range {
  int begin, end;
};

__device__ Range own_tokens(const Dispatch& dispatch) {
  const int given = dispatch.device_tokens == nullptr ? dispatch.num_tokens : *dispatch.device_tokens;
  const int64_t count = given < 0 ? 0 : given < dispatch.num_tokens ? given : dispatch.num_tokens;
  const auto blocks = static_cast<int64_t>(gridDim.x);
  const auto block = static_cast<int64_t>(blockIdx.x);
  return {static_cast<int>(count * block / blocks), static_cast<int>(count * (block + 1) / blocks)};
}

/// Of the threads that find.
__device__ void sync_finders() { asm volatile("bar.sync 1, %0;" ::"n"(kFinders) : "memory"); }

/// Sets bits and rank_of_choice for the batch that begins at `first`. Finders; ends with a barrier of theirs.
__device__ void find_ranks(const Dispatch& dispatch, Shared& shared, int first, int end) {
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  const int top_k = dispatch.tokens.layout.top_k;
  for (int rank = finder; rank < dispatch.tokens.layout.num_ranks; rank += kFinders) {
    shared.bits[rank] = 0;
  }
  sync_finders();
  if (finder < kBatch && first + finder < end) {
    const int32_t* const experts = dispatch.experts + static_cast<size_t>(first + finder) * top_k;
    for (int choice = 0; choice < top_k; ++choice) {
      const int32_t expert = experts[choice];
      const bool known = expert >= 0 && expert < dispatch.tokens.num_experts;
      const int rank = known ? dispatch.tokens.rank_of_expert[expert] : -1;
      shared.rank_of_choice[finder][choice] = static_cast<int8_t>(rank);
      if (rank >= 0) {
        atomicOr(&shared.bits[rank], 1ULL << finder);
      }
    }
  }
  sync_finders();
}

/// What the batch's tokens took. Finders; the next find_ranks begins with a barrier after it.
__device__ void advance_slots(const Dispatch& dispatch, Shared& shared) {
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  for (int rank = finder; rank < dispatch.tokens.layout.num_ranks; rank += kFinders) {
    shared.next_slot[rank] += static_cast<uint32_t>(__popcll(shared.bits[rank]));
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
      find_ranks(dispatch, shared, first, range.end);
      advance_slots(dispatch, shared);
    }
  }
  __syncthreads();
  uint64_t* const counts = tokens.block_counts;
  static_assert(BANYAN_DEVICE_MAX_RANKS <= kDispatchThreads, "a thread has one rank at most");
  uint32_t own = 0;
  if (static_cast<int>(threadIdx.x) < num_ranks) {
    own = shared.next_slot[threadIdx.x];
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(counts + blockIdx.x * num_ranks + threadIdx.x),
                 "l"(Arrival::word(call, own))
                 : "memory");
    shared.next_slot[threadIdx.x] = 0;
  }
  __syncthreads();
  bool good = true;
  const int before = static_cast<int>(blockIdx.x) * num_ranks;
  for (int i = static_cast<int>(threadIdx.x); i < before && good; i += kDispatchThreads) {
    uint64_t word = 0;
    for (unsigned polls = 1;; ++polls) {
      asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(counts + i) : "memory");
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
  find_ranks(dispatch, shared, first, end);
  const int finder = static_cast<int>(threadIdx.x) - kWarp;
  const int top_k = dispatch.tokens.layout.top_k;
  if (finder < kBatch) {
    uint32_t* const places = list.places[finder];
    int fan = 0;
    for (int choice = 0; first + finder < end && choice < top_k; ++choice) {
      const int rank = shared.rank_of_choice[finder][choice];
      if (rank < 0) {
        continue;
      }
      const unsigned long long before = shared.bits[rank] & ((1ULL << finder) - 1);
      const uint32_t place = place_of(rank, shared.next_slot[rank] + static_cast<uint32_t>(__popcll(before)));
      int at = fan;
      while (at > 0 && places[at - 1] > place) {
        --at;
      }
      if (at > 0 && places[at - 1] == place) {
        continue;  // another choice of this rank
      }
      for (int i = fan; i > at; --i) {
        places[i] = places[i - 1];
      }
      places[at] = place;
      ++fan;
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
  const int count = (end - first < kBatch ? end - first : kBatch) * top_k * top_k;
  for (int i = finder; i < count; i += kFinders) {
    const int choice = i % top_k;
    const int copy = i / top_k % top_k;
    const int token = i / (top_k * top_k);
    if (copy >= list.fan[token]) {
      continue;
    }
    const uint32_t place = list.places[token][copy];
    const int rank = rank_of(place);
    const bool is_there = shared.rank_of_choice[token][choice] == rank;
    const size_t from = static_cast<size_t>(first + token) * top_k + choice;
    const size_t to = layout.index(tokens.rank, slot_of(place)) * top_k + choice;
    reinterpret_cast<int32_t*>(tokens.areas[rank] + layout.experts())[to] = is_there ? dispatch.experts[from] : -1;
    if (dispatch.weights != nullptr) {
      reinterpret_cast<float*>(tokens.areas[rank] + layout.weights())[to] = is_there ? dispatch.weights[from] : 0;
    }
  }
  sync_finders();
  advance_slots(dispatch, shared);
}

/// Moves chunks of rows through `kStages` stages of shared memory, loads `kLead` of them ahead. One thread.
template <int kStages, int kLead>
class Mover {
 public:
  __device__ Mover(const Dispatch& dispatch, const Shared& shared, char* stages, uint64_t* barriers, Range range)
      : dispatch_(dispatch),
        shared_(shared),
        stages_(stages),
        barriers_(barriers),
        range_(range),
        stored_{range.begin, 0} {}

  __device__ void begin() {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(barriers_ + stage);
    }
    fence_barriers();
  }

  /// Loads the rows of the tokens of this batch, and stores what was loaded kLead before.
  __device__ void move(int first) {
    const int end = first + kBatch < range_.end ? first + kBatch : range_.end;
    for (int token = first; token < end; ++token) {
      if (list_of(token).fan[(token - range_.begin) % kBatch] == 0) {
        continue;
      }
      for (uint32_t chunk = 0; chunk < dispatch_.num_chunks; ++chunk) {
        await_stores_read<kStages - kLead - 1>();
        const int stage = static_cast<int>(num_loaded_ % kStages);
        bulk_load(stages_ + static_cast<size_t>(stage) * dispatch_.chunk_bytes, source(token, chunk), bytes_of(chunk),
                  barriers_ + stage);
        ++num_loaded_;
        if (num_loaded_ > kLead) {
          store_next();
        }
      }
    }
  }

  __device__ void finish() {
    while (num_stored_ < num_loaded_) {
      store_next();
    }
    await_stores();
  }

 private:
  struct Cursor {
    int token;
    uint32_t chunk;
  };

  [[nodiscard]] __device__ const List& list_of(int token) const {
    return shared_.lists[(token - range_.begin) / kBatch % kLists];
  }
  [[nodiscard]] __device__ uint32_t bytes_of(uint32_t chunk) const {
    const uint64_t left = dispatch_.tokens.layout.row_bytes - static_cast<uint64_t>(chunk) * dispatch_.chunk_bytes;
    return left < dispatch_.chunk_bytes ? static_cast<uint32_t>(left) : dispatch_.chunk_bytes;
  }
  [[nodiscard]] __device__ const char* source(int token, uint32_t chunk) const {
    return dispatch_.rows + static_cast<size_t>(token) * dispatch_.tokens.layout.row_bytes +
           static_cast<size_t>(chunk) * dispatch_.chunk_bytes;
  }

  __device__ void store_next() {
    while (list_of(stored_.token).fan[(stored_.token - range_.begin) % kBatch] == 0) {
      ++stored_.token;
    }
    const int stage = static_cast<int>(num_stored_ % kStages);
    await_load(barriers_ + stage, static_cast<uint32_t>(num_stored_ / kStages % 2));
    const Tokens& tokens = dispatch_.tokens;
    const List& list = list_of(stored_.token);
    const int index = (stored_.token - range_.begin) % kBatch;
    for (int copy = 0; copy < list.fan[index]; ++copy) {
      const uint32_t place = list.places[index][copy];
      char* const row = tokens.areas[rank_of(place)] + tokens.layout.row(tokens.rank, slot_of(place));
      bulk_store(row + static_cast<size_t>(stored_.chunk) * dispatch_.chunk_bytes,
                 stages_ + static_cast<size_t>(stage) * dispatch_.chunk_bytes, bytes_of(stored_.chunk));
    }
    commit_stores();
    ++num_stored_;
    if (++stored_.chunk == dispatch_.num_chunks) {
      stored_ = {stored_.token + 1, 0};
    }
  }

  const Dispatch& dispatch_;
  const Shared& shared_;
  char* stages_;
  uint64_t* barriers_;
  Range range_;
  Cursor stored_;  ///< next
  uint32_t num_loaded_ = 0, num_stored_ = 0;
};

/// The block's rows and choices. All threads: the first moves a batch while the finders prepare the next.
template <int kStages, int kLead>
__device__ void move_rows(const Dispatch& dispatch, Shared& shared, char* stages, uint64_t* barriers, Range range) {
  Mover<kStages, kLead> mover(dispatch, shared, stages, barriers, range);
  const bool finds = threadIdx.x >= kWarp;
  if (threadIdx.x == 0) {
    mover.begin();
  } else if (finds) {
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

template <int kStages, int kLead>
__global__ void __launch_bounds__(kDispatchThreads, 1) dispatch_kernel(const __grid_constant__ Dispatch dispatch) {
  extern __shared__ __align__(128) char stages[];
  __shared__ Shared shared;
  __shared__ uint64_t barriers[kStages];
  const Tokens& tokens = dispatch.tokens;
  const uint64_t call = begin_call(tokens.state->dispatches, tokens.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(tokens.watch);
  const Range range = own_tokens(dispatch);
  if (find_first_slots(dispatch, shared, patience, call, range)) {
    move_rows<kStages, kLead>(dispatch, shared, stages, barriers, range);
  }
  if (is_last_block_in_order(tokens.state->blocks)) {
    end_dispatch(tokens, patience, call);
    end_call(tokens.state->dispatches, tokens.state->blocks, call);
  }
}

/// A kernel and how many stages it has.
struct Kernel {
  const void* function;
  uint32_t stages;
};

/// More and smaller stages for small chunks: as many bytes are under way.
Kernel kernel_for(uint32_t chunk_bytes) {
  if (chunk_bytes <= kLargestChunk / 4) {
    return {reinterpret_cast<const void*>(dispatch_kernel<48, 24>), 48};
  }
  if (chunk_bytes <= kLargestChunk / 2) {
    return {reinterpret_cast<const void*>(dispatch_kernel<24, 12>), 24};
  }
  return {reinterpret_cast<const void*>(dispatch_kernel<12, 6>), 12};
}

}  // namespace

void cut_rows(Dispatch& dispatch) {
  constexpr uint64_t kUnit = 16;
  const uint64_t row = dispatch.tokens.layout.row_bytes;
  const uint64_t chunks = (row + kLargestChunk - 1) / kLargestChunk;
  dispatch.chunk_bytes = static_cast<uint32_t>(((row + chunks - 1) / chunks + kUnit - 1) / kUnit * kUnit);
  dispatch.num_chunks = static_cast<uint32_t>((row + dispatch.chunk_bytes - 1) / dispatch.chunk_bytes);
}

cudaError_t prepare_dispatch() {
  for (const uint32_t chunk : {kLargestChunk / 4, kLargestChunk / 2, kLargestChunk}) {
    const Kernel kernel = kernel_for(chunk);
    const cudaError_t error = cudaFuncSetAttribute(kernel.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                   static_cast<int>(kernel.stages * chunk));
    if (error != cudaSuccess) {
      return error;
    }
  }
  return cudaSuccess;
}

cudaError_t launch_dispatch(const Dispatch& dispatch, int num_blocks, cudaStream_t stream) {
  const Kernel kernel = kernel_for(dispatch.chunk_bytes);
  void* arguments[] = {const_cast<Dispatch*>(&dispatch)};
  return cudaLaunchKernel(kernel.function, dim3(static_cast<unsigned>(num_blocks)), dim3(kDispatchThreads), arguments,
                          static_cast<size_t>(kernel.stages) * dispatch.chunk_bytes, stream);
}

}  // namespace banyan::cuda
