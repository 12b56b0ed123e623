// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include "banyan/device_plugin.h"
#include "cuda/group.hpp"
#include "cuda/tokens.cuh"

namespace banyan::cuda {

/// Throw where what tokens of any layout need is missing or wrong.
void check_tokens(const banyan_device_tokens_config& config, int num_ranks);
void check_dispatch(const banyan_device_dispatch& dispatch, int max_tokens);
void check_out(const void* out, int num_tokens);

/// A token exchange of a group. One thread.
class TokenExchange {
 public:
  TokenExchange(Group& group, const banyan_device_tokens_config& config);
  ~TokenExchange();
  TokenExchange(const TokenExchange&) = delete;
  TokenExchange& operator=(const TokenExchange&) = delete;

  /// Throws where the config is wrong.
  [[nodiscard]] static AreaLayout layout_of(int num_ranks, const banyan_device_tokens_config& config);

  void received(banyan_device_received& received) const;
  void dispatch(const banyan_device_dispatch& dispatch, cudaStream_t stream);
  void combine(void* out, cudaStream_t stream);

 private:
  void release() noexcept;

  Group& group_;
  banyan_dtype dtype_;
  int most_blocks_ = 1;
  RowCut cut_{};
  Tokens tokens_{};
  Dispatch last_{};  ///< the dispatch that is to be combined
  bool is_dispatched_ = false;
  void* memory_ = nullptr;  ///< of the device: all that tokens_ points to but the areas
};

}  // namespace banyan::cuda
