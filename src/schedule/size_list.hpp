// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

/// The header of a self-describing message: the sizes of its blocks, one after the other, in the order of the blocks.
/// In some exchanges (executor::Exchange) a note of the block's source follows each size, the same in all its blocks.
/// Each is written seven bits a byte, low bits first; all bytes but a size's last have their top bit set (LEB128).
namespace banyan::schedule {

/// Sizes above it are listed as it.
inline constexpr size_t kMaxListedSize = UINT32_MAX;
/// Bytes that a size, or a note, takes at most.
inline constexpr size_t kMaxListedBytes = 5;
/// Bytes of a header for each block, at most: a size and a note.
inline constexpr size_t kMaxHeaderBytes = 2 * kMaxListedBytes;

/// Bytes that a size takes.
[[nodiscard]] constexpr size_t listed_bytes(size_t size) noexcept {
  size_t bytes = 1;
  for (size = std::min(size, kMaxListedSize); size >= 0x80; size >>= 7) {
    ++bytes;
  }
  return bytes;
}

/// Writes a size; returns where the next goes.
inline std::byte* list_size(size_t size, std::byte* out) noexcept {
  for (size = std::min(size, kMaxListedSize); size >= 0x80; size >>= 7) {
    *out++ = static_cast<std::byte>(size | 0x80);
  }
  *out++ = static_cast<std::byte>(size);
  return out;
}

/// Reads a size; returns where the next is, or nullptr if the list ends before this one does, or it is too large.
inline const std::byte* read_size(const std::byte* at, const std::byte* end, size_t* size) noexcept {
  *size = 0;
  for (unsigned shift = 0; shift < 7 * kMaxListedBytes && at != end; shift += 7) {
    const auto byte = static_cast<size_t>(*at++);
    *size |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      return *size <= kMaxListedSize ? at : nullptr;
    }
  }
  return nullptr;
}

}  // namespace banyan::schedule
