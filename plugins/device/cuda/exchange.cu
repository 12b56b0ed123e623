// SPDX-License-Identifier: Apache-2.0
#include "cuda/copy.cuh"
#include "cuda/exchange.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kAll = 0xffffffffU;
constexpr int kLanes = 8;  ///< store and load a line
constexpr size_t kLinesOfWarp = kWarp / kLanes;
constexpr int kUnroll = 2;  ///< so many lines of a lane are under way at once

/// Which lines of a pair this warp moves: kLinesOfWarp from `first` on, and so on every `step`.
struct LineShare {
  size_t first, step;
  int lane;  ///< of the eight

  /// This lane's line, of the pass that begins at `at`.
  [[nodiscard]] __device__ size_t line(size_t at, int pass) const {
    return at + static_cast<size_t>(pass) * step + threadIdx.x % kWarp / kLanes;
  }
};

__device__ LineShare line_share() {
  const size_t warps = blockDim.x / kWarp;
  return {(blockIdx.x * warps + threadIdx.x / kWarp) * kLinesOfWarp, gridDim.x * warps * kLinesOfWarp,
          static_cast<int>(threadIdx.x % kLanes)};
}

/// Words 15 i + 2 lane and the next of line i; the last lane's second word is the exchange's number. Loops are the same
/// for all lanes of a warp, so the eight of a line store it, and load it, at once.
__device__ void send_lines(const Exchange& exchange, uint64_t call, int peer) {
  const Move& move = exchange.moves[peer];
  char* const lines = exchange.inboxes[peer] + exchange.layout.lines(call, exchange.rank);
  const LineShare share = line_share();
  const size_t count = lines_of(move.send_bytes);
  const Words data(move.send, move.send_bytes);
  for (size_t at = share.first; at < count; at += kUnroll * share.step) {
    ulonglong2 pairs[kUnroll];
#pragma unroll
    for (int pass = 0; pass < kUnroll; ++pass) {
      const size_t word = 15 * share.line(at, pass) + 2 * static_cast<size_t>(share.lane);
      pairs[pass] = {data.load(word), share.lane == kLanes - 1 ? call : data.load(word + 1)};
    }
#pragma unroll
    for (int pass = 0; pass < kUnroll; ++pass) {
      const size_t line = share.line(at, pass);
      __syncwarp();
      if (line < count) {
        store_of_line(lines + line * kLineBytes + 16 * share.lane, pairs[pass]);
      }
    }
  }
}

/// False: the wait failed, here or elsewhere.
__device__ bool receive_lines(const Exchange& exchange, const Patience& patience, uint64_t call, int peer) {
  const Move& move = exchange.moves[peer];
  const char* const lines = exchange.inboxes[exchange.rank] + exchange.layout.lines(call, peer);
  const LineShare share = line_share();
  const size_t count = lines_of(move.recv_bytes);
  const Words data(move.recv, move.recv_bytes);
  for (size_t at = share.first; at < count; at += kUnroll * share.step) {
    ulonglong2 pairs[kUnroll];
    for (unsigned polls = 1;; ++polls) {
      bool there = true;
#pragma unroll
      for (int pass = 0; pass < kUnroll; ++pass) {
        const size_t line = share.line(at, pass);
        __syncwarp();
        pairs[pass] = line < count ? load_of_line(lines + line * kLineBytes + 16 * share.lane) : ulonglong2{0, call};
        const uint64_t number = __shfl_sync(kAll, pairs[pass].y, kLanes - 1, kLanes);  // all lanes, whatever they saw
        there = there && number == call;
      }
      if (__all_sync(kAll, there)) {
        break;
      }
      const bool looks = threadIdx.x % kWarp == 0 && polls % kPollsPerLook == 0;
      if (__any_sync(kAll, looks && patience.is_over(peer, call))) {
        return false;
      }
    }
#pragma unroll
    for (int pass = 0; pass < kUnroll; ++pass) {
      const size_t word = 15 * share.line(at, pass) + 2 * static_cast<size_t>(share.lane);
      data.store(word, pairs[pass].x);
      if (share.lane != kLanes - 1) {
        data.store(word + 1, pairs[pass].y);
      }
    }
  }
  return true;
}

__device__ bool is_eager(const Exchange& exchange, uint64_t bytes) { return bytes <= exchange.eager_bytes; }

