// SPDX-License-Identifier: Apache-2.0
#include "cuda/group.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

#include "cuda/failure.hpp"

namespace banyan::cuda {
namespace {

constexpr double kLongest_s = 1e9;
constexpr size_t kStateBytes = 256;
constexpr auto kReading = std::chrono::seconds(1);

size_t pointers_bytes(int count) { return sizeof(char*) * static_cast<size_t>(count); }

}  // namespace

Group::Group(const Device& device, const banyan_device_group_config& config)
    : device_(device), max_blocks_(config.max_blocks > 0 ? config.max_blocks : device.num_sms()) {
  if (config.size < 1 || config.size > BANYAN_DEVICE_MAX_RANKS || config.rank < 0 || config.rank >= config.size) {
    throw Failure{BANYAN_ERR_LIMIT, "rank " + std::to_string(config.rank) + " of " + std::to_string(config.size) +
                                        " in a mapped group; at most " + std::to_string(BANYAN_DEVICE_MAX_RANKS)};
  }
  const CurrentDevice current(device.ordinal());
  int of_sm = 0;
  check(most_exchange_blocks_of_sm(&of_sm), "asking how many blocks fit");
  max_blocks_ = std::clamp(max_blocks_, 1, std::max(1, of_sm * device.num_sms()));
  try {
    check(cudaMalloc(&memory_, kStateBytes + pointers_bytes(config.size * kMaxWindows)), "allocating a group's state");
    check(cudaMemset(memory_, 0, kStateBytes), "clearing a group's state");
    check(cudaStreamSynchronize(nullptr), "clearing a group's state");  // non-blocking streams do not wait for it
    next_.rank = config.rank;
    next_.layout = {config.size, lines_of(config.eager_bytes)};
    const size_t seen_bytes = kStateBytes + header_bytes() + 2 * sizeof(uint64_t) * static_cast<size_t>(config.size);
    check(cudaHostAlloc(reinterpret_cast<void**>(&words_), kStateBytes + seen_bytes, cudaHostAllocMapped),
          "allocating a group's words");
    *words_ = {};
    seen_ = reinterpret_cast<char*>(words_) + kStateBytes;
    for (cudaEvent_t* const event : {&last_, &fork_, &join_}) {
      check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "making an event");
    }
    for (cudaStream_t* const stream : {&side_, &beside_}) {
      check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "making a stream");
    }
    auto* const memory = static_cast<char*>(memory_);
    next_.eager_bytes = config.eager_bytes;
    next_.watch.timeout_ns = static_cast<uint64_t>(std::min(device.timeout_s(), kLongest_s) * 1e9);
    next_.watch.state = reinterpret_cast<GroupState*>(memory);
    next_.windows = reinterpret_cast<char* const*>(memory + kStateBytes);
    for (int peer = 0; peer < config.size; ++peer) {
      next_.inboxes[peer] = static_cast<char*>(config.inboxes[peer]);
    }
    check(cudaHostGetDevicePointer(reinterpret_cast<void**>(&next_.watch.words), words_, 0), "mapping a group's words");
  } catch (...) {
    release();
    throw;
  }
}

Group::~Group() { release(); }

void Group::release() noexcept {
  for (const cudaEvent_t event : {last_, fork_, join_}) {
    static_cast<void>(event == nullptr ? cudaSuccess : cudaEventDestroy(event));
  }
  for (const cudaStream_t stream : {side_, beside_}) {
    static_cast<void>(stream == nullptr ? cudaSuccess : cudaStreamDestroy(stream));
  }
  if (words_ != nullptr) {
    static_cast<void>(cudaFreeHost(words_));
  }
  if (memory_ != nullptr) {
    static_cast<void>(cudaFree(memory_));
  }
}

void Group::add_window(void* const* bases, size_t own_bytes) {
  const CurrentDevice current(device_.ordinal());
  if (windows_.size() == kMaxWindows) {
    throw Failure{BANYAN_ERR_LIMIT, "a group has " + std::to_string(kMaxWindows) + " windows at most"};
  }
  const int num_ranks = next_.layout.num_ranks;
  const size_t first = windows_.size() * static_cast<size_t>(num_ranks);
  check(cudaMemcpy(const_cast<char**>(next_.windows) + first, bases, pointers_bytes(num_ranks), cudaMemcpyHostToDevice),
        "writing a window's addresses");
  check(cudaStreamSynchronize(nullptr), "writing a window's addresses");  // non-blocking streams do not wait for it
  windows_.push_back({static_cast<char*>(bases[next_.rank]), own_bytes});
}

