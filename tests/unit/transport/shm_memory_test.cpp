// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/error.hpp"
#include "transport/shm/memory.hpp"
#include "transport/shm/remote_read.hpp"

namespace banyan::transport::shm {
namespace {

constexpr size_t kSize = 2 * 4096;

banyan_status status_of_open(const MemoryAddress& address) {
  try {
    (void)open_memory(address);
    return BANYAN_OK;
  } catch (const Error& error) {
    return error.status();
  }
}

TEST(SharedMemory, IsZeroedSharedAndCannotShrink) {
  const Fd fd = make_shared_memory("test", kSize);
  const SharedMapping one(fd.get(), 0, kSize);
  const SharedMapping other(open_memory(address_of_memory(fd.get())).get(), 0, kSize);
  EXPECT_EQ(other.base()[kSize - 1], std::byte{0});
  one.base()[5] = std::byte{42};
  EXPECT_EQ(other.base()[5], std::byte{42});
  EXPECT_NE(::ftruncate(fd.get(), 4096), 0);
}

TEST(SharedMemory, GrowsAtItsEnd) {
  const Fd fd = make_shared_memory("test", kSize);
  EXPECT_EQ(grow_shared_memory(fd.get(), 4096), kSize);
  EXPECT_EQ(grow_shared_memory(fd.get(), 4096), kSize + 4096);
  const SharedMapping added(fd.get(), kSize, 4096);
  EXPECT_EQ(added.base()[4095], std::byte{0});
}

TEST(SharedMemory, MoreThanThereIsIsRefusedBeforeItIsTaken) {
  try {
    (void)make_shared_memory("test", size_t{1} << 60);
    FAIL() << "an exbibyte was given";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_NO_MEMORY);
    EXPECT_NE(std::strstr(error.what(), "available"), nullptr) << error.what();
  }
}

TEST(SharedMemory, WrongAddressesAreRefused) {
  const Fd fd = make_shared_memory("test", kSize);
  const MemoryAddress right = address_of_memory(fd.get());
  ASSERT_EQ(status_of_open(right), BANYAN_OK);
  MemoryAddress wrong = right;
  wrong.inode += 1;
  EXPECT_EQ(status_of_open(wrong), BANYAN_ERR_NOT_FOUND);
  wrong = right;
  wrong.size += 1;
  EXPECT_EQ(status_of_open(wrong), BANYAN_ERR_NOT_FOUND);
  wrong = right;
  wrong.fd = 9999;
  EXPECT_EQ(status_of_open(wrong), BANYAN_ERR_NOT_SUPPORTED);
  wrong = right;
  wrong.pid = -1;
  EXPECT_EQ(status_of_open(wrong), BANYAN_ERR_NOT_SUPPORTED);
}

TEST(SharedMemory, UnsealedMemoryIsRefused) {
  const Fd fd(::memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(fd.get(), kSize), 0);
  EXPECT_EQ(status_of_open(address_of_memory(fd.get())), BANYAN_ERR_NOT_FOUND);
}

/// A child that waits until it is killed.
class SleepingChild {
 public:
  SleepingChild() : pid_(::fork()) {
    if (pid_ == 0) {
      for (;;) {
        ::pause();
      }
    }
  }
  ~SleepingChild() { end(); }
  void end() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = 0;
    }
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(WatchProcess, GoneOrOtherProcessIsNotFound) {
  SleepingChild child;
  const pid_t pid = child.pid();
  const uint64_t start = process_start_time(pid);
  ASSERT_NE(start, 0U);
  EXPECT_TRUE(watch_process(pid, start));
  EXPECT_THROW((void)watch_process(pid, start + 1), Error);
  child.end();
  EXPECT_EQ(process_start_time(pid), 0U);
  EXPECT_THROW((void)watch_process(pid, start), Error);
}

TEST(RemoteRead, SaysWhoseMemoryIsMissing) {
  const SleepingChild child;
  char here[64] = {};
  static const char there[64] = "the child has this too";
  const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(there));
  ASSERT_EQ(read_process(child.pid(), address, here, sizeof(here)), RemoteRead::kDone);
  EXPECT_STREQ(here, there);
  EXPECT_EQ(read_process(child.pid(), 8, here, sizeof(here)), RemoteRead::kBadSource);
  EXPECT_EQ(read_process(child.pid(), address, reinterpret_cast<void*>(8), 16), RemoteRead::kBadTarget);
}

TEST(RemoteRead, PartlyMissingSourceIsBadSource) {
  void* area = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(area, MAP_FAILED);
  ASSERT_EQ(::munmap(static_cast<char*>(area) + 4096, 4096), 0);
  char here[8192];
  EXPECT_EQ(read_process(::getpid(), reinterpret_cast<uintptr_t>(area), here, sizeof(here)), RemoteRead::kBadSource);
  ::munmap(area, 4096);
}

TEST(RemoteRead, GoneProcessIsNoProcess) {
  SleepingChild child;
  const pid_t pid = child.pid();
  child.end();
  char here[8];
  EXPECT_EQ(read_process(pid, reinterpret_cast<uintptr_t>(here), here, sizeof(here)), RemoteRead::kNoProcess);
}

TEST(HostIdentity, IsFilledAndStable) {
  const HostIdentity mine = host_identity();
  EXPECT_EQ(mine, host_identity());
  EXPECT_NE(mine.boot_id[0], 0U);
  EXPECT_NE(mine.pid_namespace, 0U);
}

}  // namespace
}  // namespace banyan::transport::shm
