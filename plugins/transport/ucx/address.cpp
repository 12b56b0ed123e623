// SPDX-License-Identifier: Apache-2.0
#include "ucx/address.hpp"

#include <string_view>

#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

constexpr uint32_t kMagic = 0x58435542;  // "BUCX"
constexpr uint8_t kVersion = 1;
constexpr size_t kChecksumSize = sizeof(uint64_t);

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv): against accidents, not against forgers.
uint64_t checksum(std::string_view bytes) noexcept {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return hash;
}

void put(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
}

/// Reads forward; never past the end.
class Reader {
 public:
  Reader(const void* bytes, size_t size) : left_(static_cast<const char*>(bytes), size) {}

  std::string_view take(size_t bytes) {
    if (bytes > left_.size()) {
      throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "ucx address is cut: " + std::to_string(bytes) + " bytes expected, " +
                                                     std::to_string(left_.size()) + " left"};
    }
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }

  template <typename Number>
  Number number() {
    uint64_t value = 0;
    const std::string_view taken = take(sizeof(Number));
    for (size_t i = 0; i < sizeof(Number); ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(taken[i])) << (8 * i);
    }
    return static_cast<Number>(value);
  }

  [[nodiscard]] size_t left() const noexcept { return left_.size(); }

 private:
  std::string_view left_;
};

}  // namespace

std::string encode(const Address& address) {
  std::string out;
  put(out, kMagic, 4);
  put(out, kVersion, 1);
  put(out, address.rails.size(), 1);
  put(out, address.families, 2);
  put(out, address.comm_id, 8);
  put(out, static_cast<uint32_t>(address.rank), 4);
  for (const std::string& rail : address.rails) {
    put(out, rail.size(), 4);
    out += rail;
  }
  put(out, checksum(out), kChecksumSize);
  return out;
}

Address decode(const void* bytes, size_t size) {
  Reader reader(bytes, size);
  if (size < sizeof(kMagic) + kChecksumSize || reader.number<uint32_t>() != kMagic) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "not an address of the ucx transport"};
  }
  const auto version = reader.number<uint8_t>();
  if (version != kVersion) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "ucx address has version " + std::to_string(version) +
                                                ", this library reads " + std::to_string(kVersion) +
                                                "; use one Banyan version on all ranks"};
  }
  const std::string_view all(static_cast<const char*>(bytes), size);
  Reader tail(all.data() + size - kChecksumSize, kChecksumSize);
  if (tail.number<uint64_t>() != checksum(all.substr(0, size - kChecksumSize))) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "ucx address of " + std::to_string(size) + " bytes is damaged"};
  }
  const auto rails = reader.number<uint8_t>();
  Address address;
  address.families = reader.number<uint16_t>();
  address.comm_id = reader.number<uint64_t>();
  address.rank = static_cast<int>(reader.number<uint32_t>());
  for (uint32_t rail = 0; rail < rails; ++rail) {
    address.rails.emplace_back(reader.take(reader.number<uint32_t>()));
  }
  if (rails == 0 || reader.left() != kChecksumSize) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "ucx address has " + std::to_string(rails) + " rails and " +
                                                   std::to_string(reader.left()) + " bytes left"};
  }
  return address;
}

}  // namespace banyan::ucx
