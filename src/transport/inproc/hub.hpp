// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "banyan/transport_plugin.h"
#include "transport/registry.hpp"

namespace banyan::transport {

/// A message on its way. The sender fills it, the receiver claims it, copies and gives it back. Whoever wins the
/// exchange of `state` away from kReady decides whether the message is taken or withdrawn.
struct Envelope {
  enum State : uint32_t { kFree, kReady, kClaimed, kDone, kWithdrawn };

  std::atomic<uint32_t> state{kFree};
  int source = 0;
  int destination = 0;
  uint64_t tag = 0;
  size_t size = 0;
  const void* data = nullptr;                   ///< the sender's buffer, or `eager`
  banyan_transport_request* request = nullptr;  ///< the sender's, touched by the sender only; null once it ended
  Envelope* next = nullptr;
  std::unique_ptr<std::byte[]> eager;  ///< kEagerBytes, made on first use
};

/// Small messages are copied on sending, so that the sender need not wait for the receiver.
inline constexpr size_t kInprocEagerBytes = 4096;

/// Many push, one takes all; keeps each pusher's order. Any thread pushes, one thread takes.
class EnvelopeStack {
 public:
  void push(Envelope* envelope) noexcept {
    envelope->next = top_.load(std::memory_order_relaxed);
    while (
        !top_.compare_exchange_weak(envelope->next, envelope, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }

  /// Everything that was pushed, oldest first, linked by `next`.
  [[nodiscard]] Envelope* take_all() noexcept {
    if (top_.load(std::memory_order_relaxed) == nullptr) {
      return nullptr;
    }
    Envelope* newest = top_.exchange(nullptr, std::memory_order_acquire);
    Envelope* oldest = nullptr;
    while (newest != nullptr) {
      Envelope* older = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = older;
    }
    return oldest;
  }

 private:
  std::atomic<Envelope*> top_{nullptr};
};

/// One rank's place in the hub.
struct alignas(64) InprocSlot {
  EnvelopeStack incoming;              ///< messages to this rank
  alignas(64) EnvelopeStack returned;  ///< envelopes of this rank that receivers are done with
  alignas(64) std::atomic<bool> opened{false};
  std::atomic<bool> closed{false};
  std::deque<Envelope> envelopes;  ///< touched by the rank's thread only; outlives its transport
};

/// Memory of a window; lives as long as the window or a mapping of it.
class InprocMemory {
 public:
  explicit InprocMemory(size_t size);
  ~InprocMemory();
  InprocMemory(const InprocMemory&) = delete;
  InprocMemory& operator=(const InprocMemory&) = delete;
  [[nodiscard]] void* base() const noexcept { return base_; }

 private:
  size_t size_;
  void* base_;
};

/// What the inproc transports of one communicator share. Any thread.
class InprocHub {
 public:
  explicit InprocHub(int size) : slots_(static_cast<size_t>(size)) {}

  [[nodiscard]] int size() const noexcept { return static_cast<int>(slots_.size()); }
  [[nodiscard]] InprocSlot& slot(int rank) noexcept { return slots_[static_cast<size_t>(rank)]; }
  /// Grows by one with each transport that is closed.
  [[nodiscard]] std::atomic<uint32_t>& closings() noexcept { return closings_; }

  [[nodiscard]] uint64_t add_window(std::shared_ptr<InprocMemory> memory);
  void remove_window(uint64_t id);
  /// Null when there is none.
  [[nodiscard]] std::shared_ptr<InprocMemory> window(uint64_t id);

 private:
  std::vector<InprocSlot> slots_;
  std::atomic<uint32_t> closings_{0};
  std::mutex mutex_;  ///< guards what follows
  std::map<uint64_t, std::shared_ptr<InprocMemory>> windows_;
  uint64_t next_window_ = 1;
};

}  // namespace banyan::transport
