// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// Copies of any alignment by several blocks of a kernel.
namespace banyan::cuda {

/// A buffer as words of eight bytes, of which the last may be partial; what lies beyond the end reads as zero and is
/// not written.
class Words {
 public:
  __device__ Words(const char* data, size_t bytes)
      : data_(const_cast<char*>(data)), bytes_(bytes), aligned_(reinterpret_cast<uintptr_t>(data) % 8 == 0) {}

  [[nodiscard]] __device__ uint64_t load(size_t word) const {
    const size_t at = 8 * word;
    if (aligned_ && at + 8 <= bytes_) {
      return *reinterpret_cast<const uint64_t*>(data_ + at);
    }
    uint64_t value = 0;
    for (size_t i = 0; i < 8 && at + i < bytes_; ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(data_[at + i])) << (8 * i);
    }
    return value;
  }
  __device__ void store(size_t word, uint64_t value) const {
    const size_t at = 8 * word;
    if (aligned_ && at + 8 <= bytes_) {
      *reinterpret_cast<uint64_t*>(data_ + at) = value;
      return;
    }
    for (size_t i = 0; i < 8 && at + i < bytes_; ++i) {
      data_[at + i] = static_cast<char>(value >> (8 * i));
    }
  }

 private:
  char* data_;
  size_t bytes_;
  bool aligned_;
};

/// Of the blocks that work together, which one this is.
struct Share {
  unsigned block;
  unsigned num_blocks;
};

/// The calling block's share of units of type Unit.
template <typename Unit>
__device__ void copy_units(char* to, const char* from, size_t count, Share share) {
  constexpr int kUnroll = 4;
  const size_t step = static_cast<size_t>(share.num_blocks) * blockDim.x;
  size_t i = share.block * static_cast<size_t>(blockDim.x) + threadIdx.x;
  auto* const target = reinterpret_cast<Unit*>(to);
  const auto* const source = reinterpret_cast<const Unit*>(from);
  for (; i + (kUnroll - 1) * step < count; i += kUnroll * step) {
    Unit units[kUnroll];
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      units[k] = source[i + k * step];
    }
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      target[i + k * step] = units[k];
    }
  }
  for (; i < count; i += step) {
    target[i] = source[i];
  }
}

/// The calling block's share of `bytes`. In units of 16 bytes where both ends can be aligned, else of 4, 2 or 1.
__device__ inline void copy_share(char* to, const char* from, size_t bytes, Share share) {
  const auto difference = reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from);
  const size_t unit = difference % 16 == 0 ? 16 : difference % 4 == 0 ? 4 : difference % 2 == 0 ? 2 : 1;
  const size_t before = (unit - reinterpret_cast<uintptr_t>(to) % unit) % unit;
  const size_t head = before < bytes ? before : bytes;
  const size_t count = (bytes - head) / unit;
  const size_t tail = head + count * unit;
  if (unit == 16) {
    copy_units<uint4>(to + head, from + head, count, share);
  } else if (unit == 4) {
    copy_units<uint32_t>(to + head, from + head, count, share);
  } else if (unit == 2) {
    copy_units<uint16_t>(to + head, from + head, count, share);
  } else {
    copy_units<char>(to + head, from + head, count, share);
  }
  if (unit > 1) {
    copy_units<char>(to, from, head, share);
    copy_units<char>(to + tail, from + tail, bytes - tail, share);
  }
}

}  // namespace banyan::cuda
