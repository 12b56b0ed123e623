// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
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

  void add_window(void* const* bases);
  void exchange(const banyan_device_move* moves, cudaStream_t stream);
  [[nodiscard]] banyan_device_failure failure() const noexcept;
  void abort() noexcept;

 private:
  static constexpr int kMaxWindows = 64;
  static constexpr int kLinesBlocks = 32;  ///< at most, while nothing is pushed
  static constexpr int kPushBlocks = 64;
  static constexpr int kCopyBlocks = 24;      ///< besides, for what stays
  static constexpr int kFewestToDivide = 16;  ///< of fewer blocks all do both

  [[nodiscard]] uint64_t grant_of(const banyan_device_move& move, int peer) const;
  [[nodiscard]] int choose_blocks();
  void release() noexcept;
  void follow(cudaStream_t stream);

  const Device& device_;
  int max_blocks_;
  Exchange next_{};               ///< all but the moves stays
  std::vector<char*> own_bases_;  ///< of windows
  void* memory_ = nullptr;        ///< of the device: state, inboxes, windows
  HostWords* words_ = nullptr;
  cudaEvent_t last_ = nullptr;  ///< after the last exchange
  cudaStream_t last_stream_ = nullptr;
  bool any_ = false;
};

}  // namespace banyan::cuda
