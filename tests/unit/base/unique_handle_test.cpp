// SPDX-License-Identifier: Apache-2.0
#include "base/unique_handle.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

#include "base/fd.hpp"

namespace banyan {
namespace {

std::vector<int>& destroyed() {
  static std::vector<int> values;
  return values;
}

struct RecordingTraits {
  using Type = int;
  static int null() noexcept { return 0; }
  static void destroy(int value) noexcept { destroyed().push_back(value); }
};
using Handle = UniqueHandle<RecordingTraits>;

static_assert(!std::is_copy_constructible_v<Handle> && !std::is_copy_assignable_v<Handle>);
static_assert(std::is_nothrow_move_constructible_v<Handle> && std::is_nothrow_move_assignable_v<Handle>);

class UniqueHandleTest : public testing::Test {
 protected:
  UniqueHandleTest() { destroyed().clear(); }
};

TEST_F(UniqueHandleTest, OutOfScopeThenDestroyedOnce) {
  { const Handle handle(7); }
  EXPECT_EQ(destroyed(), std::vector<int>{7});
}

TEST_F(UniqueHandleTest, NullThenNotDestroyed) {
  { const Handle handle; }
  EXPECT_TRUE(destroyed().empty());
}

TEST_F(UniqueHandleTest, MovedThenOnlyTheNewOwnerDestroys) {
  {
    Handle first(7);
    const Handle second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): moved-from is null by contract
    EXPECT_EQ(second.get(), 7);
  }
  EXPECT_EQ(destroyed(), std::vector<int>{7});
}

TEST_F(UniqueHandleTest, AssignedThenTheOldValueIsDestroyed) {
  Handle handle(1);
  handle = Handle(2);
  EXPECT_EQ(destroyed(), std::vector<int>{1});
  EXPECT_EQ(handle.get(), 2);
}

TEST_F(UniqueHandleTest, AssignedToItselfThenKept) {
  Handle handle(1);
  Handle& same = handle;
  handle = std::move(same);
  EXPECT_TRUE(destroyed().empty());
  EXPECT_EQ(handle.get(), 1);
}

TEST_F(UniqueHandleTest, ReleasedThenTheCallerOwns) {
  {
    Handle handle(1);
    EXPECT_EQ(handle.release(), 1);
  }
  EXPECT_TRUE(destroyed().empty());
}

TEST(FdTest, OutOfScopeThenClosed) {
  int raw = -1;
  {
    const Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd);
    raw = fd.get();
  }
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

}  // namespace
}  // namespace banyan
