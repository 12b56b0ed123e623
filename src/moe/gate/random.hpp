// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

/// Random numbers by index: a number depends on the seed and its place only, never on the order in which numbers are
/// taken. Any thread.
namespace banyan::moe::gate {

/// The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014),
/// of a state that has been advanced once.
[[nodiscard]] inline uint64_t mixed(uint64_t state) noexcept {
  state += 0x9e3779b97f4a7c15U;
  state = (state ^ (state >> 30U)) * 0xbf58476d1ce4e5b9U;
  state = (state ^ (state >> 27U)) * 0x94d049bb133111ebU;
  return state ^ (state >> 31U);
}

/// 64 random bits of place (a, b).
[[nodiscard]] inline uint64_t bits_at(uint64_t seed, uint64_t a, uint64_t b) noexcept {
  return mixed(mixed(mixed(seed) ^ a) ^ b);
}

/// Uniform in the open interval from 0 to 1.
[[nodiscard]] inline double uniform_at(uint64_t seed, uint64_t a, uint64_t b) noexcept {
  return (static_cast<double>(bits_at(seed, a, b) >> 12U) + 0.5) * 0x1p-52;
}

/// Of the standard Gumbel distribution, by inversion.
[[nodiscard]] inline double gumbel_at(uint64_t seed, uint64_t a, uint64_t b) noexcept {
  return -std::log(-std::log(uniform_at(seed, a, b)));
}

}  // namespace banyan::moe::gate
