// SPDX-License-Identifier: Apache-2.0
#include "cuda/block.cuh"
#include "cuda/bulk.cuh"
#include "cuda/numbers.cuh"
#include "cuda/tokens.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

constexpr int kWarp = 32;
constexpr int kAdders = kCombineThreads - kWarp;  ///< the last warp fetches rows
constexpr int kAdderWarps = kAdders / kWarp;
constexpr int kVectors = static_cast<int>(kLargestChunk / sizeof(uint4)) / kAdders;  ///< of a chunk, a thread's
static_assert(kVectors * kAdders * sizeof(uint4) == kLargestChunk);

/// What lies in a stage: a chunk of a row of a token, or nothing where the token is nowhere.
struct Content {
  int token;
  uint32_t chunk;
  uint32_t bytes;
  bool is_empty, is_last;  ///< of its token and chunk
};

template <int kStages>
struct Ring {
  Content contents[kStages];
  uint64_t full[kStages], empty[kStages];
};

struct Places {
  uint32_t of[kWarp][kMaxTopK + 1];
  int fan[kWarp];
};

/// Lets the peers read the rows here, and waits until theirs may be read. The fetching warp; false: a wait failed.
__device__ bool open_rows(const Tokens& tokens, const Patience& patience, uint64_t call) {
  bool good = true;
  for (int peer = static_cast<int>(threadIdx.x % kWarp); peer < tokens.layout.num_ranks; peer += kWarp) {
    if (peer == tokens.rank) {
      continue;
    }
    if (blockIdx.x == 0) {
      store_release(tokens.areas[peer] + tokens.layout.ready(tokens.rank), Arrival::word(call, 0));
    }
    uint64_t word = 0;
    good = await(patience, tokens.areas[tokens.rank] + tokens.layout.ready(peer), call, peer, word) && good;
  }
  __syncwarp();  // the lane that fetches comes after what others awaited
  order_bulk();
  return __all_sync(0xffffffffU, good) != 0;
}

/// Fills stages with the rows of this block's tokens, in the order of ranks. One warp, of which the first lane fetches.
template <int kStages>
class Fetcher {
 public:
  __device__ Fetcher(const Combine& combine, Ring<kStages>& ring, char* stages)
      : combine_(combine), ring_(ring), stages_(stages) {}

  /// Places of the tokens from `first` on, one for each lane.
  __device__ void read_places(Places& places, int first, int count) const {
    const auto lane = static_cast<int>(threadIdx.x % kWarp);
    const int token = first + lane * static_cast<int>(gridDim.x);
    const int top_k = combine_.tokens.layout.top_k;
    int fan = 0;
    if (token < count) {
      const uint32_t* const own = combine_.tokens.places + static_cast<size_t>(token) * top_k;
#pragma unroll 4
      for (int i = 0; i < top_k; ++i) {
        const uint32_t place = own[i];
        places.of[lane][i] = place;
        fan += place == kNoPlace ? 0 : 1;
      }
    }
    places.fan[lane] = fan;
    __syncwarp();
  }

  __device__ void fetch(const Places& places, int first, int count) {
    for (int i = 0; i < kWarp; ++i) {
      const int token = first + i * static_cast<int>(gridDim.x);
      if (token >= count) {
        return;
      }
      for (uint32_t chunk = 0; chunk < combine_.cut.num_chunks; ++chunk) {
        const int fan = places.fan[i];
        if (fan == 0) {
          put({token, chunk, combine_.cut.bytes_of(chunk), true, true}, nullptr);
        }
        for (int rank = 0; rank < fan; ++rank) {
          put({token, chunk, combine_.cut.bytes_of(chunk), false, rank + 1 == fan}, source(places.of[i][rank], chunk));
        }
      }
    }
  }

  /// Tells the adders that nothing more comes.
  __device__ void finish() { put({-1, 0, 0, true, true}, nullptr); }

 private:
  [[nodiscard]] __device__ const char* source(uint32_t place, uint32_t chunk) const {
    const Tokens& tokens = combine_.tokens;
    return tokens.areas[rank_of(place)] + tokens.layout.row(tokens.rank, slot_of(place)) +
           static_cast<size_t>(chunk) * combine_.cut.chunk_bytes;
  }

  __device__ void put(const Content& content, const char* from) {
    const auto stage = static_cast<int>(num_put_ % kStages);
    if (num_put_ >= kStages) {
      await_phase(&ring_.empty[stage], (num_put_ / kStages - 1) % 2);
    }
    ring_.contents[stage] = content;
    if (from == nullptr) {
      arrive(&ring_.full[stage]);
    } else {
      bulk_load(stages_ + static_cast<size_t>(stage) * combine_.cut.chunk_bytes, from, content.bytes,
                &ring_.full[stage]);
    }
    ++num_put_;
  }

