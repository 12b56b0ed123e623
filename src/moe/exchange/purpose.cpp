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
  const uint64_t call = take(word, kCallBits);
  const uint64_t chunk = take(word, kChunkBits);
  const uint64_t part = take(word, kPartBits);
  const uint64_t group = take(word, kGroupBits);
  const uint64_t routing = take(word, kRoutingBits);
  // The executor's tags have 16 bits, the upper and the lower half of these folded: what is near must differ below.
  const uint64_t near = low(call, 3) | low(part, 4) << 3U | low(chunk, 6) << 7U | low(routing, 3) << 13U;
  const uint64_t far = ((routing >> 3U) << kGroupBits | group) * 0x9E3779B97F4A7C15U >> 48U;
  return static_cast<uint32_t>(far << 16U | near);
}

std::string describe_purpose(uint64_t word) {
  constexpr std::array kCalls = {"nothing",           "dispatch",         "combine",
                                 "dispatch_backward", "combine_backward", "combine_backward with grad_weights",
                                 "turn_start"};
  const auto call = static_cast<size_t>(take(word, kCallBits));
  const uint64_t chunk = take(word, kChunkBits);
  const uint64_t part = take(word, kPartBits);
  const uint64_t group = take(word, kGroupBits);
  const uint64_t routing = take(word, kRoutingBits);
  const std::string name = std::string("banyan_moe_") + kCalls[call < kCalls.size() ? call : 0];
  if (routing == 0) {
    return fmt::format("{} in group {}", name, group);
  }
  return fmt::format("{} of chunk {} (part {}) of routing {} in group {}", name, chunk, part, routing, group);
}

}  // namespace banyan::moe
