// SPDX-License-Identifier: Apache-2.0
#include "gpu/mapped_job.hpp"

#include <dlfcn.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace banyan::perf {

namespace {

/// At most, where ranks share it; each of its multiprocessors has room for two.
constexpr int kBlocksOfADevice = 128;

}  // namespace

struct SharedPage {
  std::atomic<uint64_t> arrived;
  std::atomic<int> gave_up;
  struct Slot {
    char handle[BANYAN_DEVICE_MAX_HANDLE];
    size_t handle_size;
    double value;
  };
  Slot slots[BANYAN_DEVICE_MAX_RANKS];
};

MappedRank::MappedRank(const banyan_device_ops& ops, SharedPage& page, int rank, int size, const JobOptions& options)
    : ops_(ops), page_(page), rank_(rank), size_(size) {
  int devices = 0;
  check(ops_.count(&devices), "count");
  device_ = rank % devices;
  const banyan_device_config config{sizeof(config), device_, options.timeout_s};
  check(ops_.open(&config, &object_), "open");
  check(ops_.window_create(object_, ops_.inbox_bytes(size, options.eager_bytes), &inbox_), "window_create");
  const auto inboxes = share(inbox_, inbox_tokens_);
  const int sharing = (size + devices - 1) / devices;
  const int most = sharing > 1 ? kBlocksOfADevice / sharing : 0;
  const banyan_device_group_config group{
      sizeof(group), rank, size, options.eager_bytes, options.max_blocks > 0 ? options.max_blocks : most,
      inboxes.data()};
  check(ops_.group_create(object_, &group, &group_), "group_create");
}

MappedRank::~MappedRank() {
  try {
    barrier();  // nobody's kernels use what is freed now
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d: at the end: %s\n", rank_, error.what());
  }
  ops_.group_free(group_);
  windows_.insert(windows_.end(), areas_.begin(), areas_.end());
  windows_.push_back({static_cast<char*>(inbox_), 0, {}, inbox_tokens_});
  for (const Window& window : windows_) {
    for (void* const token : window.tokens) {
      static_cast<void>(token == nullptr ? BANYAN_OK : ops_.window_unmap(object_, token));
    }
  }
  try {
    barrier();
  } catch (const std::exception&) {
  }
  for (const Window& window : windows_) {
    static_cast<void>(ops_.window_free(object_, window.base));
  }
  ops_.close(object_);
}

void MappedRank::check(banyan_status status, const char* what) const {
  if (status != BANYAN_OK) {
    throw std::runtime_error(std::string(what) + ": " + ops_.last_error());
  }
}

std::vector<void*> MappedRank::share(const void* address, std::vector<void*>& tokens) {
  SharedPage::Slot& own = page_.slots[rank_];
  check(ops_.window_export(object_, address, own.handle, &own.handle_size), "window_export");
  barrier();
  std::vector<void*> mapped(static_cast<size_t>(size_));
  tokens.assign(static_cast<size_t>(size_), nullptr);
  for (int peer = 0; peer < size_; ++peer) {
    const auto index = static_cast<size_t>(peer);
    const SharedPage::Slot& slot = page_.slots[peer];
    check(ops_.window_map(object_, slot.handle, slot.handle_size, &mapped[index], &tokens[index]), "window_map");
  }
  barrier();  // the slots may be written again
  return mapped;
}

void MappedRank::pull(const std::vector<banyan_device_move>& moves, void* stream) {
  check(ops_.pull(group_, moves.data(), stream), "pull");
}

MappedRank::Window MappedRank::make_memory(size_t bytes) {
  void* base = nullptr;
  check(ops_.window_create(object_, bytes, &base), "window_create");
  Window window{static_cast<char*>(base), bytes, {}, {}};
  window.mapped = share(base, window.tokens);
  return window;
}

char* MappedRank::make_window(size_t bytes) {
  windows_.push_back(make_memory(bytes));
  Window& window = windows_.back();
  check(ops_.group_add_window(group_, window.mapped.data(), bytes), "group_add_window");
  return window.base;
}

std::vector<void*> MappedRank::make_area(size_t bytes) {
  areas_.push_back(make_memory(bytes));
  return areas_.back().mapped;
}

