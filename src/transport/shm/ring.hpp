// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transport/shm/layout.hpp"

/// A ring of records with one writer and one reader. The reader polls the kind of the next record, which lies in the
/// same cache line as a small payload: a small message costs one line transfer. The writer clears the kind behind a
/// record before it publishes the record, so the reader never takes old bytes for a record.
namespace banyan::transport::shm {

/// Place that a record of this payload takes.
[[nodiscard]] constexpr size_t record_bytes(size_t payload) noexcept {
  return round_up(sizeof(RecordHeader) + payload, kLine);
}

[[nodiscard]] inline std::byte* payload_of(RecordHeader* record) noexcept {
  return reinterpret_cast<std::byte*>(record + 1);
}

/// The writer's end. One thread.
class RingWriter {
 public:
  RingWriter() = default;
  RingWriter(RingControl* control, size_t bytes) noexcept
      : control_(control),
        data_(reinterpret_cast<std::byte*>(control + 1)),
        capacity_(bytes - sizeof(RingControl)),
        at_(control->start % capacity_ / kLine * kLine) {}

  [[nodiscard]] bool usable() const noexcept { return control_ != nullptr; }
  /// A record this long fits once the reader has caught up, even behind a skip and with what the reader keeps back.
  [[nodiscard]] size_t max_payload() const noexcept { return capacity_ / 4 / kLine * kLine - sizeof(RecordHeader); }

  /// Place for a record to be filled and published, or nullptr when the ring is full.
  [[nodiscard]] RecordHeader* begin(size_t payload) noexcept {
    const size_t need = record_bytes(payload);
    skip_ = at_ + need > capacity_ ? capacity_ - at_ : 0;
    if (!has_room(skip_ + need + kLine)) {
      return nullptr;
    }
    start_ = skip_ == 0 ? at_ : 0;
    next_ = start_ + need == capacity_ ? 0 : start_ + need;
    record_at(next_)->kind.store(kNone, std::memory_order_relaxed);
    return record_at(start_);
  }

  /// Shows the record of the last begin() to the reader.
  void publish(RecordKind kind) noexcept {
    record_at(start_)->kind.store(kind, std::memory_order_release);
    if (skip_ != 0) {
      record_at(at_)->kind.store(kSkip, std::memory_order_release);
    }
    produced_ += skip_ + (next_ == 0 ? capacity_ : next_) - start_;
    at_ = next_;
  }

 private:
  [[nodiscard]] RecordHeader* record_at(size_t at) const noexcept {
    return reinterpret_cast<RecordHeader*>(data_ + at);
  }
  [[nodiscard]] bool has_room(size_t need) noexcept {
    if (capacity_ - (produced_ - consumed_) >= need) {
      return true;
    }
    consumed_ = control_->consumed.load(std::memory_order_acquire);
    return produced_ - consumed_ <= capacity_ && capacity_ - (produced_ - consumed_) >= need;
  }

  RingControl* control_ = nullptr;
  std::byte* data_ = nullptr;
  size_t capacity_ = 0;
  size_t at_ = 0;
  uint64_t produced_ = 0;
  uint64_t consumed_ = 0;  ///< as last seen
  size_t start_ = 0;       ///< of the record begun
  size_t next_ = 0;
  size_t skip_ = 0;
};

/// The reader's end. One thread.
class RingReader {
 public:
  RingReader() = default;
  /// `start` spreads the words that a reader of many rings polls: rings begin at page boundaries, and without it all
  /// their first records would compete for one set of the first-level cache.
  RingReader(RingControl* control, size_t bytes, size_t start) noexcept
      : control_(control),
        data_(reinterpret_cast<std::byte*>(control + 1)),
        capacity_(bytes - sizeof(RingControl)),
        at_(start % capacity_ / kLine * kLine) {
    control->start = at_;
  }

  /// What to poll: not kNone when there is a record.
  [[nodiscard]] const std::atomic<uint32_t>* poll_word() const noexcept { return &record_at(at_)->kind; }

  /// The next record, or nullptr.
  [[nodiscard]] RecordHeader* front() noexcept {
    uint32_t kind = poll_word()->load(std::memory_order_acquire);
    if (kind == kSkip) {
      advance(capacity_ - at_);
      kind = poll_word()->load(std::memory_order_acquire);
    }
    return kind == kNone ? nullptr : record_at(at_);
  }

  /// Whether a record with this payload can be the front: the writer is another process and is not trusted.
  [[nodiscard]] bool fits(size_t payload) const noexcept {
    return payload <= capacity_ && record_bytes(payload) <= capacity_ - at_;
  }

  /// Gives the front record's place back to the writer.
  void pop(size_t payload) noexcept { advance(record_bytes(payload)); }

 private:
  [[nodiscard]] RecordHeader* record_at(size_t at) const noexcept {
    return reinterpret_cast<RecordHeader*>(data_ + at);
  }
  void advance(size_t bytes) noexcept {
    at_ = at_ + bytes == capacity_ ? 0 : at_ + bytes;
    consumed_ += bytes;
    // Told to the writer in quarters: each time costs it a cache miss.
    if (consumed_ - told_ >= capacity_ / 4) {
      told_ = consumed_;
      control_->consumed.store(consumed_, std::memory_order_release);
    }
  }

  RingControl* control_ = nullptr;
  std::byte* data_ = nullptr;
  size_t capacity_ = 0;
  size_t at_ = 0;
  uint64_t consumed_ = 0;
  uint64_t told_ = 0;
};

}  // namespace banyan::transport::shm
