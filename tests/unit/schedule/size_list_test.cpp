// SPDX-License-Identifier: Apache-2.0
#include "schedule/size_list.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <vector>

namespace banyan::schedule {
namespace {

std::vector<std::byte> list(const std::vector<size_t>& sizes) {
  std::vector<std::byte> bytes(sizes.size() * kMaxListedBytes);
  std::byte* end = bytes.data();
  for (const size_t size : sizes) {
    end = list_size(size, end);
  }
  bytes.resize(static_cast<size_t>(end - bytes.data()));
  return bytes;
}

TEST(SizeList, TakesAByteForSevenBits) {
  EXPECT_EQ(listed_bytes(0), 1u);
  EXPECT_EQ(listed_bytes(127), 1u);
  EXPECT_EQ(listed_bytes(128), 2u);
  EXPECT_EQ(listed_bytes((size_t{1} << 14) - 1), 2u);
  EXPECT_EQ(listed_bytes(size_t{1} << 14), 3u);
  EXPECT_EQ(listed_bytes(kMaxListedSize), kMaxListedBytes);
  EXPECT_EQ(listed_bytes(SIZE_MAX), kMaxListedBytes);
  const std::vector<std::byte> expected = {std::byte{0x7f}, std::byte{0x80}, std::byte{0x01}};
  EXPECT_EQ(list({127, 128}), expected);
}

TEST(SizeList, ReadsWhatWasWritten) {
  const bool ok = rc::check([](const std::vector<std::pair<uint64_t, uint8_t>>& random) {
    std::vector<size_t> sizes;
    size_t length = 0;
    for (const auto& [value, bits] : random) {
      sizes.push_back(value >> (bits % 64));  // of all magnitudes
      length += listed_bytes(sizes.back());
    }
    const auto bytes = list(sizes);
    RC_ASSERT(bytes.size() == length);
    const std::byte* at = bytes.data();
    for (const size_t size : sizes) {
      size_t read = 0;
      at = read_size(at, bytes.data() + bytes.size(), &read);
      RC_ASSERT(at != nullptr);
      RC_ASSERT(read == std::min(size, kMaxListedSize));
    }
    RC_ASSERT(at == bytes.data() + bytes.size());
  });
  EXPECT_TRUE(ok);
}

TEST(SizeList, RefusesWhatEndsEarlyOrIsTooLarge) {
  const auto refused = [](const std::vector<std::byte>& bytes) {
    size_t read = 0;
    return read_size(bytes.data(), bytes.data() + bytes.size(), &read) == nullptr;
  };
  EXPECT_TRUE(refused({}));
  auto cut = list({300});
  cut.pop_back();
  EXPECT_TRUE(refused(cut));
  constexpr std::byte kMore{0xff};
  EXPECT_FALSE(refused({kMore, kMore, kMore, kMore, std::byte{0x0f}}));
  EXPECT_TRUE(refused({kMore, kMore, kMore, kMore, std::byte{0x10}}));  // 2^32
  EXPECT_TRUE(refused({kMore, kMore, kMore, kMore, kMore, std::byte{0x00}}));
}

}  // namespace
}  // namespace banyan::schedule
