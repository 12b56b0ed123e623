// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "bootstrap/abort_state.hpp"
#include "bootstrap/control.hpp"
#include "bootstrap/stall_table.hpp"

namespace banyan::bootstrap {

/// Tells how far a rank has come.
class ProgressSource {
 public:
  virtual ~ProgressSource() = default;
  struct Numbers {
    uint64_t started = 0;
    uint64_t finished = 0;
  };
  [[nodiscard]] virtual Numbers progress() const noexcept = 0;
};

/// The meeting point of ranks that are threads: one allgather at a time, abort states, stall reports. Any thread.
class LocalHub {
 public:
  explicit LocalHub(int size);

  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] AbortState& state(int rank) noexcept { return states_[static_cast<size_t>(rank)]; }

  void allgatherv(int rank, const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline);
  /// Raises every rank's state and ends waiting allgathers. The first cause wins.
  void abort(banyan_status status, const std::string& text);
  void report_stall(int rank, OperationReport report);
  /// The rank's control plane begins; `source` stays valid until detach().
  void attach(int rank, const ProgressSource* source);
  /// It ends; `goodbye`: by leave(), else every other rank's state is raised.
  void detach(int rank, bool goodbye);
  [[nodiscard]] std::string diagnosis();

 private:
  enum class Phase { kCollecting, kHandingOut };

  void wait(std::unique_lock<std::mutex>& lock, Phase until, Deadline deadline);
  void enter(int rank, const void* mine, std::span<const size_t> sizes);
  void fail(const Error& failure);
  void refresh_progress();
  [[nodiscard]] std::string name_absent() const;

  const int size_;
  std::vector<AbortState> states_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Error> failure_;
  Phase phase_ = Phase::kCollecting;
  std::vector<bool> inside_;
  int count_inside_ = 0;
  int first_rank_ = 0;
  std::vector<size_t> sizes_;
  std::vector<unsigned char> gathered_;
  StallTable stalls_;
  std::vector<const ProgressSource*> sources_;
};

}  // namespace banyan::bootstrap
