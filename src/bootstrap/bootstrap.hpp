// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.hpp"
#include "base/file.hpp"

namespace banyan::bootstrap {

class AbortState;
class LocalHub;

/// Exchange between the ranks of a communicator while it is set up. Collective calls in equal order on all ranks.
/// One thread at a time. Errors are thrown as Error on every rank within the deadline.
class Bootstrap {
 public:
  Bootstrap() = default;
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;
  virtual ~Bootstrap() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// The parts of all ranks end up at `all` on every rank, one after the other. Rank r's part has `sizes[r]` bytes,
  /// which all ranks know.
  virtual void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) = 0;

  /// From now on an exchange that waits ends with the cause half a second after `state` is raised; null: no longer. The
  /// state is borrowed. Without effect where a callback of the caller waits, and among threads, whose hub ends
  /// exchanges.
  virtual void heed(const AbortState* state) noexcept { static_cast<void>(state); }

  /// Rank r's `bytes` bytes at `mine` end up at `all + r * bytes` on every rank.
  void allgather(const void* mine, void* all, size_t bytes, Deadline deadline);

  /// Strings of any length (at most kMaxStringBytes each), one per rank: lengths, then the strings.
  [[nodiscard]] std::vector<std::string> allgather_strings(std::string_view mine, Deadline deadline);

  void barrier(Deadline deadline);

  /// The numeric address that this rank's exchange goes over; empty if unknown. make_tcp_control listens there.
  [[nodiscard]] virtual std::string route_address() const { return {}; }
  /// What the ranks share when they are threads of one process, else nullptr.
  [[nodiscard]] virtual std::shared_ptr<LocalHub> local_hub() const { return nullptr; }

  /// The contents of a file, and what is said of it.
  static constexpr size_t kMaxStringBytes = file::kMaxInputBytes + 4096;
};

/// The sum; Error{LIMIT} when it overflows.
[[nodiscard]] size_t total_size(std::span<const size_t> sizes);

}  // namespace banyan::bootstrap
