// SPDX-License-Identifier: Apache-2.0
#include "conformance.hpp"
#include "transport/registry.hpp"

namespace banyan::conformance {
namespace {

/// Each rank loads the plugin itself, after the fork where ranks are processes: UCX must not be loaded before.
TransportUnderTest ucx(const std::string& label, Ranks ranks) {
  return {
      .label = label,
      .ranks = ranks,
      .table = []() -> const banyan_transport_ops& { return transport::TransportRegistry().find("ucx"); },
      .host_context = {},
      .environment = {},
      .boundaries = {1024, 8192, 65536, 262144},
      .tag_bits = 40,
      .skip_reason = {},
  };
}

INSTANTIATE_TEST_SUITE_P(UcxProcesses, TransportConformance, testing::Values(ucx("processes", Ranks::kProcesses)),
                         label_of);
INSTANTIATE_TEST_SUITE_P(UcxThreads, TransportConformance, testing::Values(ucx("threads", Ranks::kThreads)), label_of);

}  // namespace
}  // namespace banyan::conformance
