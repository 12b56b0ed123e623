// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mpi/side.hpp"

namespace banyan::preload {

/// What a program asks of MPI_Alltoall and its relatives.
struct Call {
  Side send;  ///< of a call in place: the receiving side again
  Side recv;
  bool in_place = false;
  bool uniform = false;  ///< MPI_Alltoall: all blocks of a side are alike
};

/// The call with these sides, as the program gave them.
inline Call call_of(const void* sendbuf, Side send, void* recvbuf, Side recv, bool uniform = false) {
  send.buffer = const_cast<void*>(sendbuf);
  recv.buffer = recvbuf;
  return {.send = send, .recv = recv, .in_place = sendbuf == MPI_IN_PLACE, .uniform = uniform};
}

}  // namespace banyan::preload
