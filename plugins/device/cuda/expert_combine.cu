// SPDX-License-Identifier: Apache-2.0
#include "cuda/block.cuh"
#include "cuda/bulk.cuh"
#include "cuda/expert_sums.cuh"
#include "cuda/numbers.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

constexpr int kAdders = kCombineThreads - kWarp;  ///< the last warp fetches rows
constexpr int kAdderWarps = kAdders / kWarp;
constexpr int kVectors = static_cast<int>(kLargestChunk / sizeof(uint4)) / kAdders;  ///< of a chunk, a thread's
static_assert(kVectors * kAdders * sizeof(uint4) == kLargestChunk);

/// What lies in a stage: a chunk of a row, or nothing where a sum has no rows.
struct Content {
  char* out;   ///< of the sum; null: nothing more comes
  char* post;  ///< the word that follows the sum, or null
  uint32_t bytes;
  float weight;
  bool is_empty;
  bool ends_part;  ///< of a rank
  bool ends_sum;
};

template <int kStages>
struct Ring {
  Content contents[kStages];
  uint64_t full[kStages], empty[kStages];
};

/// Fills stages with the rows of prepared sums. One thread.
template <int kStages>
class Fetcher {
 public:
  __device__ Fetcher(const RowCut& cut, Ring<kStages>& ring, char* stages) : cut_(cut), ring_(ring), stages_(stages) {}

  __device__ void fetch(const Sums& sums) {
    for (int i = 0; i < sums.count; ++i) {
      for (uint32_t chunk = 0; chunk < cut_.num_chunks; ++chunk) {
        const size_t offset = static_cast<size_t>(chunk) * cut_.chunk_bytes;
        char* const post = chunk + 1 == cut_.num_chunks ? sums.post[i] : nullptr;
        const int fan = sums.fan[i];
        if (fan == 0) {
          put({sums.out[i] + offset, post, cut_.bytes_of(chunk), 0, true, false, true}, nullptr);
        }
        for (int row = 0; row < fan; ++row) {
          const bool ends_part = (sums.ends[i] >> row & 1) != 0;
          put({sums.out[i] + offset, post, cut_.bytes_of(chunk), sums.weights[i][row], false, ends_part,
               row + 1 == fan},
              sums.from[i][row] + offset);
        }
      }
    }
  }

  /// Tells the adders that nothing more comes.
  __device__ void finish() { put({nullptr, nullptr, 0, 0, true, false, false}, nullptr); }

 private:
  __device__ void put(const Content& content, const char* from) {
    const auto stage = static_cast<int>(num_put_ % kStages);
    if (num_put_ >= kStages) {
      await_phase(&ring_.empty[stage], (num_put_ / kStages - 1) % 2);
    }
    ring_.contents[stage] = content;
    if (from == nullptr) {
      arrive(&ring_.full[stage]);
    } else {
      bulk_load(stages_ + static_cast<size_t>(stage) * cut_.chunk_bytes, from, content.bytes, &ring_.full[stage]);
    }
    ++num_put_;
  }

  const RowCut& cut_;
  Ring<kStages>& ring_;
  char* stages_;
  uint32_t num_put_ = 0;
};

/// Adds up what the stages hold, until the fetcher says that it was all. The adders.
template <typename Number, int kStages>
class Adder {
 public:
  __device__ Adder(const RowCut& cut, Ring<kStages>& ring, const char* stages, uint64_t call)
      : cut_(cut), ring_(ring), stages_(stages), call_(call) {}

  __device__ void add() {
    for (uint32_t taken = 0;; ++taken) {
      const auto stage = static_cast<int>(taken % kStages);
      await_phase(&ring_.full[stage], taken / kStages % 2);
      const Content content = ring_.contents[stage];
      if (content.out == nullptr) {
        return;
      }
      if (!content.is_empty) {
        add_row(content, stages_ + static_cast<size_t>(stage) * cut_.chunk_bytes);
      }
      __syncwarp();
      if (threadIdx.x % kWarp == 0) {
        arrive(&ring_.empty[stage]);
      }
      if (content.ends_part) {
        end_part();
      }
      if (content.ends_sum) {
        end_sum(content);
      }
    }
  }

 private:
  using Ops = Vector<Number>;

