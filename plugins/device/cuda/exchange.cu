// SPDX-License-Identifier: Apache-2.0
#include "cuda/copy.cuh"
#include "cuda/exchange.cuh"
#include "cuda/wait.cuh"

namespace banyan::cuda {
namespace {

/// The block's part of the lines of a pair: eight lanes a line.
struct LineShare {
  size_t first, step;
  int lane;  ///< of the eight
};

__device__ LineShare line_share() {
  const size_t per_block = blockDim.x / 8;
  return {blockIdx.x * per_block + threadIdx.x / 8, gridDim.x * per_block, static_cast<int>(threadIdx.x % 8)};
}

/// The lanes of this thread's line, in its warp.
__device__ unsigned eight_lanes() { return 0xffU << (threadIdx.x % 32 / 8 * 8); }

/// Words 15 i + 2 lane and the next of line i; the last lane's second word is the exchange's number.
__device__ void send_lines(const Exchange& exchange, uint64_t call, int peer) {
  const Move& move = exchange.moves[peer];
  char* const lines = exchange.inboxes[peer] + exchange.layout.lines(call, exchange.rank);
  const LineShare share = line_share();
  const size_t count = lines_of(move.send_bytes);
  const Words data(move.send, move.send_bytes);
  for (size_t i = share.first; i < count; i += share.step) {
    const size_t word = 15 * i + 2 * static_cast<size_t>(share.lane);
    const ulonglong2 pair{data.load(word), share.lane == 7 ? call : data.load(word + 1)};
    __syncwarp(eight_lanes());  // one store of all eight
    store_pair(lines + i * kLineBytes + 16 * share.lane, pair);
  }
}

/// False: the wait failed, here or elsewhere.
__device__ bool receive_lines(const Exchange& exchange, const Patience& patience, uint64_t call, int peer) {
  const Move& move = exchange.moves[peer];
  const char* const lines = exchange.inboxes[exchange.rank] + exchange.layout.lines(call, peer);
  const LineShare share = line_share();
  const size_t count = lines_of(move.recv_bytes);
  const unsigned eight = eight_lanes();
  const Words data(move.recv, move.recv_bytes);
  for (size_t i = share.first; i < count; i += share.step) {
    const size_t word = 15 * i + 2 * static_cast<size_t>(share.lane);
    ulonglong2 pair;
    for (unsigned polls = 1;; ++polls) {
      __syncwarp(eight);
      pair = load_pair(lines + i * kLineBytes + 16 * share.lane);
      if (__shfl_sync(eight, pair.y, 7, 8) == call) {
        break;
      }
      // One lane looks, so that all eight leave together.
      const bool over = share.lane == 0 && polls % kPollsPerLook == 0 && patience.is_over(exchange, peer, call);
      if (__shfl_sync(eight, over, 0, 8)) {
        return false;
      }
    }
    data.store(word, pair.x);
    if (share.lane != 7) {
      data.store(word + 1, pair.y);
    }
  }
  return true;
}

__device__ bool is_eager(const Exchange& exchange, uint64_t bytes) { return bytes <= exchange.eager_bytes; }

__device__ void grant_places(const Exchange& exchange, uint64_t call) {
  for (int peer = static_cast<int>(threadIdx.x); peer < exchange.layout.num_ranks;
       peer += static_cast<int>(blockDim.x)) {
    const Move& move = exchange.moves[peer];
    if (peer != exchange.rank && !is_eager(exchange, move.recv_bytes)) {
      post(exchange.inboxes[peer] + exchange.layout.grant(exchange.rank), {move.grant, call});
    }
  }
}

/// Where the peer wants the data; null: the wait failed.
__device__ char* await_grant(const Exchange& exchange, const Patience& patience, uint64_t call, int peer) {
  __shared__ char* place;
  __syncthreads();  // the place before has been read
  if (threadIdx.x == 0) {
    Note note;
    place = nullptr;
    if (await(exchange, patience, exchange.inboxes[exchange.rank] + exchange.layout.grant(peer), call, peer, note)) {
      const uint64_t window = note.value >> kOffsetBits;
      const uint64_t offset = note.value & ((uint64_t{1} << kOffsetBits) - 1);
      place =
          exchange.windows[window * static_cast<uint64_t>(exchange.layout.num_ranks) + static_cast<uint64_t>(peer)] +
          offset;
    }
  }
  __syncthreads();
  return place;
}

/// Whether this block is the last one of the exchange; what the others stored came before.
__device__ bool is_last_block(GroupState& state) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence_system();
    last = atomicAdd(&state.blocks, 1) == gridDim.x - 1;
    __threadfence_system();
  }
  __syncthreads();
  return last;
}