char* MappedRank::peer_window(int window, int peer) const {
  return static_cast<char*>(windows_[static_cast<size_t>(window)].mapped[static_cast<size_t>(peer)]);
}

void MappedRank::exchange(std::vector<banyan_device_move> moves, void* stream) {
  for (banyan_device_move& move : moves) {
    move.window = -1;
    for (size_t i = 0; i < windows_.size(); ++i) {
      const auto* const recv = static_cast<const char*>(move.recv);
      if (recv >= windows_[i].base && recv < windows_[i].base + windows_[i].bytes) {
        move.window = static_cast<int>(i);
      }
    }
  }
  check(ops_.exchange(group_, moves.data(), stream), "exchange");
}

banyan_device_failure MappedRank::failure() const {
  banyan_device_failure failure{};
  failure.struct_size = sizeof(failure);
  check(ops_.group_failure(group_, &failure), "group_failure");
  return failure;
}

void MappedRank::barrier() {
  const auto size = static_cast<uint64_t>(size_);
  const uint64_t target = (page_.arrived.fetch_add(1) / size + 1) * size;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (page_.arrived.load() < target) {
    if (page_.gave_up.load() != 0 || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("another rank gave up, or did not come");
    }
    ::sched_yield();
  }
}

double MappedRank::max(double value) {
  page_.slots[rank_].value = value;
  barrier();
  double most = value;
  for (int peer = 0; peer < size_; ++peer) {
    most = std::max(most, page_.slots[peer].value);
  }
  barrier();
  return most;
}

void MappedRank::broadcast(void* bytes, size_t size) {
  if (rank_ == 0) {
    std::memcpy(page_.slots[0].handle, bytes, size);
  }
  barrier();
  std::memcpy(bytes, page_.slots[0].handle, size);
  barrier();
}

const banyan_device_ops& load_plugin(const std::string& folder) {
  const std::string path = folder + "/libbanyan_device_cuda.so";
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw std::runtime_error(::dlerror());
  }
  const auto query = reinterpret_cast<banyan_device_query_fn>(::dlsym(library, BANYAN_DEVICE_QUERY_SYMBOL));
  const banyan_device_ops* const ops = query == nullptr ? nullptr : query(BANYAN_DEVICE_ABI_VERSION);
  if (ops == nullptr) {
    throw std::runtime_error(path + " offers no table of this version");
  }
  return *ops;
}

namespace {

/// A rank's process: its exit status.
int be_rank(const banyan_device_ops& ops, SharedPage& page, int rank, int size, const JobOptions& options,
            const std::function<void(MappedRank&)>& body) {
  try {
    MappedRank one(ops, page, rank, size, options);
    try {
      body(one);
    } catch (const std::exception& error) {
      page.gave_up.store(1);
      std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
      std::fflush(nullptr);
      ::_exit(1);  // nothing is freed: peers may still store there
    }
  } catch (const std::exception& error) {
    page.gave_up.store(1);
    std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
    return 1;
  }
  return 0;
}

bool ended_well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

}  // namespace

int run_ranks(const banyan_device_ops& ops, int size, const JobOptions& options,
              const std::function<void(MappedRank&)>& body) {
  void* const memory = ::mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::runtime_error("mmap of the page that ranks share failed");
  }
  auto& page = *new (memory) SharedPage{};
  for (int rank = 0; rank < size; ++rank) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int code = be_rank(ops, page, rank, size, options, body);
      std::fflush(nullptr);
      ::_exit(code);
    }
    page.gave_up.store(child < 0 ? 1 : page.gave_up.load());
  }
  int failed = 0;
  int status = 0;
  while (::wait(&status) > 0) {
    if (!ended_well(status)) {
      page.gave_up.store(1);
      ++failed;
    }
  }
  failed += page.gave_up.load() != 0 && failed == 0 ? 1 : 0;
  ::munmap(memory, sizeof(SharedPage));
  return failed;
}

int count_devices(const banyan_device_ops& ops) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    int devices = 0;
    if (ops.count(&devices) != BANYAN_OK) {
      std::fprintf(stderr, "%s\n", ops.last_error());
      devices = 0;
    }
    ::_exit(devices);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

}  // namespace banyan::perf
