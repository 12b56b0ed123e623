// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "device/rows.hpp"
#include "group.hpp"

namespace banyan::fake_device {

/// A rank's area: by peer, whether its rows may be read, how many have arrived, and that number for the user; then what
/// came: tokens' numbers, experts, weights and rows.
struct AreaLayout {
  int num_ranks;
  int max_tokens;
  int top_k;
  size_t row_bytes;

  struct Peer {
    std::atomic<uint64_t> ready;
    std::atomic<uint64_t> arrived;
    uint64_t num_rows;
  };
  [[nodiscard]] size_t places() const { return static_cast<size_t>(num_ranks) * static_cast<size_t>(max_tokens); }
  [[nodiscard]] size_t counts() const { return sizeof(Peer) * static_cast<size_t>(num_ranks); }
  [[nodiscard]] size_t tokens() const { return counts() + sizeof(int) * static_cast<size_t>(num_ranks); }
  [[nodiscard]] size_t experts() const { return tokens() + sizeof(int) * places(); }
  [[nodiscard]] size_t weights() const { return experts() + sizeof(int) * places() * static_cast<size_t>(top_k); }
  [[nodiscard]] size_t rows() const {
    return (weights() + sizeof(float) * places() * static_cast<size_t>(top_k) + 63) / 64 * 64;
  }
  [[nodiscard]] size_t bytes() const { return rows() + places() * row_bytes; }
  [[nodiscard]] size_t place(int source, int slot) const {
    return static_cast<size_t>(source) * static_cast<size_t>(max_tokens) + static_cast<size_t>(slot);
  }
};

class TokenExchange {
 public:
  /// Throws where the terms are wrong.
  [[nodiscard]] static AreaLayout layout_of(int num_ranks, const banyan_device_tokens_config& config);
  TokenExchange(Group& group, const banyan_device_tokens_config& config);

  void received(banyan_device_received& received) const;
  /// By place: the number of the token that lies there.
  [[nodiscard]] const int* received_tokens() const;
  [[nodiscard]] const AreaLayout& layout() const noexcept { return layout_; }
  [[nodiscard]] device::Dtype dtype() const noexcept { return dtype_; }
  void dispatch(const banyan_device_dispatch& dispatch);
  /// Throws where combine would.
  void check_out(const void* out) const;
  void combine(void* out);

 private:
  [[nodiscard]] AreaLayout::Peer& peer_in(int area, int peer) const;
  void send_token(const banyan_device_dispatch& dispatch, int token, int peer, int slot) const;
  [[nodiscard]] bool wants(const banyan_device_dispatch& dispatch, int token, int peer) const;
  [[nodiscard]] bool await(const std::function<bool(const AreaLayout::Peer&)>& condition) const;

  Group& group_;
  AreaLayout layout_;
  device::Dtype dtype_;
  std::vector<int> rank_of_expert_;
  std::vector<char*> areas_;
  std::vector<std::vector<int>> slots_;  ///< of the last dispatch, by token and rank; -1: none
  uint64_t rounds_ = 0;
  int num_given_ = 0;  ///< tokens of the last dispatch, by the host
  bool is_dispatched_ = false;
};

}  // namespace banyan::fake_device
