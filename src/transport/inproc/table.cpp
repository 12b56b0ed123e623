// SPDX-License-Identifier: Apache-2.0
#include "transport/inproc/transport.hpp"
#include "transport/own_table.hpp"
#include "transport/registry.hpp"

namespace banyan::transport {

const banyan_transport_ops& inproc_table() noexcept {
  static constexpr banyan_transport_ops kTable = OwnTable<InprocTransport>::table(
      "inproc", BANYAN_TRANSPORT_CAP_MAPPED | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE);
  return kTable;
}

}  // namespace banyan::transport
