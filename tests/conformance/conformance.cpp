// SPDX-License-Identifier: Apache-2.0
#include "conformance.hpp"

#include <cstring>
#include <set>

namespace banyan::conformance {
namespace {

/// splitmix64: a word of the pattern.
uint64_t word_at(uint64_t seed, size_t index) {
  uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + (index + 1) * UINT64_C(0xd1b54a32d192ed03);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

}  // namespace

std::vector<std::byte> pattern(size_t size, uint64_t seed) {
  std::vector<std::byte> bytes(size);
  for (size_t offset = 0; offset < size; offset += 8) {
    const uint64_t word = word_at(seed, offset / 8);
    std::memcpy(bytes.data() + offset, &word, std::min<size_t>(8, size - offset));
  }
  return bytes;
}

bool has_pattern(const std::byte* bytes, size_t size, uint64_t seed) {
  for (size_t offset = 0; offset < size; offset += 8) {
    const uint64_t word = word_at(seed, offset / 8);
    if (std::memcmp(bytes + offset, &word, std::min<size_t>(8, size - offset)) != 0) {
      return false;
    }
  }
  return true;
}

std::vector<size_t> exam_sizes(const TransportUnderTest& subject) {
  std::set<size_t> sizes = {0, 1, 2, 3, 7, 8, 9};
  const auto add = [&](size_t size) { sizes.insert({size - 1, size, size + 1}); };
  for (size_t size = 16; size <= (size_t{1} << 16); size *= 2) {
    add(size);
  }
  add(size_t{1} << 20);
  sizes.insert(size_t{8} << 20);
  for (const size_t boundary : subject.boundaries) {
    if (boundary > 0) {
      add(boundary);
    }
  }
  return {sizes.begin(), sizes.end()};
}

}  // namespace banyan::conformance