uint64_t Group::grant_of(const banyan_device_move& move, int peer) const {
  if (move.recv_bytes <= next_.eager_bytes || peer == next_.rank) {
    return 0;
  }
  if (move.window < 0 || static_cast<size_t>(move.window) >= windows_.size()) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, std::to_string(move.recv_bytes) + " bytes from rank " +
                                                std::to_string(peer) + " need a registered window to arrive in"};
  }
  const auto number = static_cast<size_t>(move.window);
  const Window& window = windows_[number];
  const auto offset = static_cast<uint64_t>(static_cast<char*>(move.recv) - window.base);
  if (offset > window.bytes || move.recv_bytes > window.bytes - offset) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "what comes from rank " + std::to_string(peer) +
                                                   " does not lie in window " + std::to_string(number) + " of " +
                                                   std::to_string(window.bytes) + " bytes"};
  }
  return number << kOffsetBits | offset;
}

/// Of the next exchange; sets how many of them only copy.
int Group::choose_blocks() {
  size_t lines = 1;
  bool pushes = false;
  const int num_ranks = next_.layout.num_ranks;
  for (int peer = 0; peer < num_ranks; ++peer) {
    const Move& move = next_.moves[peer];
    const uint64_t most = std::max(move.send_bytes, move.recv_bytes);
    const bool eager = peer == next_.rank || most <= next_.eager_bytes;
    pushes = pushes || !eager;
    lines = std::max(lines, lines_of(eager ? most : 0));
  }
  next_.pushes = pushes ? 1 : 0;
  if (pushes) {
    const bool copies = next_.moves[next_.rank].send_bytes > 0;
    const int all = std::min(kMostPushers, max_blocks_);
    next_.copying_blocks = copies && all >= kFewestToDivide ? all * kCopyShare / 100 : 0;
    return all;
  }
  next_.copying_blocks = 0;
  constexpr size_t kLinesAtOnce = kThreads / 8;
  const auto most = static_cast<size_t>(std::min(kLinesBlocks, max_blocks_));
  return static_cast<int>(std::clamp<size_t>((lines + kLinesAtOnce - 1) / kLinesAtOnce, 1, most));
}

/// Puts the stream behind the last kernel. Streams are told apart by their ids: a handle may come again.
void Group::follow(cudaStream_t stream, unsigned long long id) {
  if (any_ && id != last_stream_) {
    check(cudaStreamWaitEvent(stream, last_, 0), "waiting for the exchange before");
  }
}

void Group::enqueue(cudaStream_t stream, const char* what, const std::function<cudaError_t()>& launch) {
  const banyan_device_failure before = failure();
  if (before.status != BANYAN_OK) {
    throw Failure{before.status, "call " + std::to_string(before.call) + " of the group ended while rank " +
                                     std::to_string(before.peer) + " was waited for; no other begins"};
  }
  const CurrentDevice current(device_.ordinal());
  cudaStreamCaptureStatus capturing{};
  check(cudaStreamIsCapturing(stream, &capturing), "asking whether the stream is captured");
  const bool in_graph = capturing != cudaStreamCaptureStatusNone;
  unsigned long long id = 0;
  if (!in_graph) {
    check(cudaStreamGetId(stream, &id), "asking for a stream's id");
    follow(stream, id);
  }
  check(launch(), std::string("launching ") + what);
  if (!in_graph) {
    check(cudaEventRecord(last_, stream), std::string("recording the end of ") + what);
    last_stream_ = id;
    any_ = true;
  }
}

/// What pull() enqueues: own bytes on a stream beside.
cudaError_t Group::launch_pull(const banyan_device_move* moves, cudaStream_t stream) {
  const int num_ranks = next_.layout.num_ranks;
  const banyan_device_move& own = moves[next_.rank];
  const bool copies = own.recv_bytes > 0;
  cudaError_t error = copies ? cudaEventRecord(fork_, stream) : cudaSuccess;
  const auto next = [&](auto call) { error = error == cudaSuccess ? call() : error; };
  if (copies) {
    next([&] { return cudaStreamWaitEvent(side_, fork_, 0); });
    next([&] { return cudaMemcpyAsync(own.recv, own.send, own.recv_bytes, cudaMemcpyDeviceToDevice, side_); });
    next([&] { return cudaEventRecord(join_, side_); });
  }
  next([&] { return launch_open(next_, stream); });
  for (int step = 1; step < num_ranks; ++step) {
    const banyan_device_move& move = moves[(next_.rank + step) % num_ranks];
    if (move.recv_bytes > 0) {
      next([&] { return cudaMemcpyAsync(move.recv, move.source, move.recv_bytes, cudaMemcpyDeviceToDevice, stream); });
    }
  }
  next([&] { return launch_close(next_, stream); });
  if (copies) {
    next([&] { return cudaStreamWaitEvent(stream, join_, 0); });
  }
  return error;
}

