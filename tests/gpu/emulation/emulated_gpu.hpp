// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

/// Kernels on a CPU: each thread of a block is a fiber, each block a thread of the process, since its shared memory is
/// thread-local there. One fiber runs at a time; who is next, and which block
/// pauses, is drawn by lot, so that a seed gives a schedule. Memory
/// is sequentially consistent: what is seen here are protocols and collectives, not missing fences.
namespace banyan::emulation {

constexpr unsigned kWarp = 32;

struct Index {
  unsigned x = 0;
};

/// Of the fiber that runs.
struct Here {
  Index thread, block, block_size, grid_size;
};

[[nodiscard]] const Here& here();
/// Sweeps so far: a clock.
[[nodiscard]] uint64_t now();
/// Others run.
void yield();

/// Until all threads of the block have called it.
void sync_block();
/// Likewise; whether all gave true.
[[nodiscard]] bool sync_block_and(bool value);
/// Until so many threads of the block have called it.
void sync_some(unsigned threads);
/// Until `word` is not `seen`.
void await_change(const uint64_t& word, uint64_t seen);

/// All lanes of a warp must come to the same kind, or the run fails.
enum class Collective : uint8_t { kShuffle, kAll, kAny, kSync, kBallot, kMatch };
/// What the lanes gave, by lane.
[[nodiscard]] const uint64_t* collect(Collective kind, uint64_t value);

/// The actions of so many neighbouring lanes, with nothing between them.
void at_once(unsigned lanes, const std::function<void()>& action);

class Block;

/// Streams, and the GPUs that run them.
class EmulatedGpu {
 public:
  EmulatedGpu(int num_streams, unsigned seed);
  ~EmulatedGpu();
  EmulatedGpu(const EmulatedGpu&) = delete;
  EmulatedGpu& operator=(const EmulatedGpu&) = delete;

  /// Behind what the stream has: a kernel, which every thread of it calls.
  void launch(int stream, unsigned num_blocks, unsigned num_threads, std::function<void()> kernel);
  void call(int stream, std::function<void()> action);
  /// Nothing of the stream begins before that sweep.
  void delay(int stream, uint64_t sweeps);

  /// Until all streams are empty. What went wrong; empty: nothing.
  [[nodiscard]] std::string run();

 private:
  struct Step {
    unsigned num_blocks = 0, num_threads = 0;  ///< no blocks: a call
    std::function<void()> body;
    uint64_t not_before = 0;
  };
  struct Stream {
    std::vector<Step> steps;  ///< the first is next
    std::vector<std::unique_ptr<Block>> blocks;
  };

  bool advance(Stream& stream);

  std::vector<Stream> streams_;
  std::mt19937 random_;
};

}  // namespace banyan::emulation