  const Combine& combine_;
  Ring<kStages>& ring_;
  char* stages_;
  uint32_t num_put_ = 0;
};

/// Adds up what the stages hold, until the fetcher says that it was all. The adders.
template <typename Number, int kStages>
__device__ void add_rows(const Combine& combine, Ring<kStages>& ring, const char* stages) {
  using Ops = Vector<Number>;
  float sums[kVectors][Ops::kNumbers] = {};
  for (uint32_t taken = 0;; ++taken) {
    const auto stage = static_cast<int>(taken % kStages);
    await_phase(&ring.full[stage], taken / kStages % 2);
    const Content content = ring.contents[stage];
    if (content.token < 0) {
      return;
    }
    const auto* const row =
        reinterpret_cast<const uint4*>(stages + static_cast<size_t>(stage) * combine.cut.chunk_bytes);
    const auto count = static_cast<int>(content.bytes / sizeof(uint4));
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int vector = static_cast<int>(threadIdx.x) + i * kAdders;
      if (!content.is_empty && vector < count) {
        Ops::add(sums[i], row[vector]);
      }
    }
    __syncwarp();
    if (threadIdx.x % kWarp == 0) {
      arrive(&ring.empty[stage]);
    }
    if (!content.is_last) {
      continue;
    }
    auto* const out =
        reinterpret_cast<uint4*>(combine.out + static_cast<size_t>(content.token) * combine.tokens.layout.row_bytes +
                                 static_cast<size_t>(content.chunk) * combine.cut.chunk_bytes);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int vector = static_cast<int>(threadIdx.x) + i * kAdders;
      if (vector < count) {
        out[vector] = Ops::rounded(sums[i]);
      }
#pragma unroll
      for (int number = 0; number < Ops::kNumbers; ++number) {
        sums[i][number] = 0;
      }
    }
  }
}

template <typename Number, int kStages>
__global__ void __launch_bounds__(kCombineThreads, 1) combine_kernel(const __grid_constant__ Combine combine) {
  char* const stages = dynamic_shared();
  __shared__ Ring<kStages> ring;
  __shared__ Places places;
  const Tokens& tokens = combine.tokens;
  const uint64_t call = begin_call(tokens.state->combines, tokens.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(tokens.watch);
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(&ring.full[stage], 1);
      init_barrier(&ring.empty[stage], kAdderWarps);
    }
    fence_barriers();
  }
  __syncthreads();
  if (threadIdx.x < kAdders) {
    add_rows<Number>(combine, ring, stages);
  } else {
    const int count = tokens.state->num_tokens;
    const int step = kWarp * static_cast<int>(gridDim.x);
    auto first = static_cast<int>(blockIdx.x);
    Fetcher<kStages> fetcher(combine, ring, stages);
    fetcher.read_places(places, first, count);  // while peers come
    const bool good = open_rows(tokens, patience, call);
    const bool fetches = threadIdx.x % kWarp == 0;
    for (; good && first < count; first += step) {
      if (fetches) {
        fetcher.fetch(places, first, count);
      }
      __syncwarp();
      fetcher.read_places(places, first + step, count);
    }
    if (fetches) {
      fetcher.finish();
    }
  }
  if (is_last_block(tokens.state->blocks)) {
    end_call(tokens.state->combines, tokens.state->blocks, call);
  }
}

template <typename Number>
const void* function_for(uint32_t stages) {
  return stages == 48   ? reinterpret_cast<const void*>(combine_kernel<Number, 48>)
         : stages == 24 ? reinterpret_cast<const void*>(combine_kernel<Number, 24>)
                        : reinterpret_cast<const void*>(combine_kernel<Number, 12>);
}

const void* function_for(banyan_dtype type, uint32_t stages) {
  switch (type) {
    case BANYAN_DTYPE_FP32:
      return function_for<float>(stages);
    case BANYAN_DTYPE_FP16:
      return function_for<__half>(stages);
    default:
      return function_for<__nv_bfloat16>(stages);
  }
}

}  // namespace

cudaError_t prepare_combine(banyan_dtype type, const RowCut& cut) {
  return cudaFuncSetAttribute(function_for(type, cut.stages), cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(kMostStagesBytes));
}

cudaError_t launch_combine(const Combine& combine, banyan_dtype type, int num_blocks, cudaStream_t stream) {
  void* arguments[] = {const_cast<Combine*>(&combine)};
  return cudaLaunchKernel(function_for(type, combine.cut.stages), dim3(static_cast<unsigned>(num_blocks)),
                          dim3(kCombineThreads), arguments,
                          static_cast<size_t>(combine.cut.stages) * combine.cut.chunk_bytes, stream);
}

}  // namespace banyan::cuda
