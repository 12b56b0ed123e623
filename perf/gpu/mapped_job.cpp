// SPDX-License-Identifier: Apache-2.0
#include "gpu/mapped_job.hpp"

#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace banyan::perf {

namespace {

/// At most, where ranks share it; each of its multiprocessors has room for two.
constexpr int kBlocksOfADevice = 128;

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kReporting{3};  ///< all ranks have said by then where they are
constexpr Seconds kDying{5};      ///< of a process that was killed

}  // namespace

struct SharedPage {
  std::atomic<uint64_t> arrived;
  std::atomic<int> gave_up;
  std::atomic<int> ended;  ///< ranks whose body is over, well or not
  struct Slot {
    char handle[BANYAN_DEVICE_MAX_HANDLE];
    size_t handle_size;
    double value;
    std::atomic<uint64_t> enqueued;  ///< exchanges
    std::atomic<uint64_t> barriers;  ///< that it came to
    std::atomic<bool> waits;         ///< in a barrier
    char note[128];
  };
  Slot slots[BANYAN_DEVICE_MAX_RANKS];

  /// For reports: it may be written meanwhile.
  [[nodiscard]] std::string where(int rank) const {
    const Slot& slot = slots[rank];
    return std::to_string(slot.enqueued.load()) + " exchanges enqueued, " + (slot.waits.load() ? "in" : "after") +
           " barrier " + std::to_string(slot.barriers.load()) + "; " +
           std::string(slot.note, ::strnlen(slot.note, sizeof(slot.note) - 1));
  }
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
  page_.slots[rank_].enqueued.fetch_add(1);
}

void MappedRank::note(const std::string& text) {
  char* const note = page_.slots[rank_].note;
  std::snprintf(note, sizeof(page_.slots[rank_].note), "%s", text.c_str());
}

std::string MappedRank::description() const {
  char text[8192];
  const bool good = group_ != nullptr && ops_.group_describe(group_, text, sizeof(text)) == BANYAN_OK;
  return good ? text : group_ == nullptr ? "no group yet" : ops_.last_error();
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
  page_.slots[rank_].enqueued.fetch_add(1);
}

banyan_device_failure MappedRank::failure() const {
  banyan_device_failure failure{};
  failure.struct_size = sizeof(failure);
  check(ops_.group_failure(group_, &failure), "group_failure");
  return failure;
}

