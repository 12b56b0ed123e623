// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// What lies in the shared memory of the shm transport. Every rank owns one segment: its header, a directory of rings,
/// the descriptors of its large sends, and one ring for each local peer, into which that peer alone writes.
namespace banyan::transport::shm {

inline constexpr uint64_t kMagic = UINT64_C(0x62616e79616e5331);  ///< "banyanS1": grows with the layout
inline constexpr size_t kLine = 64;
inline constexpr size_t kPage = 4096;
/// Large sends that a rank can have on their way; more wait for a free one.
inline constexpr uint32_t kDescriptors = 2048;

[[nodiscard]] constexpr size_t round_up(size_t size, size_t unit) noexcept { return (size + unit - 1) / unit * unit; }

/// What a record in a ring is. kNone is what the reader polls against.
enum RecordKind : uint32_t {
  kNone = 0,
  kEager = 1,  ///< a whole message
  kLarge = 2,  ///< the announcement of a message whose bytes stay with the sender; the payload is their address
  kData = 3,   ///< the next bytes of a large message that the receiver cannot read itself
  kSkip = 4,   ///< nothing; the next record is at the ring's begin
};

/// Starts a record; the payload follows in the same cache line. `kind` is written last.
struct RecordHeader {
  std::atomic<uint32_t> kind;
  uint32_t bytes;  ///< of payload
  uint64_t tag;
  uint64_t size;        ///< of the message
  uint32_t descriptor;  ///< kLarge, kData: in the sender's segment
  uint32_t generation;  ///< of the descriptor
};
static_assert(sizeof(RecordHeader) == 32);
static_assert(std::atomic<uint32_t>::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free);

/// Precedes a ring's bytes. The reader writes, the writer reads.
struct alignas(kLine) RingControl {
  std::atomic<uint64_t> consumed;  ///< bytes that the reader gave back so far
  uint64_t start;                  ///< where in the ring the first record goes; a multiple of kLine
};

/// Where in the segment the ring for a peer is: offset of its RingControl, and bytes with it. Offset 0: not yet made.
struct RingPlace {
  std::atomic<uint64_t> offset;
  std::atomic<uint64_t> bytes;
};

/// The state of a large send, in the sender's segment. Whoever moves it on owns the next step.
struct alignas(kLine) Descriptor {
  enum Phase : uint32_t {
    kFree = 0,     ///< sender: not in use, or withdrawn; a receiver must not use what it read
    kReady = 1,    ///< sender: announced
    kClaimed = 2,  ///< receiver: reading the sender's memory
    kWanted = 3,   ///< receiver: asks for kData records
    kDone = 4,     ///< receiver: needs the sender's memory no more
    kFailed = 5,   ///< receiver: the sender's memory is not there
  };
  std::atomic<uint64_t> state;

  static constexpr uint64_t pack(uint32_t generation, Phase phase) noexcept {
    return uint64_t{generation} << 32 | phase;
  }
  static constexpr Phase phase_of(uint64_t state) noexcept { return static_cast<Phase>(state & 0xff); }
  static constexpr uint32_t generation_of(uint64_t state) noexcept { return static_cast<uint32_t>(state >> 32); }

  /// Moves from one phase to the next of the same use; false when the other side moved first.
  [[nodiscard]] bool move(uint32_t generation, Phase from, Phase to) noexcept {
    uint64_t expected = pack(generation, from);
    return state.compare_exchange_strong(expected, pack(generation, to), std::memory_order_acq_rel);
  }
};

/// Begins a segment.
struct SegmentHeader {
  uint64_t magic;
  uint64_t token[2];  ///< random; also in the owner's address
  uint64_t comm_id;
  int32_t rank;
  int32_t size;
  alignas(kLine) std::atomic<uint64_t> notices;  ///< grows when a peer moved a descriptor of this segment on
  alignas(kLine) std::atomic<uint32_t> closed;   ///< the owner closed its transport
};

/// Places in a segment of a communicator of `size` ranks.
struct SegmentLayout {
  explicit constexpr SegmentLayout(int size) noexcept
      : directory(round_up(sizeof(SegmentHeader), kLine)),
        descriptors(round_up(directory + static_cast<size_t>(size) * sizeof(RingPlace), kLine)),
        bytes(round_up(descriptors + kDescriptors * sizeof(Descriptor), kPage)) {}
  size_t directory;
  size_t descriptors;
  size_t bytes;  ///< without rings, which are added at the end
};

}  // namespace banyan::transport::shm
