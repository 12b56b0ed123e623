// SPDX-License-Identifier: Apache-2.0
#include "common/pattern.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace banyan::perf {
namespace {

constexpr size_t kGuardBytes = 64;
constexpr std::byte kGuard{0xA7};
constexpr size_t kWord = sizeof(uint64_t);

/// splitmix64's finalizer (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Words of one block's pattern, by word index.
class BlockPattern {
 public:
  BlockPattern(int from, int to, uint64_t salt)
      : base_(mix(mix(salt) ^
                  ((static_cast<uint64_t>(static_cast<uint32_t>(from)) << 32) | static_cast<uint32_t>(to)))) {}

  [[nodiscard]] std::array<std::byte, kWord> word(size_t index) const {
    return std::bit_cast<std::array<std::byte, kWord>>(mix(base_ + index * 0x9e3779b97f4a7c15ULL));
  }

 private:
  uint64_t base_;
};

}  // namespace

void fill_pattern(std::span<std::byte> block, int from, int to, uint64_t salt) {
  const BlockPattern pattern(from, to, salt);
  for (size_t at = 0; at < block.size(); at += kWord) {
    const auto word = pattern.word(at / kWord);
    std::memcpy(block.data() + at, word.data(), std::min(kWord, block.size() - at));
  }
}

uint64_t count_differences(std::span<const std::byte> block, int from, int to, uint64_t salt) {
  const BlockPattern pattern(from, to, salt);
  uint64_t wrong = 0;
  for (size_t at = 0; at < block.size(); at += kWord) {
    const auto word = pattern.word(at / kWord);
    const size_t size = std::min(kWord, block.size() - at);
    if (std::memcmp(block.data() + at, word.data(), size) != 0) {
      for (size_t k = 0; k < size; ++k) {
        wrong += block[at + k] != word[k] ? 1U : 0U;
      }
    }
  }
  return wrong;
}

ExchangeBuffers::ExchangeBuffers(const Traffic& traffic, int rank)
    : rank_(rank),
      element_size_(traffic.element_size),
      layout_(rank_layout(traffic, rank)),
      send_(std::max<size_t>(layout_.send_bytes, 1)),
      recv_(layout_.recv_bytes + kGuardBytes) {
  prepare(0);
}

void ExchangeBuffers::prepare(uint64_t salt) {
  for (size_t peer = 0; peer < layout_.sendcounts.size(); ++peer) {
    const int other = static_cast<int>(peer);
    fill_pattern(
        std::span(send_).subspan(layout_.sdispls[peer] * element_size_, layout_.sendcounts[peer] * element_size_),
        rank_, other, salt);
    const auto block =
        std::span(recv_).subspan(layout_.rdispls[peer] * element_size_, layout_.recvcounts[peer] * element_size_);
    fill_pattern(block, other, rank_, salt);
    std::transform(block.begin(), block.end(), block.begin(), [](std::byte b) { return ~b; });
  }
  std::fill(recv_.end() - kGuardBytes, recv_.end(), kGuard);
}

uint64_t ExchangeBuffers::count_wrong(uint64_t salt) const {
  uint64_t wrong = 0;
  for (size_t peer = 0; peer < layout_.sendcounts.size(); ++peer) {
    const int other = static_cast<int>(peer);
    wrong += count_differences(
        std::span(recv_).subspan(layout_.rdispls[peer] * element_size_, layout_.recvcounts[peer] * element_size_),
        other, rank_, salt);
    wrong += count_differences(
        std::span(send_).subspan(layout_.sdispls[peer] * element_size_, layout_.sendcounts[peer] * element_size_),
        rank_, other, salt);
  }
  const auto changed = std::count_if(recv_.end() - kGuardBytes, recv_.end(), [](std::byte b) { return b != kGuard; });
  return wrong + static_cast<uint64_t>(changed);
}

}  // namespace banyan::perf
