// SPDX-License-Identifier: Apache-2.0
#include "conformance.hpp"
#include "transport/registry.hpp"

namespace banyan::conformance {
namespace {

TransportUnderTest inproc() {
  return {
      .label = "threads",
      .ranks = Ranks::kThreads,
      .table = []() -> const banyan_transport_ops& { return transport::inproc_table(); },
      .capabilities = BANYAN_TRANSPORT_CAP_MAPPED | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE,
      .host_context = [](int size) { return transport::make_inproc_hub(size); },
      .environment = {},
      .boundaries = {4096},
      .skip_reason = {},
  };
}

INSTANTIATE_TEST_SUITE_P(Inproc, TransportConformance, testing::Values(inproc()), label_of);

}  // namespace
}  // namespace banyan::conformance
