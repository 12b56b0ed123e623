// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "memory.hpp"

namespace banyan::fake_device {

/// A rank's inbox: by peer two lines, used in turn, for pairs of up to eager_bytes; a grant, where the peer may write a
/// larger one; and its arrival.
struct InboxLayout {
  int num_ranks;
  size_t eager_bytes;

  /// What one peer writes. `call` last.
  struct Line {
    std::atomic<uint64_t> call;
    char data[56];  ///< and on
  };
  struct Grant {
    std::atomic<uint64_t> call;
    uint64_t window;
    uint64_t offset;
  };
  struct Arrival {
    std::atomic<uint64_t> call;
  };
  static constexpr size_t kAlign = 64;

  [[nodiscard]] size_t line_bytes() const;
  [[nodiscard]] size_t peer_bytes() const { return 2 * line_bytes() + 2 * kAlign; }
  [[nodiscard]] size_t bytes() const { return static_cast<size_t>(num_ranks) * peer_bytes(); }
  [[nodiscard]] Line& line(char* inbox, int peer, uint64_t call) const;
  [[nodiscard]] Grant& grant(char* inbox, int peer) const;
  [[nodiscard]] Arrival& arrival(char* inbox, int peer) const;
};

/// A rank's part of a group; what it enqueues runs in the call. One thread, but failure(), abort() and describe() any.
class Group {
 public:
  Group(Device& device, const banyan_device_group_config& config);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return layout_.num_ranks; }
  [[nodiscard]] Device& device() noexcept { return device_; }

  void add_window(void* const* bases, size_t own_bytes);
  void exchange(const banyan_device_move* moves);
  [[nodiscard]] banyan_device_failure failure() const;
  void abort() noexcept { aborted_.store(true); }
  [[nodiscard]] std::string describe() const;

  /// Begins a call; throws if one before failed.
  void begin();
  /// False, and the group has failed, if the condition does not come true in time.
  [[nodiscard]] bool wait_for(int peer, const std::function<bool()>& condition);

 private:
  struct Window {
    std::vector<char*> bases;
    size_t own_bytes;
  };
  [[nodiscard]] uint64_t offset_of(const banyan_device_move& move, int peer) const;
  void post(int peer, const banyan_device_move& move);
  [[nodiscard]] bool push(int peer, const banyan_device_move& move);
  [[nodiscard]] bool receive(int peer, const banyan_device_move& move);

  Device& device_;
  int rank_;
  InboxLayout layout_;
  std::vector<char*> inboxes_;
  std::vector<Window> windows_;
  std::atomic<uint64_t> call_{0};
  std::chrono::steady_clock::time_point end_;  ///< of the present call's waits
  std::atomic<bool> aborted_{false};
  std::atomic<bool> failed_{false};  ///< failure_ is written
  banyan_device_failure failure_{};
};

}  // namespace banyan::fake_device
