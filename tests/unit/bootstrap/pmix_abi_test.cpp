// SPDX-License-Identifier: Apache-2.0
// The declarations of bootstrap/pmix_abi.hpp against the installed header: differences do not compile.
#include "bootstrap/pmix_abi.hpp"

#include <gtest/gtest.h>
#include <pmix.h>

#include <cstddef>
#include <type_traits>

namespace banyan::bootstrap::pmix {
namespace {

static_assert(sizeof(Proc) == sizeof(pmix_proc_t) && offsetof(Proc, rank) == offsetof(pmix_proc_t, rank));
static_assert(sizeof(Value) == sizeof(pmix_value_t) && offsetof(Value, data) == offsetof(pmix_value_t, data));
static_assert(sizeof(Info) == sizeof(pmix_info_t) && offsetof(Info, flags) == offsetof(pmix_info_t, flags) &&
              offsetof(Info, value) == offsetof(pmix_info_t, value));
static_assert(kRankWildcard == PMIX_RANK_WILDCARD);
static_assert(kTypeBool == PMIX_BOOL && kTypeString == PMIX_STRING && kTypeUint16 == PMIX_UINT16 &&
              kTypeUint32 == PMIX_UINT32);
static_assert(kScopeGlobal == PMIX_GLOBAL && kSuccess == PMIX_SUCCESS && kErrorUnreachable == PMIX_ERR_UNREACH);
static_assert(std::is_same_v<decltype(pmix_value_t::type), uint16_t> && std::is_same_v<pmix_scope_t, uint8_t> &&
              std::is_same_v<pmix_status_t, int>);

TEST(PmixAbi, KeysAreThoseOfTheHeader) {
  EXPECT_STREQ(PMIX_JOB_SIZE, "pmix.job.size");
  EXPECT_STREQ(PMIX_LOCAL_SIZE, "pmix.local.size");
  EXPECT_STREQ(PMIX_LOCAL_RANK, "pmix.lrank");
  EXPECT_STREQ(PMIX_NODEID, "pmix.nodeid");
  EXPECT_STREQ(PMIX_COLLECT_DATA, "pmix.collect");
}

}  // namespace
}  // namespace banyan::bootstrap::pmix
