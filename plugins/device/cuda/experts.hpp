// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <vector>

#include "banyan/device_plugin.h"
#include "cuda/experts.cuh"
#include "cuda/group.hpp"

namespace banyan::cuda {

/// A token exchange by experts of a group. One thread.
class ExpertExchange {
 public:
  ExpertExchange(Group& group, const banyan_device_experts_config& config);
  ~ExpertExchange();
  ExpertExchange(const ExpertExchange&) = delete;
  ExpertExchange& operator=(const ExpertExchange&) = delete;

  /// Throws where the config is wrong.
  [[nodiscard]] static ExpertLayout layout_of(int num_ranks, const banyan_device_experts_config& config);

  void received(banyan_device_expert_rows& received) const;
  void dispatch(const banyan_device_dispatch& dispatch, cudaStream_t stream);
  void combine(void* out, bool weighted, cudaStream_t stream);

 private:
  void allocate(const banyan_device_experts_config& config, const std::vector<int>& own);
  void release() noexcept;

  Group& group_;
  banyan_dtype dtype_;
  int num_blocks_ = 1;
  RowCut cut_{};
  Experts experts_{};
  ExpertDispatch last_{};  ///< the dispatch that is to be combined
  bool is_dispatched_ = false;
  void* memory_ = nullptr;  ///< of the device: all that experts_ points to but the areas and rows
  void* rows_ = nullptr;
};

}  // namespace banyan::cuda