void MappedRank::barrier() {
  SharedPage::Slot& own = page_.slots[rank_];
  own.barriers.fetch_add(1);
  own.waits.store(true);
  const auto size = static_cast<uint64_t>(size_);
  const uint64_t target = (page_.arrived.fetch_add(1) / size + 1) * size;
  const auto deadline = Clock::now() + std::chrono::minutes(1);
  while (page_.arrived.load() < target) {
    if (page_.gave_up.load() != 0 || Clock::now() > deadline) {
      throw std::runtime_error("another rank gave up, or did not come");
    }
    ::sched_yield();
  }
  own.waits.store(false);
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

/// Ends this rank's process after a while, unless it is destroyed before; then the rank has said where it is.
class Limit {
 public:
  Limit(SharedPage& page, int rank, double limit_s) {
    if (limit_s > 0) {
      thread_ = std::thread([this, &page, rank, limit_s] { watch(page, rank, limit_s); });
    }
  }
  ~Limit() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

  /// Who can tell more, from now on; or null.
  void set_rank(const MappedRank* rank) {
    const std::lock_guard<std::mutex> lock(mutex_);
    rank_ = rank;
  }

 private:
  void watch(SharedPage& page, int rank, double limit_s) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (changed_.wait_for(lock, Seconds(limit_s), [this] { return over_; })) {
      return;
    }
    std::fprintf(stderr, "rank %d: not over after %.0f s: %s\n", rank, limit_s, page.where(rank).c_str());
    if (rank_ != nullptr) {
      const banyan_device_failure failure = rank_->failure();
      std::fprintf(stderr, "rank %d: status %d, call %llu, peer %d; %s\n", rank, static_cast<int>(failure.status),
                   static_cast<unsigned long long>(failure.call), failure.peer, rank_->description().c_str());
    }
    std::fflush(nullptr);
    std::this_thread::sleep_for(kReporting / 2);  // nothing of this rank goes away while others say where they are
    page.gave_up.store(1);
    ::_exit(1);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  const MappedRank* rank_ = nullptr;
  std::thread thread_;
};

/// For a rank that ends without freeing what its peers may use.
void await_peers(const SharedPage& page, int size, double timeout_s) {
  const auto deadline = Clock::now() + Seconds(timeout_s) + kReporting;
  while (page.ended.load() < size && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// A rank's process: its exit status.
int be_rank(const banyan_device_ops& ops, SharedPage& page, int rank, int size, const JobOptions& options,
            const std::function<void(MappedRank&)>& body) {
  Limit limit(page, rank, options.limit_s);
  try {
    MappedRank one(ops, page, rank, size, options);
    limit.set_rank(&one);
    try {
      body(one);
    } catch (const std::exception& error) {
      page.gave_up.store(1);
      page.ended.fetch_add(1);
      std::fprintf(stderr, "rank %d: %s\nrank %d: %s; %s\n", rank, error.what(), rank, page.where(rank).c_str(),
                   one.description().c_str());
      await_peers(page, size, options.timeout_s);
      std::fflush(nullptr);
      ::_exit(1);
    }
    page.ended.fetch_add(1);
    limit.set_rank(nullptr);
  } catch (const std::exception& error) {
    page.gave_up.store(1);
    page.ended.fetch_add(1);
    std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
    return 1;
  }
  return 0;
}

/// Waits for the ranks' processes; how many ended badly.
int await_ranks(SharedPage& page, std::vector<pid_t> children, double limit_s) {
  const auto start = Clock::now();
  const Seconds patience = Seconds(limit_s) + kReporting;
  bool killed = false;
  int failed = 0, left = static_cast<int>(children.size());
  while (left > 0) {
    for (size_t rank = 0; rank < children.size(); ++rank) {
      int status = 0;
      if (children[rank] > 0 && ::waitpid(children[rank], &status, WNOHANG) == children[rank]) {
        children[rank] = 0;
        --left;
        const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        failed += good ? 0 : 1;
        page.gave_up.store(good ? page.gave_up.load() : 1);
        if (WIFSIGNALED(status)) {
          std::fprintf(stderr, "rank %zu: died of signal %d: %s\n", rank, WTERMSIG(status),
                       page.where(static_cast<int>(rank)).c_str());
        }
      } else if (children[rank] > 0 && limit_s > 0 && !killed && Clock::now() - start > patience) {
        std::fprintf(stderr, "rank %zu: killed: %s\n", rank, page.where(static_cast<int>(rank)).c_str());
        ::kill(children[rank], SIGKILL);
      }
    }
    killed = limit_s > 0 && Clock::now() - start > patience;
    if (killed && Clock::now() - start > patience + kDying) {
      std::fprintf(stderr, "%d ranks do not die\n", left);
      return failed + left;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return failed;
}

}  // namespace

int run_ranks(const banyan_device_ops& ops, int size, const JobOptions& options,
              const std::function<void(MappedRank&)>& body) {
  void* const memory = ::mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::runtime_error("mmap of the page that ranks share failed");
  }
  auto& page = *new (memory) SharedPage{};
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int code = be_rank(ops, page, rank, size, options, body);
      std::fflush(nullptr);
      ::_exit(code);
    }
    if (child < 0) {
      page.gave_up.store(1);
    } else {
      children.push_back(child);
    }
  }
  int failed = await_ranks(page, children, options.limit_s);
  failed += page.gave_up.load() != 0 && failed == 0 ? 1 : 0;
  ::munmap(memory, sizeof(SharedPage));
  return failed;
}

namespace {

constexpr int kNotReady = 255;

/// Of a process of its own: how many devices there are, or kNotReady; why, on stderr, where that is final.
int try_devices(const banyan_device_ops& ops, bool is_last) {
  int devices = 0;
  const banyan_status counted = ops.count(&devices);
  const bool has_none = counted == BANYAN_ERR_NOT_SUPPORTED;
  bool ready = counted == BANYAN_OK;
  for (int device = 0; ready && device < devices; ++device) {
    const banyan_device_config config{sizeof(config), device, 1};
    void* object = nullptr;
    void* memory = nullptr;
    ready = ops.open(&config, &object) == BANYAN_OK && ops.window_create(object, 4096, &memory) == BANYAN_OK &&
            ops.window_free(object, memory) == BANYAN_OK;
    if (ready) {
      ops.close(object);
    }
  }
  if (has_none || (is_last && !ready)) {
    std::fprintf(stderr, "%s\n", ops.last_error());
  }
  return has_none ? 0 : ready ? devices : kNotReady;
}

}  // namespace

int count_devices(const banyan_device_ops& ops) {
  constexpr Seconds kPatience{20};
  const auto start = Clock::now();
  while (true) {
    const bool last = Clock::now() - start > kPatience;
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int devices = try_devices(ops, last);
      std::fflush(nullptr);
      ::_exit(devices);
    }
    int status = 0;
    const bool exited = child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status);
    if (!exited || WEXITSTATUS(status) != kNotReady || last) {
      return exited && WEXITSTATUS(status) != kNotReady ? WEXITSTATUS(status) : 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

}  // namespace banyan::perf