  __device__ void add_row(const Content& content, const char* stage) {
    const auto* const row = reinterpret_cast<const uint4*>(stage);
    const auto count = static_cast<int>(content.bytes / sizeof(uint4));
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int vector = static_cast<int>(threadIdx.x) + i * kAdders;
      if (vector < count) {
        Ops::add_scaled(parts_[i], row[vector], content.weight);
      }
    }
  }

  __device__ void end_part() {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      Ops::add(sums_[i], Ops::rounded(parts_[i]));
      clear(parts_[i]);
    }
  }

  __device__ void end_sum(const Content& content) {
    auto* const out = reinterpret_cast<uint4*>(content.out);
    const auto count = static_cast<int>(content.bytes / sizeof(uint4));
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int vector = static_cast<int>(threadIdx.x) + i * kAdders;
      if (vector < count) {
        out[vector] = Ops::rounded(sums_[i]);
      }
      clear(sums_[i]);
    }
    if (content.post != nullptr) {
      sync_some<kAdders>();
      if (threadIdx.x == 0) {
        __threadfence_system();
        store_word(content.post, Arrival::word(call_, 0));
      }
    }
  }

  static __device__ void clear(float* numbers) {
#pragma unroll
    for (int i = 0; i < Ops::kNumbers; ++i) {
      numbers[i] = 0;
    }
  }

  const RowCut& cut_;
  Ring<kStages>& ring_;
  const char* stages_;
  uint64_t call_;
  float parts_[kVectors][Ops::kNumbers] = {};
  float sums_[kVectors][Ops::kNumbers] = {};
};

/// This block's sums. The fetching warp.
template <int kStages>
__device__ void fetch_all(const ExpertCombine& combine, const Patience& patience, uint64_t call, Sums& sums,
                          Fetcher<kStages>& fetcher) {
  const auto senders = static_cast<unsigned>(combine.num_senders);
  const bool fetches = threadIdx.x % kWarp == 0;
  Collector collector(combine, patience, call, sums);
  if (blockIdx.x < senders) {
    const unsigned count = collector.num_sends();
    for (unsigned unit = blockIdx.x; unit < count; unit += senders) {
      collector.collect_send(unit);
      if (fetches) {
        fetcher.fetch(sums);
      }
      __syncwarp();
    }
  }
  const unsigned first = senders == gridDim.x ? 0 : senders;  // of the finishers
  if (blockIdx.x >= first) {
    const unsigned count = collector.num_finishes();
    bool good = true;
    for (unsigned unit = blockIdx.x - first; good && unit < count; unit += gridDim.x - first) {
      good = collector.collect_finish(unit);
      if (fetches && good) {
        fetcher.fetch(sums);
      }
      __syncwarp();
    }
  }
  if (fetches) {
    fetcher.finish();
  }
}

/// Tells the peers that the dispatch is over here.
__device__ void say_over(const Experts& experts, uint64_t call) {
  for (auto peer = static_cast<int>(threadIdx.x); peer < experts.layout.num_ranks; peer += kCombineThreads) {
    store_word(experts.areas[peer] + experts.layout.over(experts.rank), Arrival::word(call, 0));
  }
}

/// Waits until theirs is. The last block.
__device__ void await_over(const Experts& experts, const Patience& patience, uint64_t call) {
  for (auto peer = static_cast<int>(threadIdx.x); peer < experts.layout.num_ranks; peer += kCombineThreads) {
    uint64_t word = 0;
    static_cast<void>(await(patience, experts.own_area() + experts.layout.over(peer), call, peer, word));
  }
}

template <typename Number, int kStages>
__global__ void __launch_bounds__(kCombineThreads, 1)
    expert_combine_kernel(const __grid_constant__ ExpertCombine combine) {
  char* const stages = dynamic_shared();
  __shared__ Ring<kStages> ring;
  __shared__ Sums sums;
  const Experts& experts = combine.experts;
  const uint64_t call = begin_call(experts.state->combines, experts.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(experts.watch);
  if (blockIdx.x == 0) {
    say_over(experts, call);
  }
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(&ring.full[stage], 1);
      init_barrier(&ring.empty[stage], kAdderWarps);
    }
    fence_barriers();
  }
  __syncthreads();
  if (threadIdx.x < kAdders) {
    Adder<Number, kStages>(combine.cut, ring, stages, call).add();
  } else {
    Fetcher<kStages> fetcher(combine.cut, ring, stages);
    fetch_all(combine, patience, call, sums, fetcher);
  }
  if (is_last_block(experts.state->blocks)) {
    await_over(experts, patience, call);
    __syncthreads();
    end_call(experts.state->combines, experts.state->blocks, call);
  }
}

template <typename Number>
const void* function_for(uint32_t stages) {
  return stages == 48   ? reinterpret_cast<const void*>(expert_combine_kernel<Number, 48>)
         : stages == 24 ? reinterpret_cast<const void*>(expert_combine_kernel<Number, 24>)
                        : reinterpret_cast<const void*>(expert_combine_kernel<Number, 12>);
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

cudaError_t prepare_expert_combine(banyan_dtype type, const RowCut& cut) {
  return cudaFuncSetAttribute(function_for(type, cut.stages), cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(kMostStagesBytes));
}

cudaError_t launch_expert_combine(const ExpertCombine& combine, banyan_dtype type, int num_blocks,
                                  cudaStream_t stream) {
  void* arguments[] = {const_cast<ExpertCombine*>(&combine)};
  return cudaLaunchKernel(function_for(type, combine.cut.stages), dim3(static_cast<unsigned>(num_blocks)),
                          dim3(kCombineThreads), arguments,
                          static_cast<size_t>(combine.cut.stages) * combine.cut.chunk_bytes, stream);
}

}  // namespace banyan::cuda
