// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "banyan/status.h"

namespace banyan::bootstrap {

/// Why a communicator can no longer be used. The first cause wins. Any thread; raised() is one relaxed load.
class AbortState {
 public:
  /// Records the cause; returns whether it was the first.
  bool raise(banyan_status status, std::string text) {
    const std::lock_guard lock(mutex_);
    if (raised_.load(std::memory_order_relaxed)) {
      return false;
    }
    status_ = status;
    text_ = std::move(text);
    raised_.store(true, std::memory_order_release);
    return true;
  }

  [[nodiscard]] bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
  [[nodiscard]] banyan_status status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::atomic<bool> raised_{false};
  mutable std::mutex mutex_;
  banyan_status status_ = BANYAN_OK;
  std::string text_;
};

}  // namespace banyan::bootstrap
