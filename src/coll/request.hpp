// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "executor/exchange.hpp"
#include "executor/program.hpp"

namespace banyan::coll {

/// An exchange that is planned and may be started many times. Made by Engine; borrowed buffers as in Exchange.
struct Request {
  std::shared_ptr<executor::Program> program;
  executor::Exchange exchange;
  std::vector<size_t> send_bytes, send_offsets, recv_bytes, recv_offsets;  ///< what `exchange` points to
  std::string operation;                                                   ///< "alltoall" or "alltoallv", for reports
  std::string algorithm;
  double timeout_s = 0;
  bool started = false;
};

}  // namespace banyan::coll
