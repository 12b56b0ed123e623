// SPDX-License-Identifier: Apache-2.0
// The functions of NCCL that move data and that group such calls, in their places: each is NCCL's own, and looked at.
// interpose_communicators.cpp has those that make and end communicators.
#include <banyan/status.h>

#include <limits>

#include "nccl/passing.hpp"
#include "nccl/quietly.hpp"

namespace {

using banyan::preload::nccl::Comm;
using banyan::preload::nccl::Functions;
using banyan::preload::nccl::Group;
using banyan::preload::nccl::is_accepted;
using banyan::preload::nccl::Passing;
using banyan::preload::nccl::PointToPoint;
using banyan::preload::nccl::quietly;
using banyan::preload::nccl::Result;
using banyan::preload::nccl::SimInfo;
using banyan::preload::nccl::size_of;
using banyan::preload::nccl::Stream;

uint64_t bytes_of(size_t count, int datatype) {
  const size_t size = size_of(datatype);
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  return size != 0 && count > most / size ? most : count * size;
}

/// Calls of NCCL with the communicator known before, and noted after.
template <typename Call, typename Note>
Result observed(const Passing& pass, Comm* comm, Call&& call, Note&& note) {
  Group* group = pass.group();
  bool is_ready = false;
  if (group != nullptr) {
    quietly([&] {
      group->expect(*pass.real(), comm);
      is_ready = true;
    });
  }
  const Result result = call();
  if (is_ready) {
    if (is_accepted(result)) {
      quietly([&] { note(*group); });
    }
    group->settle();
  }
  return result;
}

Result end_group(const Passing& pass, Result result, bool is_simulated) {
  if (pass.births() != nullptr) {
    pass.births()->close(result, is_simulated);
  }
  return result;
}

}  // namespace

extern "C" {

BANYAN_API Result ncclAlltoAll(const void* sendbuff, void* recvbuff, size_t count, int datatype, Comm* comm,
                               Stream* stream) {
  const Passing pass("ncclAlltoAll", __builtin_return_address(0), comm);
  return observed(
      pass, comm, [&] { return pass(&Functions::alltoall, sendbuff, recvbuff, count, datatype, comm, stream); },
      [&](Group& group) { group.add_alltoall(bytes_of(count, datatype), size_of(datatype) != 0); });
}

BANYAN_API Result ncclSend(const void* sendbuff, size_t count, int datatype, int peer, Comm* comm, Stream* stream) {
  const Passing pass("ncclSend", __builtin_return_address(0), comm);
  return observed(
      pass, comm, [&] { return pass(&Functions::send, sendbuff, count, datatype, peer, comm, stream); },
      [&](Group& group) {
        group.add({.is_send = true, .peer = peer, .size_bytes = bytes_of(count, datatype), .stream = stream},
                  size_of(datatype) != 0);
      });
}

BANYAN_API Result ncclRecv(void* recvbuff, size_t count, int datatype, int peer, Comm* comm, Stream* stream) {
  const Passing pass("ncclRecv", __builtin_return_address(0), comm);
  return observed(
      pass, comm, [&] { return pass(&Functions::recv, recvbuff, count, datatype, peer, comm, stream); },
      [&](Group& group) {
        group.add({.is_send = false, .peer = peer, .size_bytes = bytes_of(count, datatype), .stream = stream},
                  size_of(datatype) != 0);
      });
}

BANYAN_API Result ncclGroupStart() {
  const Passing pass("ncclGroupStart", __builtin_return_address(0));
  const Result result = pass(&Functions::group_start);
  if (pass.births() != nullptr && result == Result::kSuccess) {
    pass.births()->open();
  }
  return result;
}

BANYAN_API Result ncclGroupEnd() {
  const Passing pass("ncclGroupEnd", __builtin_return_address(0));
  return end_group(pass, pass(&Functions::group_end), false);
}

BANYAN_API Result ncclGroupSimulateEnd(SimInfo* info) {
  const Passing pass("ncclGroupSimulateEnd", __builtin_return_address(0));
  return end_group(pass, pass(&Functions::group_simulate_end, info), true);
}

}  // extern "C"
