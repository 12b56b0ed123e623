// SPDX-License-Identifier: Apache-2.0
#include "tokens.hpp"

#include <algorithm>
#include <cstring>

namespace banyan::fake_device {
namespace {

void require(bool condition, const std::string& text) {
  if (!condition) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, text};
  }
}

device::Dtype dtype_of(banyan_dtype dtype) {
  return dtype == BANYAN_DTYPE_FP32   ? device::Dtype::kFp32
         : dtype == BANYAN_DTYPE_FP16 ? device::Dtype::kFp16
                                      : device::Dtype::kBf16;
}

}  // namespace

AreaLayout TokenExchange::layout_of(int num_ranks, const banyan_device_tokens_config& config) {
  require(config.max_tokens >= 1 && config.max_tokens <= 1 << 22, "max_tokens is " + std::to_string(config.max_tokens));
  require(config.top_k >= 1 && config.top_k <= BANYAN_DEVICE_MAX_TOP_K, "top_k is " + std::to_string(config.top_k));
  require(config.row_bytes > 0 && config.row_bytes % 16 == 0, "rows of " + std::to_string(config.row_bytes) + " bytes");
  require(config.num_experts >= 1 && config.rank_of_expert != nullptr, "no experts or not their ranks");
  require(config.dtype >= BANYAN_DTYPE_FP32 && config.dtype <= BANYAN_DTYPE_BF16,
          "combine does not add type " + std::to_string(config.dtype));
  return {num_ranks, config.max_tokens, config.top_k, config.row_bytes};
}

TokenExchange::TokenExchange(Group& group, const banyan_device_tokens_config& config)
    : group_(group),
      layout_(layout_of(group.size(), config)),
      dtype_(dtype_of(config.dtype)),
      rank_of_expert_(config.rank_of_expert, config.rank_of_expert + config.num_experts) {
  fail_on_request("tokens", group.device().ordinal());
  for (const int rank : rank_of_expert_) {
    require(rank >= 0 && rank < group.size(), "an expert is on rank " + std::to_string(rank));
  }
  for (int peer = 0; peer < group.size(); ++peer) {
    areas_.push_back(static_cast<char*>(config.areas[peer]));
  }
}

AreaLayout::Peer& TokenExchange::peer_in(int area, int peer) const {
  return reinterpret_cast<AreaLayout::Peer*>(areas_[static_cast<size_t>(area)])[peer];
}

void TokenExchange::received(banyan_device_received& received) const {
  char* const area = areas_[static_cast<size_t>(group_.rank())];
  received.rows = area + layout_.rows();
  received.counts = reinterpret_cast<const int*>(area + layout_.counts());
  received.experts = reinterpret_cast<const int*>(area + layout_.experts());
  received.weights = reinterpret_cast<const float*>(area + layout_.weights());
}

const int* TokenExchange::received_tokens() const {
  return reinterpret_cast<const int*>(areas_[static_cast<size_t>(group_.rank())] + layout_.tokens());
}

bool TokenExchange::wants(const banyan_device_dispatch& dispatch, int token, int peer) const {
  const int* const chosen = dispatch.experts + static_cast<ptrdiff_t>(token) * layout_.top_k;
  return std::any_of(chosen, chosen + layout_.top_k, [&](int expert) {
    return expert >= 0 && static_cast<size_t>(expert) < rank_of_expert_.size() &&
           rank_of_expert_[static_cast<size_t>(expert)] == peer;
  });
}

void TokenExchange::send_token(const banyan_device_dispatch& dispatch, int token, int peer, int slot) const {
  char* const area = areas_[static_cast<size_t>(peer)];
  const size_t place = layout_.place(group_.rank(), slot);
  const auto top_k = static_cast<size_t>(layout_.top_k);
  const auto from = static_cast<size_t>(token);
  reinterpret_cast<int*>(area + layout_.tokens())[place] = token;
  auto* const experts = reinterpret_cast<int*>(area + layout_.experts()) + place * top_k;
  auto* const weights = reinterpret_cast<float*>(area + layout_.weights()) + place * top_k;
  for (size_t choice = 0; choice < top_k; ++choice) {
    const int expert = dispatch.experts[from * top_k + choice];
    const bool is_its = expert >= 0 && static_cast<size_t>(expert) < rank_of_expert_.size() &&
                        rank_of_expert_[static_cast<size_t>(expert)] == peer;
    experts[choice] = is_its ? expert : -1;
    weights[choice] = is_its && dispatch.weights != nullptr ? dispatch.weights[from * top_k + choice] : 0;
  }
  std::memcpy(area + layout_.rows() + place * layout_.row_bytes,
              static_cast<const char*>(dispatch.rows) + from * layout_.row_bytes, layout_.row_bytes);
}

