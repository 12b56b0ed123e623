// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// NCCL's binary interface as far as the library needs it, so that it is built where NCCL's header is not. Where the
/// header is, abi_check.cpp holds this against it.
namespace banyan::preload::nccl {

struct Comm;     ///< what ncclComm_t points to
struct Config;   ///< ncclConfig_t: its size depends on the version, so it is only passed on
struct SimInfo;  ///< ncclSimInfo_t, likewise
struct Stream;   ///< what cudaStream_t points to

struct UniqueId {
  std::array<char, 128> bytes;
};

enum class Result : int {
  kSuccess = 0,
  kInvalidUsage = 5,
  kInProgress = 7,  ///< of a non-blocking communicator: accepted
};

constexpr int kNoColor = -1;

/// Functions of NCCL 2; nullptr: this version has it not.
struct Functions {
  Result (*get_version)(int* version) = nullptr;
  Result (*comm_count)(const Comm* comm, int* count) = nullptr;
  Result (*comm_user_rank)(const Comm* comm, int* rank) = nullptr;
  Result (*comm_get_async_error)(Comm* comm, Result* error) = nullptr;

  Result (*alltoall)(const void* sendbuff, void* recvbuff, size_t count, int datatype, Comm* comm,
                     Stream* stream) = nullptr;
  Result (*send)(const void* sendbuff, size_t count, int datatype, int peer, Comm* comm, Stream* stream) = nullptr;
  Result (*recv)(void* recvbuff, size_t count, int datatype, int peer, Comm* comm, Stream* stream) = nullptr;
  Result (*group_start)() = nullptr;
  Result (*group_end)() = nullptr;
  Result (*group_simulate_end)(SimInfo* info) = nullptr;

  Result (*comm_init_rank)(Comm** comm, int nranks, UniqueId id, int rank) = nullptr;
  Result (*comm_init_rank_config)(Comm** comm, int nranks, UniqueId id, int rank, Config* config) = nullptr;
  Result (*comm_init_rank_scalable)(Comm** comm, int nranks, int rank, int num_ids, UniqueId* ids,
                                    Config* config) = nullptr;
  Result (*comm_init_all)(Comm** comms, int num_devices, const int* devices) = nullptr;
  Result (*comm_split)(Comm* comm, int color, int key, Comm** new_comm, Config* config) = nullptr;
  Result (*comm_shrink)(Comm* comm, int* excluded, int num_excluded, Comm** new_comm, Config* config,
                        int flags) = nullptr;
  Result (*comm_finalize)(Comm* comm) = nullptr;
  Result (*comm_destroy)(Comm* comm) = nullptr;
  Result (*comm_abort)(Comm* comm) = nullptr;
  Result (*comm_revoke)(Comm* comm, int flags) = nullptr;
};

constexpr bool is_accepted(Result result) { return result == Result::kSuccess || result == Result::kInProgress; }

/// Bytes of an element of an ncclDataType_t; 0 for one that is not known.
constexpr size_t size_of(int datatype) {
  constexpr std::array<uint8_t, 12> kSizes = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
  return datatype >= 0 && static_cast<size_t>(datatype) < kSizes.size() ? kSizes[static_cast<size_t>(datatype)] : 0;
}

}  // namespace banyan::preload::nccl
