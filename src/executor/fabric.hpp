// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "executor/mapped_ring.hpp"
#include "transport/transport.hpp"

namespace banyan::executor {

/// How a rank reaches another.
struct PeerLink {
  transport::Transport* transport = nullptr;  ///< null for the own rank
  RingSender* ring_out = nullptr;             ///< null unless the peer is mapped
  RingReceiver* ring_in = nullptr;
  bool same_host = false;
};

/// What the executor moves data over; owned by the communicator, which outlives it.
struct Fabric {
  int rank = 0;
  std::vector<PeerLink> peers;                      ///< by rank
  std::vector<transport::Transport*> transports;    ///< each once, for progress
  size_t ring_capacity = 0;                         ///< payload bytes of a slot; 0: nothing is mapped. Equal on all ranks

  [[nodiscard]] int size() const noexcept { return static_cast<int>(peers.size()); }
};

/// What has been moved; see banyan_comm_stats.
struct Counters {
  uint64_t operations = 0;
  uint64_t messages_sent = 0;
  uint64_t message_bytes = 0;
  uint64_t mapped_writes = 0;
  uint64_t mapped_bytes = 0;
  uint64_t inter_host_messages = 0;
  uint64_t inter_host_bytes = 0;
};

}  // namespace banyan::executor
