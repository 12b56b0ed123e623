// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

/// Rows as vectors of 16 bytes, whose numbers are added in FP32 and rounded once; what is scaled is rounded once with
/// the sum (fused).
namespace banyan::cuda {

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
  static __device__ void add_scaled(float* sums, uint4 bits, float scale) {
    sums[0] = __fmaf_rn(scale, __uint_as_float(bits.x), sums[0]);
    sums[1] = __fmaf_rn(scale, __uint_as_float(bits.y), sums[1]);
    sums[2] = __fmaf_rn(scale, __uint_as_float(bits.z), sums[2]);
    sums[3] = __fmaf_rn(scale, __uint_as_float(bits.w), sums[3]);
  }
  static __device__ uint4 rounded(const float* sums) {
    return {__float_as_uint(sums[0]), __float_as_uint(sums[1]), __float_as_uint(sums[2]), __float_as_uint(sums[3])};
  }
};

__device__ inline float2 floats_of(__half2 pair) { return __half22float2(pair); }
__device__ inline float2 floats_of(__nv_bfloat162 pair) { return __bfloat1622float2(pair); }
__device__ inline void round_to(__half2& pair, float low, float high) { pair = __floats2half2_rn(low, high); }
__device__ inline void round_to(__nv_bfloat162& pair, float low, float high) {
  pair = __floats2bfloat162_rn(low, high);
}

/// Of numbers of two bytes.
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
  static __device__ void add_scaled(float* sums, uint4 bits, float scale) {
    const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 both = floats_of(*reinterpret_cast<const Pair*>(&words[i]));
      sums[2 * i] = __fmaf_rn(scale, both.x, sums[2 * i]);
      sums[2 * i + 1] = __fmaf_rn(scale, both.y, sums[2 * i + 1]);
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

}  // namespace banyan::cuda
