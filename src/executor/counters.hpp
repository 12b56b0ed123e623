// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::executor {

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
