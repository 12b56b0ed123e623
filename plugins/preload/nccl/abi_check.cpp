// SPDX-License-Identifier: Apache-2.0
// Compiled where NCCL's header is: does it say what abi.hpp says?
#include <nccl.h>

#include <type_traits>

#include "nccl/abi.hpp"

namespace banyan::preload::nccl {
namespace {

/// Whether a parameter is passed in the same way: both pointers, both integers or enumerations of a size, both structs
/// of a size.
template <typename A, typename B>
constexpr bool is_passed_alike() {
  constexpr bool are_pointers = std::is_pointer_v<A> && std::is_pointer_v<B>;
  constexpr bool are_numbers = (std::is_enum_v<A> || std::is_integral_v<A>)&&(
                                   std::is_enum_v<B> || std::is_integral_v<B>)&&sizeof(A) == sizeof(B);
  constexpr bool are_structs = std::is_class_v<A> && std::is_class_v<B> && sizeof(A) == sizeof(B) &&
                               std::is_trivially_copyable_v<A> && std::is_trivially_copyable_v<B>;
  return are_pointers || are_numbers || are_structs;
}

template <typename ResultA, typename... A, typename ResultB, typename... B>
constexpr bool is_called_alike(ResultA (*)(A...), ResultB (*)(B...)) {
  if constexpr (sizeof...(A) == sizeof...(B)) {
    return is_passed_alike<ResultA, ResultB>() && (is_passed_alike<A, B>() && ...);
  } else {
    return false;
  }
}

constexpr Functions kOurs;
static_assert(is_called_alike(&ncclGetVersion, kOurs.get_version));
static_assert(is_called_alike(&ncclCommCount, kOurs.comm_count));
static_assert(is_called_alike(&ncclCommUserRank, kOurs.comm_user_rank));
static_assert(is_called_alike(&ncclCommGetAsyncError, kOurs.comm_get_async_error));
static_assert(is_called_alike(&ncclSend, kOurs.send));
static_assert(is_called_alike(&ncclRecv, kOurs.recv));
static_assert(is_called_alike(&ncclGroupStart, kOurs.group_start));
static_assert(is_called_alike(&ncclGroupEnd, kOurs.group_end));
static_assert(is_called_alike(&ncclCommInitRank, kOurs.comm_init_rank));
static_assert(is_called_alike(&ncclCommInitAll, kOurs.comm_init_all));
static_assert(is_called_alike(&ncclCommDestroy, kOurs.comm_destroy));
static_assert(is_called_alike(&ncclCommAbort, kOurs.comm_abort));
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0)
static_assert(is_called_alike(&ncclCommInitRankConfig, kOurs.comm_init_rank_config));
static_assert(is_called_alike(&ncclCommFinalize, kOurs.comm_finalize));
static_assert(is_called_alike(&ncclCommSplit, kOurs.comm_split));
#endif
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 23, 0)
static_assert(is_called_alike(&ncclGroupSimulateEnd, kOurs.group_simulate_end));
static_assert(is_called_alike(&ncclCommInitRankScalable, kOurs.comm_init_rank_scalable));
#endif
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 28, 9)
static_assert(is_called_alike(&ncclAlltoAll, kOurs.alltoall));
static_assert(is_called_alike(&ncclCommShrink, kOurs.comm_shrink));
static_assert(is_called_alike(&ncclCommRevoke, kOurs.comm_revoke));
static_assert(size_of(ncclFloat8e4m3) == 1 && size_of(ncclFloat8e5m2) == 1);
#endif
static_assert(sizeof(UniqueId) == sizeof(ncclUniqueId));
static_assert(static_cast<int>(Result::kSuccess) == ncclSuccess);
static_assert(static_cast<int>(Result::kInvalidUsage) == ncclInvalidUsage);
static_assert(static_cast<int>(Result::kInProgress) == ncclInProgress);
static_assert(size_of(ncclInt8) == 1 && size_of(ncclUint8) == 1 && size_of(ncclInt32) == 4 && size_of(ncclUint32) == 4);
static_assert(size_of(ncclInt64) == 8 && size_of(ncclUint64) == 8 && size_of(ncclFloat16) == 2);
static_assert(size_of(ncclFloat32) == 4 && size_of(ncclFloat64) == 8 && size_of(ncclBfloat16) == 2);

}  // namespace
}  // namespace banyan::preload::nccl
