// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "moe/exchange/flow.hpp"

namespace banyan::moe {

/// A thread that moves a group's moves on. It alone uses the group's engines while one is under way.
class Pump {
 public:
  /// std::system_error: no thread to be had.
  explicit Pump(Group& group);
  /// Waits until all moves ended.
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  void add(Moves moves);

 private:
  void work();
  void take(Moves& moves) noexcept;

  std::mutex mutex_;  ///< of the following
  std::condition_variable changed_;
  std::vector<Moves> added_;
  bool stop_ = false;

  Flow flow_;  ///< the thread's
  std::thread thread_;
};

}  // namespace banyan::moe
