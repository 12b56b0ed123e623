// SPDX-License-Identifier: Apache-2.0
#include "emulation/emulated_gpu.hpp"

#include "emulation/emulated_copies.hpp"

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <semaphore>
#include <thread>

namespace banyan::emulation {
namespace {

constexpr size_t kStackBytes = size_t{32} << 10;
constexpr uint64_t kMostSweeps = 3'000'000;
constexpr unsigned kNapOneIn = 256;  ///< sweeps
constexpr uint64_t kLongestNap = 150;

/// Those of a run; one run at a time.
uint64_t sweeps = 0;
std::string error;
unsigned lot = 0;  ///< of the sweep

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack;
  Here here;
  bool is_over = false;
  const uint64_t* counter = nullptr;  ///< it need not run while this is `number`
  uint64_t number = 0;
};

/// Where lanes meet.
struct Meeting {
  unsigned count = 0;
  uint64_t number = 0;
  Collective kind{};
  std::array<uint64_t, kWarp> values{}, done{};
  std::array<const std::function<void()>*, kWarp> actions{};
};

const char* name_of(Collective kind) {
  switch (kind) {
    case Collective::kShuffle:
      return "shuffle";
    case Collective::kAll:
      return "all";
    case Collective::kAny:
      return "any";
    case Collective::kBallot:
      return "ballot";
    case Collective::kMatch:
      return "match";
    default:
      return "sync";
  }
}

}  // namespace

