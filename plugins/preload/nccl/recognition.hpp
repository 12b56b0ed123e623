// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nccl/abi.hpp"

namespace banyan::preload::nccl {

/// An ncclSend or ncclRecv of a group.
struct PointToPoint {
  bool is_send = false;
  int peer = 0;
  uint64_t size_bytes = 0;
  const Stream* stream = nullptr;
};

enum class Form : uint8_t {
  kAlltoallv,  ///< a send to and a receive from every rank, itself included
  kPartial,    ///< at most one of each for every rank, with two other ranks at least both ways: may be an all-to-all-v
               ///< whose empty pairs the program leaves out
  kLeftAlone,  ///< anything else, such as a pipeline's exchange with one neighbour
};

struct Verdict {
  Form form = Form::kLeftAlone;
  int missing_sends = 0;  ///< of kPartial: ranks without one
  int missing_receives = 0;
  bool lacks_itself = false;  ///< no send or no receive of the rank with itself
  bool is_even = false;       ///< of kAlltoallv: all blocks of this rank have one size
};

/// Recognises exchanges by their structure alone, never by the sizes: other ranks see other sizes. Keeps memory between
/// calls. One thread.
class Recognition {
 public:
  /// What the sends and receives of one group on one communicator of `num_ranks` are to its rank `rank`.
  Verdict judge(std::span<const PointToPoint> operations, int num_ranks, int rank);

 private:
  struct Seen {
    bool sent = false;
    bool received = false;
  };
  std::vector<Seen> seen_;
};

}  // namespace banyan::preload::nccl
