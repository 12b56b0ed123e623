// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace banyan::conformance {

/// A small shared area through which the ranks of an exam meet, threads or processes alike.
class Exchange {
 public:
  static constexpr int kMaxRanks = 16;
  static constexpr size_t kMaxBytes = 8192;

  explicit Exchange(int size);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] int size() const noexcept { return size_; }

  /// Waits for all ranks that have not left, calling `idle` meanwhile; `idle` throws when the wait must end.
  void barrier(int rank, const std::function<void()>& idle);
  /// Each rank's bytes, at most kMaxBytes.
  [[nodiscard]] std::vector<std::string> allgather(int rank, const std::string& bytes,
                                                   const std::function<void()>& idle);
  /// This rank takes part in no later barrier or allgather, because it is about to die.
  void leave(int rank) noexcept;
  [[nodiscard]] bool has_left(int rank) const noexcept;

  /// Records why a rank failed; the others end with RankFailure too.
  void fail(int rank, const std::string& reason) noexcept;
  [[nodiscard]] bool any_failed() const noexcept;
  /// Empty when the rank did not fail.
  [[nodiscard]] std::string failure(int rank) const;

 private:
  struct Slot {
    std::atomic<unsigned> arrivals{0};
    std::atomic<bool> left{false};
    std::atomic<bool> failed{false};
    size_t size = 0;
    char bytes[kMaxBytes];
    char reason[2048];
  };

  int size_;
  Slot* slots_;
};

}  // namespace banyan::conformance