/// What is pushed to this rank may lie there from now on: the stream has done what came before.
__device__ void grant_places(const Exchange& exchange, uint64_t call) {
  for (int peer = static_cast<int>(threadIdx.x); peer < exchange.layout.num_ranks;
       peer += static_cast<int>(blockDim.x)) {
    const Move& move = exchange.moves[peer];
    if (peer != exchange.rank && !is_eager(exchange, move.recv_bytes)) {
      store_pair(exchange.inboxes[peer] + exchange.layout.grant(exchange.rank), {move.grant, call});
    }
  }
}

/// Where the peer wants the data; null: the wait failed.
__device__ char* await_grant(const Exchange& exchange, const Patience& patience, uint64_t call, int peer) {
  __shared__ char* place;
  __syncthreads();  // the place before has been read
  if (threadIdx.x == 0) {
    const char* const grant = exchange.inboxes[exchange.rank] + exchange.layout.grant(peer);
    ulonglong2 pair = load_pair(grant);
    bool over = false;
    for (unsigned polls = 1; pair.y != call && !over; ++polls) {
      over = polls % kPollsPerLook == 0 && patience.is_over(peer, call);
      pair = load_pair(grant);
    }
    const uint64_t window = pair.x >> kOffsetBits;
    const uint64_t offset = pair.x & ((uint64_t{1} << kOffsetBits) - 1);
    const uint64_t base = window * static_cast<uint64_t>(exchange.layout.num_ranks) + static_cast<uint64_t>(peer);
    place = pair.y == call ? exchange.windows[base] + offset : nullptr;
  }
  __syncthreads();
  return place;
}

__device__ void copy_own(const Exchange& exchange, Share share) {
  const Move& own = exchange.moves[exchange.rank];
  copy_share(own.recv, own.send, own.send_bytes, share);
}

/// The pushing blocks' part of all pairs that are not eager, and then that it has arrived.
__device__ bool push(const Exchange& exchange, const Patience& patience, uint64_t call, unsigned pushing) {
  for (int step = 1; step < exchange.layout.num_ranks; ++step) {
    const int peer = (exchange.rank + step) % exchange.layout.num_ranks;
    const Move& move = exchange.moves[peer];
    if (!is_eager(exchange, move.send_bytes)) {
      char* const place = await_grant(exchange, patience, call, peer);
      if (place == nullptr) {
        return false;
      }
      copy_share(place, move.send, move.send_bytes, {blockIdx.x, pushing});
    }
  }
  __syncthreads();
  for (int peer = static_cast<int>(threadIdx.x); peer < exchange.layout.num_ranks;
       peer += static_cast<int>(blockDim.x)) {
    if (peer != exchange.rank && !is_eager(exchange, exchange.moves[peer].send_bytes)) {
      store_release(exchange.inboxes[peer] + exchange.layout.arrival(exchange.rank, blockIdx.x),
                    Arrival::word(call, pushing));
    }
  }
  return true;
}

/// Waits until all blocks of all peers have pushed what this rank granted places for.
__device__ void await_pushes(const Exchange& exchange, const Patience& patience, uint64_t call) {
  for (int i = static_cast<int>(threadIdx.x); i < exchange.layout.num_ranks * kMostPushers;
       i += static_cast<int>(blockDim.x)) {
    const int peer = i / kMostPushers;
    if (peer == exchange.rank || is_eager(exchange, exchange.moves[peer].recv_bytes)) {
      continue;
    }
    const char* const inbox = exchange.inboxes[exchange.rank];
    const auto block = static_cast<unsigned>(i % kMostPushers);
    uint64_t first = 0, own = 0;
    const bool good = await(patience, inbox + exchange.layout.arrival(peer, 0), call, peer, first);
    if (!good || (block < Arrival::parts(first) &&
                  !await(patience, inbox + exchange.layout.arrival(peer, block), call, peer, own))) {
      return;
    }
  }
}

/// The first blocks push, the last ones copy what stays, at the same time; or all blocks do both.
__device__ bool push_and_copy(const Exchange& exchange, const Patience& patience, uint64_t call) {
  const auto copying = static_cast<unsigned>(exchange.copying_blocks);
  const unsigned pushing = gridDim.x - copying;
  if (copying > 0 && blockIdx.x >= pushing) {
    copy_own(exchange, {blockIdx.x - pushing, copying});
    return true;
  }
  const bool good = exchange.pushes == 0 || push(exchange, patience, call, pushing);
  if (copying == 0) {
    copy_own(exchange, {blockIdx.x, gridDim.x});
  }
  return good;
}

