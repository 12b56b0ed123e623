// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "coll/options.hpp"
#include "coll/planned.hpp"
#include "coll/tuned.hpp"
#include "executor/exchange.hpp"

namespace banyan::coll {

/// An exchange that is planned and may be started many times. Made by Engine; borrowed buffers as in Exchange.
struct Request {
  std::shared_ptr<Planned> planned;
  std::shared_ptr<Tuned> tuned;  ///< says for each start what is `planned`; nullptr: it stays
  executor::Exchange exchange;
  std::vector<size_t> send_bytes, send_offsets, recv_bytes, recv_offsets;  ///< of an all-to-all-v, what it points to
  const char* operation = "";                                              ///< "alltoall" or "alltoallv", for reports
  uint64_t purpose = 0;  ///< 0: none; else `describe_purpose` says it for reports, and ranks must agree on it
  std::string (*describe_purpose)(uint64_t) = nullptr;
  double timeout_s = 0;
  Meanwhile meanwhile;
  bool of_holder = false;  ///< may start while the engine is held (Engine::hold)
  bool started = false;
};

}  // namespace banyan::coll
