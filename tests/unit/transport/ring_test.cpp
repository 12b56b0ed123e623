// SPDX-License-Identifier: Apache-2.0
#include "transport/shm/ring.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace banyan::transport::shm {
namespace {

/// Where the first record goes: not the ring's begin.
constexpr size_t kStart = 5 * kLine;

/// A ring in ordinary memory, zeroed as shared memory is.
struct RingMemory {
  explicit RingMemory(size_t size)
      : bytes(size), memory(static_cast<std::byte*>(std::aligned_alloc(kPage, size)), &std::free) {
    std::memset(memory.get(), 0, size);
  }
  [[nodiscard]] RingControl* control() const { return reinterpret_cast<RingControl*>(memory.get()); }
  size_t bytes;
  std::unique_ptr<std::byte, decltype(&std::free)> memory;
};

bool write(RingWriter& writer, const std::vector<unsigned char>& payload, uint64_t tag) {
  RecordHeader* record = writer.begin(payload.size());
  if (record == nullptr) {
    return false;
  }
  record->bytes = static_cast<uint32_t>(payload.size());
  record->tag = tag;
  std::copy(payload.begin(), payload.end(), reinterpret_cast<unsigned char*>(payload_of(record)));
  writer.publish(kEager);
  return true;
}

TEST(Ring, EmptyRingHasNoFront) {
  const RingMemory memory(kPage);
  RingReader reader(memory.control(), memory.bytes, kStart);
  EXPECT_EQ(reader.front(), nullptr);
  EXPECT_EQ(reader.poll_word()->load(), kNone);
}

TEST(Ring, LongestPayloadAlwaysFitsAnEmptyRing) {
  const RingMemory memory(kPage);
  RingReader reader(memory.control(), memory.bytes, kStart);
  RingWriter writer(memory.control(), memory.bytes);
  const std::vector<unsigned char> payload(writer.max_payload(), 7);
  for (uint64_t turn = 0; turn < 100; ++turn) {
    ASSERT_TRUE(write(writer, payload, turn)) << turn;
    RecordHeader* record = reader.front();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->tag, turn);
    reader.pop(record->bytes);
  }
}

TEST(Ring, FullRingRefusesAndTakesAgainWhenRead) {
  const RingMemory memory(kPage);
  RingReader reader(memory.control(), memory.bytes, kStart);
  RingWriter writer(memory.control(), memory.bytes);
  const std::vector<unsigned char> payload(100, 1);
  uint64_t written = 0;
  while (write(writer, payload, written)) {
    ++written;
  }
  EXPECT_GT(written, 10U);
  for (uint64_t read = 0; read < written; ++read) {
    RecordHeader* record = reader.front();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->tag, read);
    reader.pop(record->bytes);
  }
  EXPECT_EQ(reader.front(), nullptr);
  EXPECT_TRUE(write(writer, payload, 0));
}

TEST(Ring, ForeignLengthBeyondTheRingDoesNotFit) {
  const RingMemory memory(kPage);
  const RingReader reader(memory.control(), memory.bytes, kStart);
  EXPECT_FALSE(reader.fits(memory.bytes));
  EXPECT_FALSE(reader.fits(UINT32_MAX));
  EXPECT_TRUE(reader.fits(100));
}

TEST(Ring, AnySequenceComesOutAsItWentIn) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<uint16_t, bool>>& steps) {
    const RingMemory memory(2 * kPage);
    RingReader reader(memory.control(), memory.bytes, kStart);
    RingWriter writer(memory.control(), memory.bytes);
    std::deque<std::vector<unsigned char>> expected;
    uint64_t tag = 0;
    for (const auto& [size, reads] : steps) {
      const std::vector<unsigned char> payload(size % (writer.max_payload() + 1), static_cast<unsigned char>(tag));
      if (write(writer, payload, tag)) {
        expected.push_back(payload);
        ++tag;
      } else {
        RC_ASSERT(!expected.empty());
      }
      if (reads && !expected.empty()) {
        RecordHeader* record = reader.front();
        RC_ASSERT(record != nullptr && record->bytes == expected.front().size());
        const auto* bytes = reinterpret_cast<const unsigned char*>(payload_of(record));
        RC_ASSERT(std::equal(expected.front().begin(), expected.front().end(), bytes));
        reader.pop(record->bytes);
        expected.pop_front();
      }
    }
    for (; !expected.empty(); expected.pop_front()) {
      RecordHeader* record = reader.front();
      RC_ASSERT(record != nullptr && record->bytes == expected.front().size());
      reader.pop(record->bytes);
    }
    RC_ASSERT(reader.front() == nullptr);
  }));
}

TEST(Ring, WriterAndReaderThreadsAgree) {
  const RingMemory memory(kPage);
  constexpr uint64_t kCount = 50000;
  RingReader reader(memory.control(), memory.bytes, kStart);
  std::thread writing([&] {
    RingWriter writer(memory.control(), memory.bytes);
    for (uint64_t i = 0; i < kCount; ++i) {
      const std::vector<unsigned char> payload(i * 37 % 700, static_cast<unsigned char>(i));
      while (!write(writer, payload, i)) {
        std::this_thread::yield();
      }
    }
  });
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    RecordHeader* record = nullptr;
    while ((record = reader.front()) == nullptr) {
      std::this_thread::yield();
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(payload_of(record));
    const bool right = record->tag == i && record->bytes == i * 37 % 700 &&
                       std::all_of(bytes, bytes + record->bytes, [&](unsigned char b) { return b == i % 256; });
    wrong += right ? 0 : 1;
    reader.pop(record->bytes);
  }
  writing.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace banyan::transport::shm
