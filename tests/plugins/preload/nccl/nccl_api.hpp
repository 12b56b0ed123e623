// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nccl/abi.hpp"

/// NCCL's functions as the tests' programs call them and the tests' NCCL has them.
namespace nccl = banyan::preload::nccl;

/// The beginning of ncclConfig_t, which all versions have.
struct BlockingConfig {
  size_t size = sizeof(BlockingConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = 22809;
  int blocking = 0;
};

extern "C" {
nccl::Result ncclGetUniqueId(nccl::UniqueId* id);
nccl::Result ncclGetVersion(int* version);
nccl::Result ncclCommCount(const nccl::Comm* comm, int* count);
nccl::Result ncclCommUserRank(const nccl::Comm* comm, int* rank);
nccl::Result ncclCommGetAsyncError(nccl::Comm* comm, nccl::Result* error);
nccl::Result ncclAlltoAll(const void* sendbuff, void* recvbuff, size_t count, int datatype, nccl::Comm* comm,
                          nccl::Stream* stream);
nccl::Result ncclSend(const void* sendbuff, size_t count, int datatype, int peer, nccl::Comm* comm,
                      nccl::Stream* stream);
nccl::Result ncclRecv(void* recvbuff, size_t count, int datatype, int peer, nccl::Comm* comm, nccl::Stream* stream);
nccl::Result ncclGroupStart();
nccl::Result ncclGroupEnd();
nccl::Result ncclGroupSimulateEnd(nccl::SimInfo* info);
nccl::Result ncclCommInitRank(nccl::Comm** comm, int nranks, nccl::UniqueId id, int rank);
nccl::Result ncclCommInitRankConfig(nccl::Comm** comm, int nranks, nccl::UniqueId id, int rank, nccl::Config* config);
nccl::Result ncclCommInitRankScalable(nccl::Comm** comm, int nranks, int rank, int num_ids, nccl::UniqueId* ids,
                                      nccl::Config* config);
nccl::Result ncclCommInitAll(nccl::Comm** comms, int num_devices, const int* devices);
nccl::Result ncclCommSplit(nccl::Comm* comm, int color, int key, nccl::Comm** new_comm, nccl::Config* config);
nccl::Result ncclCommShrink(nccl::Comm* comm, int* excluded, int num_excluded, nccl::Comm** new_comm,
                            nccl::Config* config, int flags);
nccl::Result ncclCommFinalize(nccl::Comm* comm);
nccl::Result ncclCommDestroy(nccl::Comm* comm);
nccl::Result ncclCommAbort(nccl::Comm* comm);
nccl::Result ncclCommRevoke(nccl::Comm* comm, int flags);
}
