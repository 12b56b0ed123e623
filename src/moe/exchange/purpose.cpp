// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/purpose.hpp"

#include <fmt/format.h>

#include <array>

namespace banyan::moe {
namespace {

constexpr unsigned kCallBits = 4;
constexpr unsigned kChunkBits = 8;
constexpr unsigned kPartBits = 8;
constexpr unsigned kGroupBits = 12;
constexpr unsigned kRoutingBits = 32;
static_assert(kCallBits + kChunkBits + kPartBits + kGroupBits + kRoutingBits == 64);

uint64_t low(uint64_t value, unsigned bits) noexcept { return value & ((uint64_t{1} << bits) - 1); }

uint64_t take(uint64_t& word, unsigned bits) noexcept {
  const uint64_t value = low(word, bits);
  word >>= bits;
  return value;
}

/// The purpose that a word was made of.
Purpose unpacked(uint64_t word) noexcept {
  Purpose purpose;
  purpose.call = static_cast<Purpose::Call>(take(word, kCallBits));
  purpose.chunk = take(word, kChunkBits);
  purpose.part = take(word, kPartBits);
  purpose.group = take(word, kGroupBits);
  purpose.routing = take(word, kRoutingBits);
  return purpose;
}

}  // namespace

uint64_t Purpose::word() const noexcept {
  uint64_t word = low(routing, kRoutingBits);
  word = word << kGroupBits | low(group, kGroupBits);
  word = word << kPartBits | low(part, kPartBits);
  word = word << kChunkBits | low(chunk, kChunkBits);
  return word << kCallBits | static_cast<uint64_t>(call);
}

uint32_t Purpose::print_of(uint64_t word) noexcept {
  if (word == 0) {
    return 0;
  }
  const Purpose it = unpacked(word);
  // The executor's tags have 16 bits, the upper and the lower half of these folded: what is near must differ below.
  const uint64_t near = low(static_cast<uint64_t>(it.call), 3) | low(it.part, 4) << 3U | low(it.chunk, 6) << 7U |
                        low(it.routing, 3) << 13U;
  const uint64_t far = ((it.routing >> 3U) << kGroupBits | it.group) * 0x9E3779B97F4A7C15U >> 48U;
  return static_cast<uint32_t>(far << 16U | near);
}

std::string describe_purpose(uint64_t word) {
  constexpr std::array kCalls = {"nothing",           "dispatch",         "combine",
                                 "dispatch_backward", "combine_backward", "combine_backward with grad_weights",
                                 "turn_start"};
  const Purpose it = unpacked(word);
  const auto call = static_cast<size_t>(it.call);
  const std::string name = std::string("banyan_moe_") + kCalls[call < kCalls.size() ? call : 0];
  if (it.routing == 0) {
    return fmt::format("{} in group {}", name, it.group);
  }
  return fmt::format("{} of chunk {} (part {}) of routing {} in group {}", name, it.chunk, it.part, it.routing,
                     it.group);
}

}  // namespace banyan::moe
