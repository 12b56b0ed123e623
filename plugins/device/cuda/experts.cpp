// SPDX-License-Identifier: Apache-2.0
#include "cuda/experts.hpp"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>

#include "cuda/failure.hpp"
#include "cuda/tokens.hpp"

namespace banyan::cuda {
namespace {

constexpr int64_t kMostChoices = int64_t{1} << Arrival::kPartsBits;

void require(bool condition, const std::string& text) {
  if (!condition) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, text};
  }
}

/// As many as could come, and the most that lies between runs.
int64_t most_rows(int num_ranks, const banyan_device_experts_config& config, int64_t num_own) {
  return static_cast<int64_t>(num_ranks) * config.tokens.max_tokens * config.tokens.top_k +
         num_own * (config.row_alignment - 1);
}

/// One allocation is cut into arrays.
class Cutter {
 public:
  template <typename Entry>
  size_t take(size_t count) {
    const size_t at = bytes_;
    bytes_ += AreaLayout::aligned(sizeof(Entry) * count);
    return at;
  }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

}  // namespace

ExpertLayout ExpertExchange::layout_of(int num_ranks, const banyan_device_experts_config& config) {
  require(config.struct_size >= sizeof(config), "a token exchange by experts needs a config of this version");
  check_tokens(config.tokens, num_ranks);
  const banyan_device_tokens_config& tokens = config.tokens;
  require(tokens.num_experts <= kMostExperts,
          std::to_string(tokens.num_experts) + " experts; at most " + std::to_string(kMostExperts));
  require(int64_t{1} * tokens.max_tokens * tokens.top_k < kMostChoices,
          std::to_string(tokens.max_tokens) + " tokens of " + std::to_string(tokens.top_k) +
              " choices; their product must be below " + std::to_string(kMostChoices));
  require(config.row_alignment >= 1, "row_alignment is " + std::to_string(config.row_alignment) + "; at least 1");
  require(config.max_rows >= 0, "max_rows is " + std::to_string(config.max_rows) + "; 0, or how many");
  const int64_t most = most_rows(num_ranks, config, tokens.num_experts);
  require(most <= INT_MAX, std::to_string(most) + " rows could come; at most " + std::to_string(INT_MAX));
  return {num_ranks, tokens.max_tokens, tokens.top_k, tokens.num_experts, tokens.row_bytes};
}

ExpertExchange::ExpertExchange(Group& group, const banyan_device_experts_config& config)
    : group_(group), dtype_(config.tokens.dtype) {
  experts_.layout = layout_of(group.size(), config);
  experts_.watch = group.watch();
  experts_.rank = group.rank();
  for (int peer = 0; peer < group.size(); ++peer) {
    require(config.tokens.areas[peer] != nullptr, "rank " + std::to_string(peer) + " has no area");
    experts_.areas[peer] = static_cast<char*>(config.tokens.areas[peer]);
  }
  std::vector<int> own;
  for (int expert = 0; expert < config.tokens.num_experts; ++expert) {
    if (config.tokens.rank_of_expert[expert] == group.rank()) {
      own.push_back(expert);
    }
  }
  const int64_t most = most_rows(group.size(), config, static_cast<int64_t>(own.size()));
  experts_.num_own = static_cast<int>(own.size());
  experts_.row_alignment = static_cast<uint32_t>(config.row_alignment);
  experts_.max_rows = static_cast<uint32_t>(config.max_rows > 0 ? std::min<int64_t>(config.max_rows, most) : most);
  const CurrentDevice current(group.device().ordinal());
  cut_ = cut_rows(config.tokens.row_bytes);
  check(prepare_expert_dispatch(cut_), "loading dispatch by experts");
  check(prepare_expert_combine(dtype_, cut_), "loading combine by experts");
  const int most_blocks = config.tokens.max_blocks > 0 ? config.tokens.max_blocks : group.max_blocks();
  num_blocks_ = std::max(1, std::min(most_blocks, group.device().num_sms()));
  try {
    allocate(config, own);
  } catch (...) {
    release();
    throw;
  }
}

