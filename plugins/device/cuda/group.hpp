// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "banyan/device_plugin.h"
#include "cuda/device.hpp"
#include "cuda/exchange.cuh"

namespace banyan::cuda {

/// Ranks whose memories are mapped, and the exchanges between them. One thread, but failure() and abort() from any.
class Group {
 public:
  Group(const Device& device, const banyan_device_group_config& config);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void add_window(void* const* bases, size_t own_bytes);
  void exchange(const banyan_device_move* moves, cudaStream_t stream);
  void pull(const banyan_device_move* moves, cudaStream_t stream);
  /// Calls `launch` for a kernel of this group, behind those enqueued before, whatever their streams. Throws where the
  /// group has failed; `what` is for errors, as in "an exchange".
  void enqueue(cudaStream_t stream, const char* what, const std::function<cudaError_t()>& launch);
  [[nodiscard]] banyan_device_failure failure() const noexcept;
  void abort() noexcept;
  /// As in banyan_device_ops. Any thread, one at a time.
  [[nodiscard]] std::string describe() const;

  [[nodiscard]] const Device& device() const noexcept { return device_; }
  [[nodiscard]] int max_blocks() const noexcept { return max_blocks_; }
  [[nodiscard]] int rank() const noexcept { return next_.rank; }
  [[nodiscard]] int size() const noexcept { return next_.layout.num_ranks; }
  [[nodiscard]] const Watch& watch() const noexcept { return next_.watch; }

 private:
  static constexpr int kMaxWindows = 64;
  static constexpr int kLinesBlocks = 64;     ///< at most, while nothing is pushed
  static constexpr int kCopyShare = 20;       ///< percent of the blocks of a push, for what stays
  static constexpr int kFewestToDivide = 16;  ///< of fewer blocks all do both

  /// This rank's part.
  struct Window {
    char* base;
    size_t bytes;
  };

  [[nodiscard]] uint64_t grant_of(const banyan_device_move& move, int peer) const;
  [[nodiscard]] int choose_blocks();
  [[nodiscard]] cudaError_t launch_pull(const banyan_device_move* moves, cudaStream_t stream);
  void release() noexcept;
  void follow(cudaStream_t stream, unsigned long long id);
  [[nodiscard]] size_t header_bytes() const noexcept { return next_.layout.lines(0, 0); }
  [[nodiscard]] std::string describe_peer(int peer) const;

  const Device& device_;
  int max_blocks_;
  Exchange next_{};  ///< all but the moves stays
  std::vector<Window> windows_;
  void* memory_ = nullptr;  ///< of the device: state, windows
  HostWords* words_ = nullptr;
  char* seen_ = nullptr;           ///< what describe() read: state, the inbox's header, numbers of first lines
  cudaStream_t beside_ = nullptr;  ///< where it reads
  cudaStream_t side_ = nullptr;    ///< where what stays is copied while engines fetch the rest
  cudaEvent_t fork_ = nullptr, join_ = nullptr;
  cudaEvent_t last_ = nullptr;          ///< after the last kernel
  unsigned long long last_stream_ = 0;  ///< its id
  bool any_ = false;
};

}  // namespace banyan::cuda