class Block {
 public:
  Block(const Here& place, const std::function<void()>& kernel)
      : kernel_(kernel),
        num_threads_(place.block_size.x),
        fibers_(num_threads_),
        warps_(num_threads_ / kWarp),
        lines_(num_threads_) {
    for (unsigned i = 0; i < num_threads_; ++i) {
      fibers_[i].here = place;
      fibers_[i].here.thread.x = i;
    }
    thread_ = std::thread([this] { work(); });
  }
  ~Block() {
    stops_ = true;
    go_.release();
    thread_.join();
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Each fiber once; whether all are over.
  bool sweep() {
    go_.release();
    back_.acquire();
    return num_over_ == num_threads_;
  }

  uint64_t asleep_until = 0;

  [[nodiscard]] Fiber& fiber() { return fibers_[running_]; }
  void yield() { ::swapcontext(&fiber().context, &own_); }

  void sync() { meet(barrier_, num_threads_); }
  void sync_some(unsigned threads) { meet(part_, threads); }
  bool sync_and(bool value) {
    sync();
    all_ = true;
    sync();
    all_ = all_ && value;
    sync();
    return all_;
  }

  const uint64_t* collect(Collective kind, uint64_t value) {
    Meeting& warp = warps_[running_ / kWarp];
    if (warp.count > 0 && warp.kind != kind) {
      error = std::string("lanes of a warp are in different collectives: ") + name_of(warp.kind) + " and " +
              name_of(kind) + ", lane " + std::to_string(running_ % kWarp) + " of block " +
              std::to_string(fiber().here.block.x);
    }
    warp.kind = kind;
    warp.values[running_ % kWarp] = value;
    const uint64_t number = warp.number;
    if (++warp.count == kWarp) {
      warp.done = warp.values;
      warp.count = 0;
      ++warp.number;
    }
    wait_while(warp.number, number);
    return warp.done.data();
  }

  void at_once(unsigned lanes, const std::function<void()>& action) {
    Meeting& line = lines_[running_ / lanes];
    line.actions[running_ % lanes] = &action;
    const uint64_t number = line.number;
    if (++line.count == lanes) {
      for (unsigned lane = 0; lane < lanes; ++lane) {
        (*line.actions[lane])();
      }
      line.count = 0;
      ++line.number;
    }
    wait_while(line.number, number);
  }

  void wait_while(const uint64_t& counter, uint64_t number) {
    if (counter == number) {
      fiber().counter = &counter;
      fiber().number = number;
      yield();
      fiber().counter = nullptr;
    }
  }

 private:
  void meet(Meeting& meeting, unsigned threads) {
    const uint64_t number = meeting.number;
    if (++meeting.count == threads) {
      meeting.count = 0;
      ++meeting.number;
    }
    wait_while(meeting.number, number);
  }
  void work();
  static void enter();

  std::function<void()> kernel_;
  unsigned num_threads_;
  std::vector<Fiber> fibers_;
  std::vector<Meeting> warps_, lines_;
  Meeting barrier_, part_;
  bool all_ = true;
  ucontext_t own_{};
  unsigned running_ = 0, num_over_ = 0;
  bool stops_ = false;
  std::binary_semaphore go_{0}, back_{0};
  std::thread thread_;
};

namespace {

thread_local Block* current = nullptr;

}  // namespace

void Block::enter() {
  current->kernel_();
  current->fiber().is_over = true;
  ++current->num_over_;
  current->yield();
}

void Block::work() {
  current = this;
  for (Fiber& fiber : fibers_) {
    fiber.stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
    ::getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    ::makecontext(&fiber.context, &Block::enter, 0);
  }
  while (true) {
    go_.acquire();
    if (stops_) {
      return;
    }
    advance_copies(lot);
    for (unsigned i = 0; i < num_threads_ && error.empty(); ++i) {
      running_ = (i + lot) % num_threads_;
      const Fiber& next = fiber();
      if (!next.is_over && (next.counter == nullptr || *next.counter != next.number)) {
        ::swapcontext(&own_, &fiber().context);
      }
    }
    back_.release();
  }
}

const Here& here() { return current->fiber().here; }
uint64_t now() { return sweeps; }
void yield() { current->yield(); }
void sync_block() { current->sync(); }
bool sync_block_and(bool value) { return current->sync_and(value); }
void sync_some(unsigned threads) { current->sync_some(threads); }
void await_change(const uint64_t& word, uint64_t seen) { current->wait_while(word, seen); }
const uint64_t* collect(Collective kind, uint64_t value) { return current->collect(kind, value); }
void at_once(unsigned lanes, const std::function<void()>& action) { current->at_once(lanes, action); }

EmulatedGpu::EmulatedGpu(int num_streams, unsigned seed) : streams_(static_cast<size_t>(num_streams)), random_(seed) {
  sweeps = 0;
  error.clear();
}

EmulatedGpu::~EmulatedGpu() = default;

void EmulatedGpu::launch(int stream, unsigned num_blocks, unsigned num_threads, std::function<void()> kernel) {
  streams_[static_cast<size_t>(stream)].steps.push_back({num_blocks, num_threads, std::move(kernel), 0});
}

void EmulatedGpu::call(int stream, std::function<void()> action) {
  streams_[static_cast<size_t>(stream)].steps.push_back({0, 0, std::move(action), 0});
}

void EmulatedGpu::delay(int stream, uint64_t until) {
  streams_[static_cast<size_t>(stream)].steps.push_back({0, 0, [] {}, until});
}

/// Whether there is something left.
bool EmulatedGpu::advance(Stream& stream) {
  if (stream.blocks.empty()) {
    if (stream.steps.empty()) {
      return false;
    }
    const Step& step = stream.steps.front();
    if (sweeps < step.not_before) {
      return true;
    }
    for (unsigned block = 0; block < step.num_blocks; ++block) {
      stream.blocks.push_back(
          std::make_unique<Block>(Here{{0}, {block}, {step.num_threads}, {step.num_blocks}}, step.body));
    }
    if (step.num_blocks == 0) {
      step.body();
      stream.steps.erase(stream.steps.begin());
    }
    return true;
  }
  bool is_over = true;
  for (const auto& block : stream.blocks) {
    if (random_() % kNapOneIn == 0) {  // others may run far ahead meanwhile
      block->asleep_until = sweeps + random_() % kLongestNap;
    }
    const bool skipped = random_() % 8 == 0 || sweeps < block->asleep_until;
    is_over = !skipped && block->sweep() && is_over;
  }
  if (is_over) {
    stream.blocks.clear();
    stream.steps.erase(stream.steps.begin());
  }
  return true;
}

std::string EmulatedGpu::run() {
  bool left = true;
  while (left && error.empty()) {
    left = false;
    const size_t slow = random_() % (2 * streams_.size());
    for (size_t i = 0; i < streams_.size(); ++i) {
      lot = static_cast<unsigned>(random_());
      left = (i == slow && (!streams_[i].steps.empty() || !streams_[i].blocks.empty())) || advance(streams_[i]) || left;
    }
    if (++sweeps > kMostSweeps) {
      error = "the streams do not end";
    }
  }
  streams_.clear();
  return error;
}

}  // namespace banyan::emulation
