// SPDX-License-Identifier: Apache-2.0
#include "compare/mpich_names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::perf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(MpichNames, AreThoseOfMpich402InTheOrderOfTheirNumbers) {
  EXPECT_THAT(
      mpich_algorithm_names(
          "Variable to select alltoall algorithmauto - Internal algorithm selection (can be overridden with "
          "MPIR_CVAR_COLL_SELECTION_TUNING_JSON_FILE)brucks                    - Force brucks algorithmnb           "
          "             - Force nonblocking algorithmpairwise                  - Force pairwise "
          "algorithmpairwise_sendrecv_replace - Force pairwise sendrecv replace algorithmscattered               "
          "  - Force scattered algorithm"),
      ElementsAre("auto", "brucks", "nb", "pairwise", "pairwise_sendrecv_replace", "scattered"));
}

TEST(MpichNames, OfAnotherFormAreNotGuessed) {
  EXPECT_THAT(mpich_algorithm_names(""), IsEmpty());
  EXPECT_THAT(mpich_algorithm_names("algorithm: one of brucks, pairwise"), IsEmpty());
  EXPECT_THAT(mpich_algorithm_names("algorithm brucks - Force brucks algorithm"), IsEmpty());  // numbers would be off
}

}  // namespace
}  // namespace banyan::perf
