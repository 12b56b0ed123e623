// SPDX-License-Identifier: Apache-2.0
#include "transport/own_table.hpp"
#include "transport/registry.hpp"
#include "transport/shm/transport.hpp"

namespace banyan::transport {

const banyan_transport_ops& shm_table() noexcept {
  static constexpr banyan_transport_ops kTable = OwnTable<shm::ShmTransport>::table(
      "shm", BANYAN_TRANSPORT_CAP_MAPPED | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE);
  return kTable;
}

}  // namespace banyan::transport
