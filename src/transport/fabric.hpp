// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "transport/mapped_ring.hpp"
#include "transport/transport.hpp"

namespace banyan::transport {

/// How a rank reaches another.
struct PeerLink {
  Transport* transport = nullptr;  ///< null for the own rank
  RingSender* ring_out = nullptr;  ///< null unless the peer is mapped
  RingReceiver* ring_in = nullptr;
  bool same_host = false;
};

/// What exchanges move data over; owned by the communicator, which outlives it.
struct Fabric {
  int rank = 0;
  std::vector<PeerLink> peers;         ///< by rank
  std::vector<Transport*> transports;  ///< each once, for progress
  size_t ring_capacity = 0;            ///< payload bytes of a slot; 0: nothing is mapped. Equal on all ranks

  [[nodiscard]] int size() const noexcept { return static_cast<int>(peers.size()); }
};

}  // namespace banyan::transport
