// SPDX-License-Identifier: Apache-2.0
#include "cuda/tokens.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include "cuda/failure.hpp"

namespace banyan::cuda {
namespace {

constexpr int kMostTokens = 1 << 22;

void require(bool condition, const std::string& text) {
  if (!condition) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, text};
  }
}

}  // namespace

void check_tokens(const banyan_device_tokens_config& config, int num_ranks) {
  require(config.max_tokens >= 1 && config.max_tokens <= kMostTokens,
          "max_tokens is " + std::to_string(config.max_tokens) + "; 1 to " + std::to_string(kMostTokens));
  require(config.top_k >= 1 && config.top_k <= kMaxTopK,
          "top_k is " + std::to_string(config.top_k) + "; 1 to " + std::to_string(kMaxTopK));
  require(config.row_bytes > 0 && config.row_bytes % sizeof(uint4) == 0,
          "rows of " + std::to_string(config.row_bytes) + " bytes; they must be multiples of 16");
  require(config.num_experts >= 1 && config.rank_of_expert != nullptr,
          "a token exchange needs experts and their ranks");
  require(config.dtype == BANYAN_DTYPE_FP32 || config.dtype == BANYAN_DTYPE_FP16 || config.dtype == BANYAN_DTYPE_BF16,
          "combine adds FP32, FP16 or BF16, not type " + std::to_string(config.dtype));
  for (int expert = 0; expert < config.num_experts; ++expert) {
    const int rank = config.rank_of_expert[expert];
    require(rank >= 0 && rank < num_ranks, "expert " + std::to_string(expert) + " is on rank " + std::to_string(rank) +
                                               " of " + std::to_string(num_ranks));
  }
}

void check_dispatch(const banyan_device_dispatch& dispatch, int max_tokens) {
  require(dispatch.struct_size >= sizeof(dispatch), "a dispatch of another version");
  require(dispatch.num_tokens >= 0 && dispatch.num_tokens <= max_tokens,
          std::to_string(dispatch.num_tokens) + " tokens; at most " + std::to_string(max_tokens));
  require(dispatch.num_tokens == 0 || (dispatch.rows != nullptr && dispatch.experts != nullptr),
          "tokens need rows and experts");
  require(reinterpret_cast<uintptr_t>(dispatch.rows) % sizeof(uint4) == 0, "rows must be aligned to 16 bytes");
}

void check_out(const void* out, int num_tokens) {
  require(reinterpret_cast<uintptr_t>(out) % sizeof(uint4) == 0, "rows must be aligned to 16 bytes");
  require(out != nullptr || num_tokens == 0, "combine needs a place for its rows");
}

AreaLayout TokenExchange::layout_of(int num_ranks, const banyan_device_tokens_config& config) {
  require(config.struct_size >= sizeof(config), "a token exchange needs a config of this version");
  check_tokens(config, num_ranks);
  return {num_ranks, config.max_tokens, config.top_k, config.row_bytes};
}

TokenExchange::TokenExchange(Group& group, const banyan_device_tokens_config& config)
    : group_(group), dtype_(config.dtype) {
  tokens_.layout = layout_of(group.size(), config);
  tokens_.watch = group.watch();
  tokens_.rank = group.rank();
  tokens_.num_experts = config.num_experts;
  for (int peer = 0; peer < group.size(); ++peer) {
    require(config.areas[peer] != nullptr, "rank " + std::to_string(peer) + " has no area");
    tokens_.areas[peer] = static_cast<char*>(config.areas[peer]);
  }
  const CurrentDevice current(group.device().ordinal());
  cut_ = cut_rows(config.row_bytes);
  check(prepare_dispatch(cut_), "loading dispatch");
  check(prepare_combine(dtype_, cut_), "loading combine");
  const int most = config.max_blocks > 0 ? config.max_blocks : group.max_blocks();
  most_blocks_ = std::min({most, group.device().num_sms(), kMostDispatchBlocks});

  const auto ranks = static_cast<size_t>(group.size());
  const size_t state = 0;
  const size_t experts = AreaLayout::aligned(sizeof(TokensState));
  const size_t places = experts + AreaLayout::aligned(sizeof(int32_t) * static_cast<size_t>(config.num_experts));
  const size_t counts = places + AreaLayout::aligned(sizeof(uint32_t) * static_cast<size_t>(config.max_tokens) *
                                                     static_cast<size_t>(config.top_k));
  const size_t totals = counts + AreaLayout::aligned(sizeof(uint64_t) * ranks * kMostDispatchBlocks);
  const size_t bytes = totals + AreaLayout::aligned(sizeof(uint32_t) * ranks);
  try {
    check(cudaMalloc(&memory_, bytes), "allocating a token exchange's state");
    check(cudaMemset(memory_, 0, bytes), "clearing a token exchange's state");
    auto* const memory = static_cast<char*>(memory_);
    check(cudaMemcpy(memory + experts, config.rank_of_expert, sizeof(int) * static_cast<size_t>(config.num_experts),
                     cudaMemcpyHostToDevice),
          "writing the ranks of experts");
    check(cudaStreamSynchronize(nullptr), "writing the ranks of experts");  // other streams do not wait for it
    tokens_.state = reinterpret_cast<TokensState*>(memory + state);
    tokens_.rank_of_expert = reinterpret_cast<const int32_t*>(memory + experts);
    tokens_.places = reinterpret_cast<uint32_t*>(memory + places);
    tokens_.block_counts = reinterpret_cast<uint64_t*>(memory + counts);
    tokens_.totals = reinterpret_cast<uint32_t*>(memory + totals);
  } catch (...) {
    release();
    throw;
  }
}

TokenExchange::~TokenExchange() { release(); }

void TokenExchange::release() noexcept {
  if (memory_ != nullptr) {
    static_cast<void>(cudaFree(memory_));
  }
}

void TokenExchange::received(banyan_device_received& received) const {
  char* const area = tokens_.areas[tokens_.rank];
  received.rows = area + tokens_.layout.rows();
  received.counts = reinterpret_cast<const int*>(area + tokens_.layout.counts());
  received.experts = reinterpret_cast<const int*>(area + tokens_.layout.experts());
  received.weights = reinterpret_cast<const float*>(area + tokens_.layout.weights());
}

void TokenExchange::dispatch(const banyan_device_dispatch& dispatch, cudaStream_t stream) {
  check_dispatch(dispatch, tokens_.layout.max_tokens);
  require(!is_dispatched_, "the tokens dispatched last have not been combined");
  last_ = {.tokens = tokens_,
           .cut = cut_,
           .rows = static_cast<const char*>(dispatch.rows),
           .experts = dispatch.experts,
           .weights = dispatch.weights,
           .num_tokens = dispatch.num_tokens,
           .device_tokens = dispatch.device_tokens};
  const int blocks = std::clamp(dispatch.num_tokens, 1, most_blocks_);
  group_.enqueue(stream, "a dispatch", [&] { return launch_dispatch(last_, blocks, stream); });
  is_dispatched_ = true;
}

void TokenExchange::combine(void* out, cudaStream_t stream) {
  require(is_dispatched_, "there are no tokens to combine: dispatch comes first");
  check_out(out, last_.num_tokens);
  const Combine combine{.tokens = tokens_, .cut = cut_, .out = static_cast<char*>(out)};
  const int blocks = std::clamp(last_.num_tokens, 1, most_blocks_);
  group_.enqueue(stream, "a combine", [&] { return launch_combine(combine, dtype_, blocks, stream); });
  is_dispatched_ = false;
}

}  // namespace banyan::cuda
