// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/traffic.hpp"

namespace banyan::perf {

/// The buffers of one rank for one exchange, with guard bytes behind the received data.
class ExchangeBuffers {
 public:
  ExchangeBuffers(const Traffic& traffic, int rank);

  [[nodiscard]] const RankLayout& layout() const noexcept { return layout_; }
  [[nodiscard]] const std::byte* send() const noexcept { return send_.data(); }
  [[nodiscard]] std::byte* recv() noexcept { return recv_.data(); }

  /// Writes the pattern of `salt` to the send buffer, and to every byte of the receive buffer something else than what
  /// must arrive there, so that a byte that never arrives is counted.
  void prepare(uint64_t salt);
  /// Bytes that are not what `prepare(salt)` makes the peers send, changed guard bytes and changed send bytes included.
  [[nodiscard]] uint64_t count_wrong(uint64_t salt) const;

 private:
  int rank_ = 0;
  size_t element_size_ = 1;
  RankLayout layout_;
  std::vector<std::byte> send_;  ///< never empty, so that data() is a valid pointer for exchanges of nothing
  std::vector<std::byte> recv_;  ///< as send_; guard bytes at the end
};

/// The pattern of the block from -> to: depends on both ranks, the position and the salt.
void fill_pattern(std::span<std::byte> block, int from, int to, uint64_t salt);
[[nodiscard]] uint64_t count_differences(std::span<const std::byte> block, int from, int to, uint64_t salt);

}  // namespace banyan::perf
