// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// One-way message rings in mapped memory: one sender, one receiver, slots of fixed size, messages in order. The
/// receiver reads a message where it lies and releases it when it is done with it. No locks, no system calls.
namespace banyan::transport {

inline constexpr size_t kCacheLine = 64;
inline constexpr uint32_t kRingSlots = 4;

/// Starts each slot. `sequence` is written last (release) by the sender: message number n, from 1, is there.
struct alignas(kCacheLine) SlotHeader {
  std::atomic<uint64_t> sequence;
  uint64_t operation;    ///< of the communicator
  uint64_t size;         ///< payload bytes
  uint32_t fingerprint;  ///< of what must be equal on both ranks
  uint32_t flags;
};
static_assert(sizeof(SlotHeader) == kCacheLine && std::atomic<uint64_t>::is_always_lock_free);

/// Where a ring lies in the receiver's window, for both ends.
struct RingMemory {
  std::byte* base = nullptr;
  size_t slot_bytes = 0;  ///< header included; a multiple of kCacheLine

  [[nodiscard]] static size_t bytes(size_t slot_bytes) noexcept { return kCacheLine + kRingSlots * slot_bytes; }
  [[nodiscard]] std::atomic<uint64_t>& consumed() const noexcept {
    return *reinterpret_cast<std::atomic<uint64_t>*>(base);
  }
  [[nodiscard]] SlotHeader& slot(uint64_t number) const noexcept {
    return *reinterpret_cast<SlotHeader*>(base + kCacheLine + (number % kRingSlots) * slot_bytes);
  }
  [[nodiscard]] size_t capacity() const noexcept { return slot_bytes - sizeof(SlotHeader); }
};

/// The payload of a slot.
[[nodiscard]] inline std::byte* payload(SlotHeader& slot) noexcept {
  return reinterpret_cast<std::byte*>(&slot) + sizeof(SlotHeader);
}

/// The sending end.
class RingSender {
 public:
  RingSender() = default;
  explicit RingSender(RingMemory memory) noexcept : memory_(memory) {}

  [[nodiscard]] size_t capacity() const noexcept { return memory_.capacity(); }

  /// The next slot to fill, or nullptr while the receiver still holds it.
  [[nodiscard]] SlotHeader* reserve() noexcept {
    if (sent_ - consumed_ >= kRingSlots) {
      consumed_ = memory_.consumed().load(std::memory_order_acquire);
      if (sent_ - consumed_ >= kRingSlots) {
        return nullptr;
      }
    }
    return &memory_.slot(sent_);
  }

  /// Hands the reserved slot to the receiver.
  void commit(SlotHeader& slot) noexcept { slot.sequence.store(++sent_, std::memory_order_release); }

 private:
  RingMemory memory_;
  uint64_t sent_ = 0;
  uint64_t consumed_ = 0;
};

/// The receiving end. Slots may be released in any order.
class RingReceiver {
 public:
  RingReceiver() = default;
  explicit RingReceiver(RingMemory memory) noexcept : memory_(memory) {}

  /// The next message, which stays valid until released, or nullptr.
  [[nodiscard]] SlotHeader* next() noexcept {
    SlotHeader& slot = memory_.slot(taken_);
    if (slot.sequence.load(std::memory_order_acquire) != taken_ + 1) {
      return nullptr;
    }
    ++taken_;
    return &slot;
  }

  void release(SlotHeader& slot) noexcept {
    const uint64_t number = slot.sequence.load(std::memory_order_relaxed) - 1;
    released_ |= uint32_t{1} << (number - consumed_);
    while ((released_ & 1U) != 0) {
      released_ >>= 1;
      ++consumed_;
    }
    memory_.consumed().store(consumed_, std::memory_order_release);
  }

 private:
  RingMemory memory_;
  uint64_t taken_ = 0;
  uint64_t consumed_ = 0;
  uint32_t released_ = 0;  ///< bit i: message consumed_ + i is released
};

}  // namespace banyan::transport
