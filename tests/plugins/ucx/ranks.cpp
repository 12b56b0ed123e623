// SPDX-License-Identifier: Apache-2.0
#include "ranks.hpp"

#include <dlfcn.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <new>
#include <stdexcept>

namespace banyan::ucx_test {

struct Shared {
  std::array<std::array<std::byte, BANYAN_TRANSPORT_MAX_ADDRESS>, kMaxRanks> addresses;
  std::array<std::atomic<size_t>, kMaxRanks> address_sizes;
  std::array<std::atomic<int>, kMaxRanks> barriers;
};

const banyan_transport_ops& plugin() {
  static const banyan_transport_ops* const ops = [] {
    void* library = dlopen(BANYAN_UCX_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw std::runtime_error(dlerror());
    }
    const auto query = reinterpret_cast<banyan_transport_query_fn>(dlsym(library, BANYAN_TRANSPORT_QUERY_SYMBOL));
    return query(BANYAN_TRANSPORT_ABI_VERSION);
  }();
  return *ops;
}

Rank::Rank(Shared& shared, int rank, int size, double timeout_s) : shared_(shared), rank_(rank), size_(size) {
  banyan_transport_config config = {};
  config.struct_size = sizeof(config);
  config.rank = rank;
  config.size = size;
  config.comm_id = 1;
  config.timeout_s = timeout_s;
  if (plugin().open(&config, &transport_) != BANYAN_OK) {
    throw std::runtime_error(plugin().last_error(nullptr));
  }
  connect_all();
}

Rank::~Rank() { close(); }

void Rank::close() {
  if (transport_ != nullptr) {
    plugin().close(transport_);
    transport_ = nullptr;
  }
}

void Rank::connect_all() {
  const auto self = static_cast<size_t>(rank_);
  size_t length = 0;
  ASSERT_EQ(plugin().get_address(transport_, shared_.addresses[self].data(), &length), BANYAN_OK) << last_error();
  shared_.address_sizes[self] = length;
  for (int peer = 0; peer < size_; ++peer) {
    const auto index = static_cast<size_t>(peer);
    while (shared_.address_sizes[index] == 0) {
      sched_yield();
    }
    const void* address = shared_.addresses[index].data();
    ASSERT_EQ(plugin().is_reachable(transport_, peer, address, shared_.address_sizes[index]), BANYAN_OK);
    ASSERT_EQ(plugin().connect(transport_, peer, address, shared_.address_sizes[index]), BANYAN_OK);
  }
}

banyan_status Rank::send(int peer, const void* buffer, size_t size, uint64_t tag, banyan_transport_request& request) {
  request = {};
  return plugin().post_send(transport_, peer, buffer, size, tag, &request);
}

banyan_status Rank::receive(int peer, void* buffer, size_t size, uint64_t tag, banyan_transport_request& request) {
  request = {};
  return plugin().post_recv(transport_, peer, buffer, size, tag, &request);
}

void Rank::progress() {
  int events = 0;
  ASSERT_EQ(plugin().progress(transport_, &events), BANYAN_OK);
  if (events == 0) {
    sched_yield();
  }
}

banyan_status Rank::wait(banyan_transport_request& request) {
  while (request.status == BANYAN_IN_PROGRESS) {
    progress();
  }
  return request.status;
}

void Rank::barrier(int expected) {
  const int generation = ++shared_.barriers[static_cast<size_t>(rank_)];
  for (;;) {
    int arrived = 0;
    for (int peer = 0; peer < size_; ++peer) {
      arrived += shared_.barriers[static_cast<size_t>(peer)] >= generation ? 1 : 0;
    }
    if (arrived >= expected) {
      return;
    }
    progress();
  }
}

namespace {

/// In the child: runs `body` and ends the process by exit(), so that the leak checker runs.
[[noreturn]] void run_child(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& exception) {
    ADD_FAILURE() << exception.what();
  }
  std::exit(testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS);
}

/// Waits for any of the children first: UCX sees a killed process as alive until it was waited for.
void expect_ends(size_t children, int killed) {
  int killed_seen = 0;
  for (size_t i = 0; i < children; ++i) {
    int status = 0;
    ASSERT_GT(wait(&status), 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      ++killed_seen;
    } else {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "a rank ended with wait status " << status;
    }
  }
  EXPECT_EQ(killed_seen, killed);
}

}  // namespace

void run_ranks(int size, const std::function<void(Rank&)>& body, int killed) {
  ASSERT_FALSE(testing::Test::HasFailure());  // a child would inherit it
  ASSERT_LE(size, kMaxRanks);
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = new (memory) Shared();
  for (int rank = 0; rank < size; ++rank) {
    std::cout.flush();
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) {
      run_child([&] {
        Rank self(*shared, rank, size);
        body(self);
      });
    }
  }
  expect_ends(static_cast<size_t>(size), killed);
  munmap(memory, sizeof(Shared));
}

void run_process(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    run_child(body);
  }
  expect_ends(1, 0);
}

std::vector<std::byte> pattern(int from, int to, uint64_t tag, size_t size) {
  std::vector<std::byte> bytes(size);
  uint64_t state = tag * 0x9e3779b97f4a7c15U + static_cast<uint64_t>(from) * 31 + static_cast<uint64_t>(to) + 1;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

}  // namespace banyan::ucx_test
