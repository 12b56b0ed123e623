// SPDX-License-Identifier: Apache-2.0
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda/tokens.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

constexpr int kUnroll = 2;  ///< vectors of a row that a thread has under way
constexpr int kAtOnce = 2;  ///< ranks whose vectors are loaded before they are added

/// Numbers of a vector of 16 bytes, and how they become floats.
template <typename Number>
struct Vector;

template <>
struct Vector<float> {
  static constexpr int kNumbers = 4;
  static __device__ void add(float* sums, uint4 bits) {
    sums[0] += __uint_as_float(bits.x);
    sums[1] += __uint_as_float(bits.y);
    sums[2] += __uint_as_float(bits.z);
    sums[3] += __uint_as_float(bits.w);
  }
  static __device__ uint4 rounded(const float* sums) {
    return {__float_as_uint(sums[0]), __float_as_uint(sums[1]), __float_as_uint(sums[2]), __float_as_uint(sums[3])};
  }
};

/// Of two halves in a word.
__device__ float2 floats_of(__half2 pair) { return __half22float2(pair); }
__device__ float2 floats_of(__nv_bfloat162 pair) { return __bfloat1622float2(pair); }
__device__ void round_to(__half2& pair, float low, float high) { pair = __floats2half2_rn(low, high); }
__device__ void round_to(__nv_bfloat162& pair, float low, float high) { pair = __floats2bfloat162_rn(low, high); }

template <typename Pair>
struct PairVector {
  static constexpr int kNumbers = 8;
  static __device__ void add(float* sums, uint4 bits) {
    const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 both = floats_of(*reinterpret_cast<const Pair*>(&words[i]));
      sums[2 * i] += both.x;
      sums[2 * i + 1] += both.y;
    }
  }
  static __device__ uint4 rounded(const float* sums) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      round_to(*reinterpret_cast<Pair*>(&words[i]), sums[2 * i], sums[2 * i + 1]);
    }
    return {words[0], words[1], words[2], words[3]};
  }
};
template <>
struct Vector<__half> : PairVector<__half2> {};
template <>
struct Vector<__nv_bfloat16> : PairVector<__nv_bfloat162> {};

/// Lets the peers read the rows here, and waits until theirs may be read. All threads; false: a wait failed.
__device__ bool open_rows(const Tokens& tokens, const Patience& patience, uint64_t call) {
  bool good = true;
  for (int peer = static_cast<int>(threadIdx.x); peer < tokens.layout.num_ranks; peer += static_cast<int>(blockDim.x)) {
    if (peer == tokens.rank) {
      continue;
    }
    if (blockIdx.x == 0) {
      store_release(tokens.areas[peer] + tokens.layout.ready(tokens.rank), Arrival::word(call, 0));
    }
    uint64_t word = 0;
    good = await(patience, tokens.areas[tokens.rank] + tokens.layout.ready(peer), call, peer, word) && good;
  }
  return __syncthreads_and(good ? 1 : 0) != 0;
}

/// The row's vectors at a place.
__device__ const uint4* vectors_at(const Tokens& tokens, uint32_t place) {
  return reinterpret_cast<const uint4*>(tokens.areas[rank_of(place)] + tokens.layout.row(tokens.rank, slot_of(place)));
}

/// The sum of a token's rows. `lane` of `lanes` threads.
template <typename Number>
__device__ void add_rows(const Tokens& tokens, const uint32_t* places, char* out, int lane, int lanes) {
  using Ops = Vector<Number>;
  int fan = 0;
  while (fan < tokens.layout.top_k && places[fan] != kNoPlace) {
    ++fan;
  }
  const int vectors = static_cast<int>(tokens.layout.row_bytes / sizeof(uint4));
  for (int first = lane; first < vectors; first += kUnroll * lanes) {
    float sums[kUnroll][Ops::kNumbers] = {};
    for (int rank = 0; rank < fan; rank += kAtOnce) {
      uint4 loaded[kAtOnce][kUnroll];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
        for (int pass = 0; pass < kUnroll; ++pass) {
          const int vector = first + pass * lanes;
          if (rank + i < fan && vector < vectors) {
            loaded[i][pass] = vectors_at(tokens, places[rank + i])[vector];
          }
        }
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
        for (int pass = 0; pass < kUnroll; ++pass) {
          if (rank + i < fan && first + pass * lanes < vectors) {
            Ops::add(sums[pass], loaded[i][pass]);
          }
        }
      }
    }
#pragma unroll
    for (int pass = 0; pass < kUnroll; ++pass) {
      if (first + pass * lanes < vectors) {
        reinterpret_cast<uint4*>(out)[first + pass * lanes] = Ops::rounded(sums[pass]);
      }
    }
  }
}

template <typename Number>
__global__ void __launch_bounds__(kCombineThreads, 2) combine_kernel(const __grid_constant__ Combine combine) {
  const Tokens& tokens = combine.tokens;
  const uint64_t call = begin_call(tokens.state->combines, tokens.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(tokens.watch);
  if (open_rows(tokens, patience, call)) {
    const int given = combine.device_tokens == nullptr ? combine.num_tokens : *combine.device_tokens;
    const int count = given < combine.num_tokens ? given : combine.num_tokens;
    const int lanes = combine.threads_per_row;
    const int teams = kCombineThreads / lanes;
    const int team = static_cast<int>(threadIdx.x) / lanes;
    const int step = static_cast<int>(gridDim.x) * teams;
    for (int token = static_cast<int>(blockIdx.x) * teams + team; token < count; token += step) {
      add_rows<Number>(tokens, tokens.places + static_cast<size_t>(token) * tokens.layout.top_k,
                       combine.out + static_cast<size_t>(token) * tokens.layout.row_bytes,
                       static_cast<int>(threadIdx.x) % lanes, lanes);
    }
  }
  if (is_last_block(tokens.state->blocks)) {
    end_call(tokens.state->combines, tokens.state->blocks, call);
  }
}

const void* kernel_for(banyan_dtype type) {
  switch (type) {
    case BANYAN_DTYPE_FP32:
      return reinterpret_cast<const void*>(combine_kernel<float>);
    case BANYAN_DTYPE_FP16:
      return reinterpret_cast<const void*>(combine_kernel<__half>);
    default:
      return reinterpret_cast<const void*>(combine_kernel<__nv_bfloat16>);
  }
}

}  // namespace

cudaError_t prepare_combine() {
  for (const banyan_dtype type : {BANYAN_DTYPE_FP32, BANYAN_DTYPE_FP16, BANYAN_DTYPE_BF16}) {
    cudaFuncAttributes attributes{};
    const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel_for(type));
    if (error != cudaSuccess) {
      return error;
    }
  }
  return cudaSuccess;
}

cudaError_t launch_combine(const Combine& combine, banyan_dtype type, int num_blocks, cudaStream_t stream) {
  void* arguments[] = {const_cast<Combine*>(&combine)};
  return cudaLaunchKernel(kernel_for(type), dim3(static_cast<unsigned>(num_blocks)), dim3(kCombineThreads), arguments,
                          0, stream);
}

}  // namespace banyan::cuda
