// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/local_hub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/star.hpp"

namespace banyan::bootstrap {

LocalHub::LocalHub(int size)
    : size_(size),
      states_(static_cast<size_t>(size)),
      inside_(static_cast<size_t>(size)),
      stalls_(size),
      sources_(static_cast<size_t>(size)) {}

void LocalHub::allgatherv(int rank, const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) {
  std::unique_lock lock(mutex_);
  wait(lock, Phase::kCollecting, deadline);
  enter(rank, mine, sizes);
  if (count_inside_ == size_) {
    phase_ = Phase::kHandingOut;
    changed_.notify_all();
  } else {
    wait(lock, Phase::kHandingOut, deadline);
  }
  if (!gathered_.empty()) {
    std::memcpy(all, gathered_.data(), gathered_.size());
  }
  inside_[static_cast<size_t>(rank)] = false;
  if (--count_inside_ == 0) {
    phase_ = Phase::kCollecting;
    changed_.notify_all();
  }
}

void LocalHub::wait(std::unique_lock<std::mutex>& lock, Phase until, Deadline deadline) {
  const auto limit = Deadline::Clock::now() + std::chrono::duration_cast<Deadline::Clock::duration>(
                                                  std::chrono::duration<double>(deadline.remaining_s()));
  const bool reached = changed_.wait_until(lock, limit, [&] { return failure_ || phase_ == until; });
  if (until == Phase::kHandingOut && phase_ == until) {
    return;  // what all gave is there, whatever happened since
  }
  if (!reached) {
    fail(Error(BANYAN_ERR_TIMEOUT, fmt::format("{} of {} never came to the exchange within {}", name_absent(), size_,
                                               name_seconds(deadline.total_s()))));
  }
  if (failure_) {
    throw *failure_;
  }
}

void LocalHub::enter(int rank, const void* mine, std::span<const size_t> sizes) {
  const size_t total = total_size(sizes);
  const auto r = static_cast<size_t>(rank);
  if (inside_[r]) {
    fail(Error(BANYAN_ERR_MISMATCH, fmt::format("two threads use rank {} of {} at once", rank, size_)));
  } else if (count_inside_ > 0 && !std::ranges::equal(sizes, sizes_)) {
    const size_t differs = static_cast<size_t>(std::ranges::mismatch(sizes, sizes_).in1 - sizes.begin()) % sizes.size();
    fail(Error(BANYAN_ERR_MISMATCH, fmt::format("rank {} gathers {} bytes of rank {}, rank {} gathers {}", first_rank_,
                                                sizes_[differs], differs, rank, sizes[differs])));
  }
  if (failure_) {
    throw *failure_;
  }
  if (count_inside_ == 0) {
    first_rank_ = rank;
    sizes_.assign(sizes.begin(), sizes.end());
    gathered_.resize(total);
  }
  if (sizes[r] > 0) {
    std::memcpy(gathered_.data() + total_size(sizes.first(r)), mine, sizes[r]);
  }
  inside_[r] = true;
  ++count_inside_;
}

void LocalHub::fail(const Error& failure) {
  if (!failure_) {
    failure_.emplace(failure);
  }
  changed_.notify_all();
}

std::string LocalHub::name_absent() const {
  std::vector<int> absent;
  for (int rank = 0; rank < size_; ++rank) {
    if (!inside_[static_cast<size_t>(rank)]) {
      absent.push_back(rank);
    }
  }
  return name_ranks(absent);
}

void LocalHub::abort(banyan_status status, const std::string& text) {
  for (AbortState& state : states_) {
    state.raise(status, text);
  }
  const std::lock_guard lock(mutex_);
  fail(Error(status, text));
}

void LocalHub::report_stall(int rank, OperationReport report) {
  std::optional<std::string> verdict;
  {
    const std::lock_guard lock(mutex_);
    refresh_progress();
    verdict = stalls_.report(rank, std::move(report));
    if (!verdict) {
      verdict = stalls_.disagreement();
    }
  }
  if (verdict) {
    abort(BANYAN_ERR_MISMATCH, *verdict);
  }
}

void LocalHub::refresh_progress() {
  for (int rank = 0; rank < size_; ++rank) {
    if (const ProgressSource* source = sources_[static_cast<size_t>(rank)]) {
      const ProgressSource::Numbers numbers = source->progress();
      stalls_.progress(rank, numbers.started, numbers.finished);
    }
  }
}

void LocalHub::attach(int rank, const ProgressSource* source) {
  const std::lock_guard lock(mutex_);
  sources_[static_cast<size_t>(rank)] = source;
}

void LocalHub::detach(int rank, bool goodbye) {
  {
    const std::lock_guard lock(mutex_);
    refresh_progress();
    sources_[static_cast<size_t>(rank)] = nullptr;
    stalls_.left(rank);
  }
  if (!goodbye) {
    abort(BANYAN_ERR_PEER_FAILED, fmt::format("rank {} of {} gave up its communicator after an error", rank, size_));
  }
}

std::string LocalHub::diagnosis() {
  const std::lock_guard lock(mutex_);
  refresh_progress();
  return stalls_.diagnosis();
}

}  // namespace banyan::bootstrap