void Group::pull(const banyan_device_move* moves, cudaStream_t stream) {
  for (int peer = 0; peer < next_.layout.num_ranks; ++peer) {
    if (peer != next_.rank && moves[peer].recv_bytes > 0 && moves[peer].source == nullptr) {
      throw Failure{BANYAN_ERR_INVALID_ARGUMENT,
                    "a pull must know where rank " + std::to_string(peer) + " has its data"};
    }
  }
  enqueue(stream, "a pull", [&] { return launch_pull(moves, stream); });
}

void Group::exchange(const banyan_device_move* moves, cudaStream_t stream) {
  for (int peer = 0; peer < next_.layout.num_ranks; ++peer) {
    const banyan_device_move& move = moves[peer];
    next_.moves[peer] = {static_cast<const char*>(move.send), move.send_bytes, static_cast<char*>(move.recv),
                         move.recv_bytes, grant_of(move, peer)};
  }
  const int num_blocks = choose_blocks();
  enqueue(stream, "an exchange", [&] { return launch_exchange(next_, num_blocks, stream); });
}

banyan_device_failure Group::failure() const noexcept {
  banyan_device_failure failure{};
  failure.struct_size = sizeof(failure);
  failure.peer = -1;
  if (__atomic_load_n(&words_->valid, __ATOMIC_ACQUIRE) != 0) {
    failure.status = static_cast<banyan_status>(words_->status);
    failure.peer = words_->peer;
    failure.call = words_->call;
  }
  return failure;
}

/// Of what has been read.
std::string Group::describe_peer(int peer) const {
  const InboxLayout& layout = next_.layout;
  const char* const header = seen_ + kStateBytes;
  const auto word = [](const char* address) {
    uint64_t value = 0;
    std::memcpy(&value, address, sizeof(value));
    return value;
  };
  const uint64_t arrived = word(header + layout.arrival(peer, 0));
  const uint32_t parts = std::min(Arrival::parts(arrived), static_cast<uint32_t>(kMostPushers));
  uint32_t equal = 0;
  for (uint32_t block = 0; block < parts; ++block) {
    equal += word(header + layout.arrival(peer, block)) == arrived ? 1 : 0;
  }
  const auto number = [&](int parity) {
    return std::to_string(
        word(header + header_bytes() + sizeof(uint64_t) * static_cast<size_t>(parity * layout.num_ranks + peer)));
  };
  return "; rank " + std::to_string(peer) + ": first lines " + number(0) + " and " + number(1) + ", grant " +
         std::to_string(word(header + layout.grant(peer) + sizeof(uint64_t))) + ", ready " +
         std::to_string(Arrival::call(word(header + layout.ready(peer)))) + ", arrival " +
         std::to_string(Arrival::call(arrived)) + " of " + std::to_string(equal) + "/" + std::to_string(parts) +
         " blocks";
}

std::string Group::describe() const {
  const CurrentDevice current(device_.ordinal());
  const InboxLayout& layout = next_.layout;
  const char* const inbox = next_.inboxes[next_.rank];
  char* const numbers = seen_ + kStateBytes + header_bytes();
  check(cudaMemcpyAsync(seen_, next_.watch.state, sizeof(GroupState), cudaMemcpyDeviceToHost, beside_), "reading");
  check(cudaMemcpyAsync(seen_ + kStateBytes, inbox, header_bytes(), cudaMemcpyDeviceToHost, beside_), "reading");
  check(
      cudaMemcpy2DAsync(numbers, sizeof(uint64_t), inbox + header_bytes() + kLineData, layout.eager_lines * kLineBytes,
                        sizeof(uint64_t), 2 * static_cast<size_t>(layout.num_ranks), cudaMemcpyDeviceToHost, beside_),
      "reading");
  const auto deadline = std::chrono::steady_clock::now() + kReading;
  cudaError_t done = cudaErrorNotReady;
  while (done == cudaErrorNotReady && std::chrono::steady_clock::now() < deadline) {
    done = cudaStreamQuery(beside_);
  }
  if (done == cudaErrorNotReady) {
    return "nothing can be read from the device";
  }
  check(done, "reading a group's words");
  GroupState state{};
  std::memcpy(&state, seen_, sizeof(state));
  std::string text = std::to_string(state.calls) + " calls over, " + std::to_string(state.blocks) +
                     " blocks of the next, " + (state.failed != 0 ? "failed" : "no failure") +
                     (__atomic_load_n(&words_->abort, __ATOMIC_RELAXED) != 0 ? ", aborted" : "");
  for (int peer = 0; peer < layout.num_ranks; ++peer) {
    text += peer == next_.rank ? "" : describe_peer(peer);
  }
  return text;
}

void Group::abort() noexcept { __atomic_store_n(&words_->abort, 1U, __ATOMIC_RELEASE); }

}  // namespace banyan::cuda
