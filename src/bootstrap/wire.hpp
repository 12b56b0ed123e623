// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::bootstrap {

using Bytes = std::span<const unsigned char>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

/// Appends little-endian fields. A value; any thread.
class WireWriter {
 public:
  WireWriter& u8(uint8_t value) { return integer(value, 1); }
  WireWriter& u16(uint16_t value) { return integer(value, 2); }
  WireWriter& u32(uint32_t value) { return integer(value, 4); }
  WireWriter& u64(uint64_t value) { return integer(value, 8); }
  WireWriter& bytes(Bytes value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  /// Two bytes of length, then at most `max_bytes` of the text.
  WireWriter& text(std::string_view value, size_t max_bytes) {
    const std::string_view kept = value.substr(0, max_bytes);
    return u16(static_cast<uint16_t>(kept.size())).bytes(as_bytes(kept));
  }
  [[nodiscard]] const std::vector<unsigned char>& result() const noexcept { return bytes_; }

 private:
  WireWriter& integer(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) {
      bytes_.push_back(static_cast<unsigned char>(value >> (8 * i)));
    }
    return *this;
  }
  std::vector<unsigned char> bytes_;
};

/// Takes little-endian fields from bytes that a peer sent. Past the end it yields zeros and ok() turns false.
class WireReader {
 public:
  explicit WireReader(Bytes bytes) noexcept : rest_(bytes) {}

  uint8_t u8() noexcept { return static_cast<uint8_t>(integer(1)); }
  uint16_t u16() noexcept { return static_cast<uint16_t>(integer(2)); }
  uint32_t u32() noexcept { return static_cast<uint32_t>(integer(4)); }
  uint64_t u64() noexcept { return integer(8); }
  Bytes bytes(size_t count) noexcept {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  std::string text() {
    const Bytes taken = bytes(u16());
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  /// Whether every field was there so far.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Whether every field was there and nothing is left.
  [[nodiscard]] bool complete() const noexcept { return ok_ && rest_.empty(); }

 private:
  uint64_t integer(size_t count) noexcept {
    uint64_t value = 0;
    const Bytes taken = bytes(count);
    for (size_t i = 0; i < taken.size(); ++i) {
      value |= static_cast<uint64_t>(taken[i]) << (8 * i);
    }
    return value;
  }
  Bytes rest_;
  bool ok_ = true;
};

}  // namespace banyan::bootstrap