void ExpertExchange::allocate(const banyan_device_experts_config& config, const std::vector<int>& own) {
  const auto ranks = static_cast<size_t>(group_.size());
  const auto all_experts = static_cast<size_t>(config.tokens.num_experts);
  const size_t choices = static_cast<size_t>(config.tokens.max_tokens) * static_cast<size_t>(config.tokens.top_k);
  Cutter cutter;
  const size_t state = cutter.take<ExpertState>(1);
  const size_t rank_of_expert = cutter.take<int32_t>(all_experts);
  const size_t own_experts = cutter.take<int32_t>(own.size() + 1);
  const size_t places = cutter.take<uint32_t>(choices);
  const size_t block_counts = cutter.take<uint64_t>((ranks + all_experts) * kMostRowPushers);
  const size_t bases = cutter.take<uint32_t>(ranks * all_experts);
  const size_t streams = cutter.take<Stream>(ranks * kMostRowPushers);
  const size_t slots = cutter.take<uint32_t>(ranks);
  const size_t positions = cutter.take<uint32_t>(ranks * choices);
  const size_t counts = cutter.take<int32_t>(own.size() + 1);
  const size_t offsets = cutter.take<int32_t>(own.size() + 1);
  const size_t needed = cutter.take<int32_t>(1);
  const size_t sources = cutter.take<banyan_device_row>(experts_.max_rows + size_t{1});
  check(cudaMalloc(&memory_, cutter.bytes()), "allocating the state of a token exchange by experts");
  check(cudaMalloc(&rows_, (experts_.max_rows + size_t{1}) * cut_.row_bytes), "allocating the rows of experts");
  check(cudaMemset(memory_, 0, cutter.bytes()), "clearing the state of a token exchange by experts");
  auto* const memory = static_cast<char*>(memory_);
  check(cudaMemcpy(memory + rank_of_expert, config.tokens.rank_of_expert, sizeof(int) * all_experts,
                   cudaMemcpyHostToDevice),
        "writing the ranks of experts");
  check(cudaMemcpy(memory + own_experts, own.data(), sizeof(int) * own.size(), cudaMemcpyHostToDevice),
        "writing the experts of this rank");
  check(cudaStreamSynchronize(nullptr), "writing the experts of this rank");  // other streams do not wait for it
  experts_.state = reinterpret_cast<ExpertState*>(memory + state);
  experts_.rank_of_expert = reinterpret_cast<const int32_t*>(memory + rank_of_expert);
  experts_.own_experts = reinterpret_cast<const int32_t*>(memory + own_experts);
  experts_.places = reinterpret_cast<uint32_t*>(memory + places);
  experts_.block_counts = reinterpret_cast<uint64_t*>(memory + block_counts);
  experts_.bases = reinterpret_cast<uint32_t*>(memory + bases);
  experts_.streams = reinterpret_cast<Stream*>(memory + streams);
  experts_.slots = reinterpret_cast<uint32_t*>(memory + slots);
  experts_.positions = reinterpret_cast<uint32_t*>(memory + positions);
  experts_.counts = reinterpret_cast<int32_t*>(memory + counts);
  experts_.offsets = reinterpret_cast<int32_t*>(memory + offsets);
  experts_.needed = reinterpret_cast<int32_t*>(memory + needed);
  experts_.sources = reinterpret_cast<banyan_device_row*>(memory + sources);
  experts_.rows = static_cast<char*>(rows_);
}

ExpertExchange::~ExpertExchange() { release(); }

void ExpertExchange::release() noexcept {
  for (void* const memory : {memory_, rows_}) {
    if (memory != nullptr) {
      static_cast<void>(cudaFree(memory));
    }
  }
}

void ExpertExchange::received(banyan_device_expert_rows& received) const {
  received.rows = experts_.rows;
  received.num_experts = experts_.num_own;
  received.max_rows = static_cast<int>(experts_.max_rows);
  received.experts = experts_.own_experts;
  received.counts = experts_.counts;
  received.offsets = experts_.offsets;
  received.needed = experts_.needed;
  received.sources = experts_.sources;
}

void ExpertExchange::dispatch(const banyan_device_dispatch& dispatch, cudaStream_t stream) {
  check_dispatch(dispatch, experts_.layout.max_tokens);
  require(!is_dispatched_, "the tokens dispatched last have not been combined");
  last_ = {.experts = experts_,
           .cut = cut_,
           .rows = static_cast<const char*>(dispatch.rows),
           .choices = dispatch.experts,
           .weights = dispatch.weights,
           .num_tokens = dispatch.num_tokens,
           .device_tokens = dispatch.device_tokens,
           .num_pushers = pushers_of(num_blocks_)};
  group_.enqueue(stream, "a dispatch by experts", [&] { return launch_expert_dispatch(last_, num_blocks_, stream); });
  is_dispatched_ = true;
}

void ExpertExchange::combine(void* out, bool weighted, cudaStream_t stream) {
  require(is_dispatched_, "there are no tokens to combine: dispatch comes first");
  require(!weighted || last_.weights != nullptr || last_.num_tokens == 0,
          "a weighted combine of tokens that were dispatched without weights");
  check_out(out, last_.num_tokens);
  const ExpertCombine combine{.experts = experts_,
                              .cut = cut_,
                              .out = static_cast<char*>(out),
                              .weighted = weighted ? 1 : 0,
                              .num_senders = senders_of(num_blocks_)};
  group_.enqueue(stream, "a combine by experts",
                 [&] { return launch_expert_combine(combine, dtype_, num_blocks_, stream); });
  is_dispatched_ = false;
}

}  // namespace banyan::cuda
