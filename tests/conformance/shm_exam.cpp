// SPDX-License-Identifier: Apache-2.0
#include "conformance.hpp"
#include "transport/registry.hpp"

namespace banyan::conformance {
namespace {

TransportUnderTest shm(const std::string& label, Ranks ranks, const std::string& single_copy) {
  return {
      .label = label,
      .ranks = ranks,
      .table = []() -> const banyan_transport_ops& { return transport::shm_table(); },
      .capabilities = BANYAN_TRANSPORT_CAP_MAPPED | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE,
      .host_context = {},
      .environment = {{"BANYAN_SHM_SINGLE_COPY", single_copy}},
      .boundaries = {32, 96, 16384, 32672, 65536, 130944, 262144, size_t{1} << 20},
      // Once is enough for the slowest way, a ring of 128 KiB with a switch of threads each time it is full.
      .huge_messages = single_copy == "1" || ranks == Ranks::kProcesses,
      .skip_reason = {},
  };
}

INSTANTIATE_TEST_SUITE_P(Shm, TransportConformance,
                         testing::Values(shm("processes", Ranks::kProcesses, "1"),
                                         shm("processes_two_copies", Ranks::kProcesses, "0")),
                         label_of);
INSTANTIATE_TEST_SUITE_P(ShmThreads, TransportConformance,
                         testing::Values(shm("threads", Ranks::kThreads, "1"),
                                         shm("threads_two_copies", Ranks::kThreads, "0")),
                         label_of);

}  // namespace
}  // namespace banyan::conformance
