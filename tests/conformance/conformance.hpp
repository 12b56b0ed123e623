// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rank.hpp"
#include "transport_under_test.hpp"

namespace banyan::conformance {

/// The exam. A transport takes it by INSTANTIATE_TEST_SUITE_P(<Name>, TransportConformance, testing::Values(...),
/// label_of) in a program that links banyan_conformance.
class TransportConformance : public testing::TestWithParam<TransportUnderTest> {
 protected:
  /// Whether the transport under test must have this capability.
  [[nodiscard]] static bool claims(uint64_t capability) { return (GetParam().capabilities & capability) != 0; }

  void ranks(int size, const std::function<void(Rank&)>& body) { run_ranks(GetParam(), size, body); }
};

[[nodiscard]] inline std::string label_of(const testing::TestParamInfo<TransportUnderTest>& info) {
  return info.param.label;
}

/// Ends an exam of a capability that the transport does not claim.
#define BANYAN_LEAVE_OUT_UNLESS(capability)                                     \
  do {                                                                          \
    if (!claims(capability)) {                                                  \
      GTEST_SKIP() << "left out: the transport does not claim " << #capability; \
    }                                                                           \
  } while (false)

/// A buffer whose bytes follow from `seed`, so that a receiver can check them without the original.
[[nodiscard]] std::vector<std::byte> pattern(size_t size, uint64_t seed);
/// Whether the bytes are those of pattern(size, seed).
[[nodiscard]] bool has_pattern(const std::byte* bytes, size_t size, uint64_t seed);

/// The message sizes of the exam: small ones, powers of two up to 8 MiB, and the subject's boundaries, each with its
/// neighbours.
[[nodiscard]] std::vector<size_t> exam_sizes(const TransportUnderTest& subject);

/// An addressable byte for messages of size 0.
[[nodiscard]] inline std::byte* not_null(std::vector<std::byte>& buffer) {
  static std::byte spare{};
  return buffer.empty() ? &spare : buffer.data();
}

}  // namespace banyan::conformance
