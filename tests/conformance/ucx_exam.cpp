// SPDX-License-Identifier: Apache-2.0
#include "conformance.hpp"
#include "transport/registry.hpp"

namespace banyan::conformance {
namespace {

/// Each rank loads the plugin itself, after the fork where ranks are processes: UCX must not be loaded before.
TransportUnderTest ucx(const std::string& label, Ranks ranks,
                       const std::vector<std::pair<std::string, std::string>>& environment = {}) {
  return {
      .label = label,
      .ranks = ranks,
      .table = []() -> const banyan_transport_ops& { return transport::TransportRegistry().find("ucx"); },
      .capabilities = BANYAN_TRANSPORT_CAP_INTER_HOST | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE,
      .host_context = {},
      .environment = environment,
      .boundaries = {1024, 8192, 65536, 262144},
      .tag_bits = 40,
      .huge_messages = environment.empty(),
      .skip_reason = {},
  };
}

INSTANTIATE_TEST_SUITE_P(UcxProcesses, TransportConformance, testing::Values(ucx("processes", Ranks::kProcesses)),
                         label_of);
// Sockets that are full most of the time: what is left in UCX's memory then must be flushed.
INSTANTIATE_TEST_SUITE_P(UcxSmallSockets, TransportConformance,
                         testing::Values(ucx("small_sockets", Ranks::kProcesses,
                                             {{"UCX_TCP_SNDBUF", "32k"}, {"UCX_TCP_RCVBUF", "32k"}})),
                         label_of);
INSTANTIATE_TEST_SUITE_P(UcxThreads, TransportConformance, testing::Values(ucx("threads", Ranks::kThreads)), label_of);

}  // namespace
}  // namespace banyan::conformance