bool TokenExchange::await(const std::function<bool(const AreaLayout::Peer&)>& condition) const {
  for (int peer = 0; peer < group_.size(); ++peer) {
    const AreaLayout::Peer& said = peer_in(group_.rank(), peer);
    if (!group_.wait_for(peer, [&] { return condition(said); })) {
      return false;
    }
  }
  return true;
}

void TokenExchange::dispatch(const banyan_device_dispatch& dispatch) {
  require(dispatch.num_tokens >= 0 && dispatch.num_tokens <= layout_.max_tokens,
          std::to_string(dispatch.num_tokens) + " tokens; at most " + std::to_string(layout_.max_tokens));
  require(dispatch.num_tokens == 0 || (dispatch.rows != nullptr && dispatch.experts != nullptr),
          "tokens need rows and experts");
  require(reinterpret_cast<uintptr_t>(dispatch.rows) % 16 == 0, "rows must be aligned to 16 bytes");
  require(!is_dispatched_, "the tokens dispatched last have not been combined");
  group_.begin();
  is_dispatched_ = true;
  ++rounds_;
  num_given_ = dispatch.num_tokens;
  const int num_tokens =
      dispatch.device_tokens == nullptr ? num_given_ : std::clamp(*dispatch.device_tokens, 0, num_given_);
  slots_.assign(static_cast<size_t>(num_tokens), std::vector<int>(areas_.size(), -1));
  for (int peer = 0; peer < group_.size(); ++peer) {
    int slot = 0;
    for (int token = 0; token < num_tokens; ++token) {
      if (wants(dispatch, token, peer)) {
        send_token(dispatch, token, peer, slot);
        slots_[static_cast<size_t>(token)][static_cast<size_t>(peer)] = slot++;
      }
    }
    AreaLayout::Peer& there = peer_in(peer, group_.rank());
    there.num_rows = static_cast<uint64_t>(slot);
    there.arrived.store(rounds_, std::memory_order_release);
  }
  if (!await([&](const auto& peer) { return peer.arrived.load(std::memory_order_acquire) == rounds_; })) {
    return;
  }
  auto* const counts = reinterpret_cast<int*>(areas_[static_cast<size_t>(group_.rank())] + layout_.counts());
  for (int peer = 0; peer < group_.size(); ++peer) {
    counts[peer] = static_cast<int>(peer_in(group_.rank(), peer).num_rows);
  }
}

void TokenExchange::check_out(const void* out) const {
  require(is_dispatched_, "there are no tokens to combine: dispatch comes first");
  require(reinterpret_cast<uintptr_t>(out) % 16 == 0, "rows must be aligned to 16 bytes");
  require(out != nullptr || num_given_ == 0, "combine needs a place for its rows");
}

void TokenExchange::combine(void* out) {
  check_out(out);
  group_.begin();
  is_dispatched_ = false;
  for (int peer = 0; peer < group_.size(); ++peer) {
    peer_in(peer, group_.rank()).ready.store(rounds_, std::memory_order_release);
  }
  if (!await([&](const auto& peer) { return peer.ready.load(std::memory_order_acquire) == rounds_; })) {
    return;
  }
  std::vector<float> sum(layout_.row_bytes / device::element_bytes(dtype_));
  for (size_t token = 0; token < slots_.size(); ++token) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (size_t peer = 0; peer < areas_.size(); ++peer) {
      if (const int slot = slots_[token][peer]; slot >= 0) {
        const char* const row = areas_[peer] + layout_.rows() + layout_.place(group_.rank(), slot) * layout_.row_bytes;
        device::add_scaled(dtype_, reinterpret_cast<const std::byte*>(row), 1, sum);
      }
    }
    device::store(dtype_, sum, static_cast<std::byte*>(out) + token * layout_.row_bytes);
  }
}

}  // namespace banyan::fake_device