__global__ void __launch_bounds__(kThreads, kBlocksOfSm) exchange_kernel(const __grid_constant__ Exchange exchange) {
  GroupState& state = *exchange.watch.state;
  const uint64_t call = begin_call(state.calls, state.failed);
  if (call == 0) {
    return;
  }
  const Patience patience(exchange.watch);
  const int num_ranks = exchange.layout.num_ranks;
  if (blockIdx.x == 0) {
    grant_places(exchange, call);
  }
  for (int step = 1; step < num_ranks; ++step) {
    const int peer = (exchange.rank + step) % num_ranks;
    if (is_eager(exchange, exchange.moves[peer].send_bytes)) {
      send_lines(exchange, call, peer);
    }
  }
  bool good = push_and_copy(exchange, patience, call);
  for (int step = 1; step < num_ranks && good; ++step) {
    const int peer = (exchange.rank + num_ranks - step) % num_ranks;
    if (is_eager(exchange, exchange.moves[peer].recv_bytes)) {
      good = receive_lines(exchange, patience, call, peer);
    }
  }
  if (blockIdx.x == 0) {
    await_pushes(exchange, patience, call);
  }
  if (is_last_block(state.blocks)) {
    end_call(state.calls, state.blocks, call);
  }
}

/// Says that what this rank sends may be read, and waits until what it receives may be. Ends no call.
__global__ void open_kernel(const __grid_constant__ Exchange exchange) {
  const uint64_t call = begin_call(exchange.watch.state->calls, exchange.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(exchange.watch);
  const auto peer = static_cast<int>(threadIdx.x);
  if (peer < exchange.layout.num_ranks && peer != exchange.rank) {
    uint64_t word = 0;
    store_release(exchange.inboxes[peer] + exchange.layout.ready(exchange.rank), Arrival::word(call, 0));
    await(patience, exchange.inboxes[exchange.rank] + exchange.layout.ready(peer), call, peer, word);
  }
}

/// Says that what the peers sent has been read, and waits until they have read what this rank sent.
__global__ void close_kernel(const __grid_constant__ Exchange exchange) {
  GroupState& state = *exchange.watch.state;
  const uint64_t call = begin_call(state.calls, state.failed);
  if (call == 0) {
    return;
  }
  const Patience patience(exchange.watch);
  const auto peer = static_cast<int>(threadIdx.x);
  if (peer < exchange.layout.num_ranks && peer != exchange.rank) {
    uint64_t word = 0;
    store_release(exchange.inboxes[peer] + exchange.layout.arrival(exchange.rank, 0), Arrival::word(call, 0));
    await(patience, exchange.inboxes[exchange.rank] + exchange.layout.arrival(peer, 0), call, peer, word);
  }
  __syncthreads();
  end_call(state.calls, state.blocks, call);
}

}  // namespace

cudaError_t launch_open(const Exchange& exchange, cudaStream_t stream) {
  void* arguments[] = {const_cast<Exchange*>(&exchange)};
  return cudaLaunchKernel(reinterpret_cast<const void*>(open_kernel), dim3(1), dim3(kPeerThreads), arguments, 0,
                          stream);
}

cudaError_t launch_close(const Exchange& exchange, cudaStream_t stream) {
  void* arguments[] = {const_cast<Exchange*>(&exchange)};
  return cudaLaunchKernel(reinterpret_cast<const void*>(close_kernel), dim3(1), dim3(kPeerThreads), arguments, 0,
                          stream);
}

cudaError_t launch_exchange(const Exchange& exchange, int num_blocks, cudaStream_t stream) {
  void* arguments[] = {const_cast<Exchange*>(&exchange)};
  return cudaLaunchKernel(reinterpret_cast<const void*>(exchange_kernel), dim3(static_cast<unsigned>(num_blocks)),
                          dim3(kThreads), arguments, 0, stream);
}

cudaError_t most_exchange_blocks_of_sm(int* blocks) {
  for (const void* const function :
       {reinterpret_cast<const void*>(open_kernel), reinterpret_cast<const void*>(close_kernel)}) {
    cudaFuncAttributes attributes{};
    const cudaError_t error = cudaFuncGetAttributes(&attributes, function);
    if (error != cudaSuccess) {
      return error;
    }
  }
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, exchange_kernel, kThreads, 0);
}

}  // namespace banyan::cuda
