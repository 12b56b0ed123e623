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
  /// Transports to other hosts over networks of their own, all to the same peers; the first is the peers' `transport`.
  /// Empty unless there are several.
  std::vector<Transport*> rails;
  /// Rails in the order in which consecutive messages of a pair take them. Equal on all ranks.
  std::vector<int> rail_pattern;

  /// The transport of message number `place` of a pair.
  [[nodiscard]] Transport* transport(int peer, int place) const noexcept {
    Transport* usual = peers[static_cast<size_t>(peer)].transport;
    if (rails.empty() || peers[static_cast<size_t>(peer)].same_host) {
      return usual;
    }
    const auto at = static_cast<size_t>(place) % rail_pattern.size();
    return rails[static_cast<size_t>(rail_pattern[at])];
  }
  [[nodiscard]] int size() const noexcept { return static_cast<int>(peers.size()); }
};

}  // namespace banyan::transport
