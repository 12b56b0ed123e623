// SPDX-License-Identifier: Apache-2.0
#include "cuda/expert_expand.cuh"
#include "cuda/expert_push.cuh"

namespace banyan::cuda {
namespace {

template <int kStages>
__global__ void __launch_bounds__(kExpertThreads, 1)
    expert_dispatch_kernel(const __grid_constant__ ExpertDispatch dispatch) {
  char* const stages = dynamic_shared();
  __shared__ DispatchShared shared;
  __shared__ uint64_t barriers[kStages];
  const Experts& experts = dispatch.experts;
  const uint64_t call = begin_call(experts.state->dispatches, experts.watch.state->failed);
  if (call == 0) {
    return;
  }
  const Patience patience(experts.watch);
  RowMover<kStages> mover(dispatch.cut, stages, barriers);
  if (threadIdx.x == 0) {
    mover.begin();
  }
  const auto pushers = static_cast<unsigned>(dispatch.num_pushers);
  Pusher<kStages> pusher(dispatch, shared, mover, call);
  bool good = true;
  if (blockIdx.x < pushers) {
    good = pusher.count(patience);
    if (good) {
      pusher.push();
    }
  }
  const unsigned first = pushers == gridDim.x ? 0 : pushers;  // the first expander, which plans
  if (good && blockIdx.x == first) {
    good = Planner(experts, shared, call).plan(patience);
  }
  if (good && blockIdx.x >= first) {
    Expander<kStages>(dispatch, shared, mover, call).expand(patience, blockIdx.x - first, gridDim.x - first);
  }
  if (threadIdx.x == 0) {
    await_stores();
  }
  if (is_last_block(experts.state->blocks)) {
    if (threadIdx.x == 0) {
      experts.state->num_tokens = pusher.num_tokens();
    }
    end_call(experts.state->dispatches, experts.state->blocks, call);
  }
}

const void* function_for(uint32_t stages) {
  return stages == 48   ? reinterpret_cast<const void*>(expert_dispatch_kernel<48>)
         : stages == 24 ? reinterpret_cast<const void*>(expert_dispatch_kernel<24>)
                        : reinterpret_cast<const void*>(expert_dispatch_kernel<12>);
}

}  // namespace

cudaError_t prepare_expert_dispatch(const RowCut& cut) {
  return cudaFuncSetAttribute(function_for(cut.stages), cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(kMostStagesBytes));
}

cudaError_t launch_expert_dispatch(const ExpertDispatch& dispatch, int num_blocks, cudaStream_t stream) {
  void* arguments[] = {const_cast<ExpertDispatch*>(&dispatch)};
  return cudaLaunchKernel(function_for(dispatch.cut.stages), dim3(static_cast<unsigned>(num_blocks)),
                          dim3(kExpertThreads), arguments,
                          static_cast<size_t>(dispatch.cut.stages) * dispatch.cut.chunk_bytes, stream);
}

}  // namespace banyan::cuda
