// SPDX-License-Identifier: Apache-2.0
#include "ucx/address.hpp"

#include <string_view>

#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

constexpr uint32_t kMagic = 0x58435542;  // "BUCX"
constexpr uint32_t kVersion = 1;

void put(std::string& out, uint32_t value, size_t bytes) {
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

  uint32_t number(size_t bytes) {
    uint32_t value = 0;
    const std::string_view taken = take(bytes);
    for (size_t i = 0; i < bytes; ++i) {
      value |= static_cast<uint32_t>(static_cast<unsigned char>(taken[i])) << (8 * i);
    }
    return value;
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
  put(out, static_cast<uint32_t>(address.rails.size()), 1);
  put(out, address.families, 2);
  for (const std::string& rail : address.rails) {
    put(out, static_cast<uint32_t>(rail.size()), 4);
    out += rail;
  }
  return out;
}

Address decode(const void* bytes, size_t size) {
  Reader reader(bytes, size);
  if (size < 4 || reader.number(4) != kMagic) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "not an address of the ucx transport"};
  }
  const uint32_t version = reader.number(1);
  if (version != kVersion) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "ucx address has version " + std::to_string(version) + ", this library reads " +
                                                std::to_string(kVersion) + "; use one Banyan version on all ranks"};
  }
  const uint32_t rails = reader.number(1);
  Address address{.families = static_cast<uint16_t>(reader.number(2)), .rails = {}};
  for (uint32_t rail = 0; rail < rails; ++rail) {
    const uint32_t length = reader.number(4);
    address.rails.emplace_back(reader.take(length));
  }
  if (rails == 0 || reader.left() != 0) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "ucx address has " + std::to_string(rails) + " rails and " +
                                                   std::to_string(reader.left()) + " bytes too many"};
  }
  return address;
}

}  // namespace banyan::ucx