/// Tells receivers that their data has arrived, and waits for what was pushed here.
__device__ void end_pushes(const Exchange& exchange, const Patience& patience, uint64_t call, bool failed) {
  for (int peer = static_cast<int>(threadIdx.x); peer < exchange.layout.num_ranks;
       peer += static_cast<int>(blockDim.x)) {
    const Move& move = exchange.moves[peer];
    if (peer != exchange.rank && !failed && !is_eager(exchange, move.send_bytes)) {
      post(exchange.inboxes[peer] + exchange.layout.arrival(exchange.rank), {0, call});
    }
  }
  for (int peer = static_cast<int>(threadIdx.x); peer < exchange.layout.num_ranks;
       peer += static_cast<int>(blockDim.x)) {
    const Move& move = exchange.moves[peer];
    Note note;
    if (peer != exchange.rank && !failed && !is_eager(exchange, move.recv_bytes)) {
      await(exchange, patience, exchange.inboxes[exchange.rank] + exchange.layout.arrival(peer), call, peer, note);
    }
  }
}

/// The first blocks push, the last ones copy what stays, at the same time; or all blocks do both.
__device__ bool push_or_copy_own(const Exchange& exchange, const Patience& patience, uint64_t call) {
  const auto copying = static_cast<unsigned>(exchange.copying_blocks);
  const unsigned pushing = gridDim.x - copying;
  const bool copies = copying == 0 || blockIdx.x >= pushing;
  if (copies) {
    const Move& own = exchange.moves[exchange.rank];
    const Share share = copying == 0 ? Share{blockIdx.x, gridDim.x} : Share{blockIdx.x - pushing, copying};
    copy_share(own.recv, own.send, own.send_bytes, share);
  }
  if (copies && copying > 0) {
    return true;
  }
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
  return true;
}

__global__ void __launch_bounds__(kThreads) exchange_kernel(const __grid_constant__ Exchange exchange) {
  GroupState& state = *exchange.state;
  if (load_word(&state.failed) != 0) {
    return;  // all blocks alike: it was set before this kernel began, or the exchange is lost
  }
  const uint64_t call = state.calls + 1;
  const Patience patience(exchange.timeout_ns);
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
  bool good = push_or_copy_own(exchange, patience, call);
  for (int step = 1; step < num_ranks && good; ++step) {
    const int peer = (exchange.rank + num_ranks - step) % num_ranks;
    if (is_eager(exchange, exchange.moves[peer].recv_bytes)) {
      good = receive_lines(exchange, patience, call, peer);
    }
  }
  if (is_last_block(state)) {
    end_pushes(exchange, patience, call, load_word(&state.failed) != 0);
    if (threadIdx.x == 0) {
      state.blocks = 0;
      state.calls = call;
    }
  }
}

}  // namespace

cudaError_t launch_exchange(const Exchange& exchange, int num_blocks, cudaStream_t stream) {
  exchange_kernel<<<static_cast<unsigned>(num_blocks), kThreads, 0, stream>>>(exchange);
  return cudaGetLastError();
}

}  // namespace banyan::cuda
