// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "banyan/transport_plugin.h"

namespace banyan::ucx_test {

inline constexpr int kMaxRanks = 8;

/// The plugin's table, from the shared library just built.
[[nodiscard]] const banyan_transport_ops& plugin();

struct Shared;

/// One rank: a process of its own with a transport object of the plugin.
class Rank {
 public:
  Rank(Shared& shared, int rank, int size, double timeout_s = 10);
  ~Rank();
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] void* transport() const { return transport_; }
  [[nodiscard]] std::string last_error() const { return plugin().last_error(transport_); }

  banyan_status send(int peer, const void* buffer, size_t size, uint64_t tag, banyan_transport_request& request);
  banyan_status receive(int peer, void* buffer, size_t size, uint64_t tag, banyan_transport_request& request);
  void progress();
  /// Progresses until the request has ended; gives its status.
  banyan_status wait(banyan_transport_request& request);
  /// Progresses until all live ranks came here; `expected` of them.
  void barrier(int expected);
  void barrier() { barrier(size_); }
  void close();

 private:
  void connect_all();

  Shared& shared_;
  int rank_;
  int size_;
  void* transport_ = nullptr;
};

/// Forks one process per rank, runs `body` in each and expects that all succeed; ranks that kill themselves with
/// SIGKILL are `killed` in number.
void run_ranks(int size, const std::function<void(Rank&)>& body, int killed = 0);
/// The same without a transport object.
void run_process(const std::function<void()>& body);

/// Bytes that depend on the sender, the receiver and the message.
[[nodiscard]] std::vector<std::byte> pattern(int from, int to, uint64_t tag, size_t size);

}  // namespace banyan::ucx_test
