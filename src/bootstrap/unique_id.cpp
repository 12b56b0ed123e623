// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/unique_id.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "bootstrap/listener_owner.hpp"
#include "bootstrap/wire.hpp"

namespace banyan::bootstrap {
namespace {

constexpr std::string_view kMagic = "BANYANid";
constexpr uint16_t kVersion = 1;
constexpr size_t kIpBytes = 16;
constexpr size_t kChecksumBytes = 16;
constexpr size_t kBodyBytes = sizeof(banyan_unique_id) - kChecksumBytes;

using Checksum = std::array<unsigned char, kChecksumBytes>;

Checksum checksum(Bytes body) {
  Checksum sum;
  const std::array parts = {body};
  keyed_hash(sum, as_bytes("banyan unique id"), parts);
  return sum;
}

std::array<unsigned char, kIpBytes> ip_bytes(const SocketAddress& address) {
  std::array<unsigned char, kIpBytes> bytes{};
  if (address.family() == AF_INET6) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, 16);
  } else {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 4);
  }
  return bytes;
}

SocketAddress make_address(bool is_v6, Bytes ip, uint16_t port) {
  if (is_v6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, ip.data(), sizeof v6.sin6_addr);
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v6), sizeof v6).with_port(port);
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  std::memcpy(&v4.sin_addr, ip.data(), sizeof v4.sin_addr);
  return SocketAddress(reinterpret_cast<const sockaddr*>(&v4), sizeof v4).with_port(port);
}

}  // namespace

void UniqueId::write(banyan_unique_id& id) const {
  WireWriter writer;
  writer.bytes(as_bytes(kMagic)).u16(kVersion).u8(root.family() == AF_INET6 ? 6 : 4).u8(0).u16(root.port()).u16(0);
  writer.bytes(ip_bytes(root)).bytes(job_id).bytes(secret.bytes());
  std::vector<unsigned char> body = writer.result();
  body.resize(kBodyBytes);
  const Checksum sum = checksum(body);
  std::ranges::copy(body, id.bytes);
  std::ranges::copy(sum, id.bytes + kBodyBytes);
  wipe(body);
}

UniqueId UniqueId::read(const banyan_unique_id& id) {
  const Bytes all(id.bytes, sizeof id.bytes);
  const Checksum sum = checksum(all.first(kBodyBytes));
  WireReader reader(all);
  const bool magic_fits = std::ranges::equal(reader.bytes(kMagic.size()), as_bytes(kMagic));
  if (!magic_fits || !std::ranges::equal(sum, all.subspan(kBodyBytes))) {
    throw Error(
        BANYAN_ERR_INVALID_ARGUMENT,
        "these bytes are not a whole unique id: make one with banyan_unique_id_create on rank 0 and hand all 256 "
        "bytes to the other ranks");
  }
  const uint16_t version = reader.u16();
  const uint8_t family = reader.u8();
  reader.u8();
  const uint16_t port = reader.u16();
  reader.u16();
  if (version != kVersion || (family != 4 && family != 6)) {
    throw Error(BANYAN_ERR_MISMATCH, "the unique id has version " + std::to_string(version) + ", this Banyan reads " +
                                         std::to_string(kVersion) + ": install the same Banyan on all hosts");
  }
  UniqueId result;
  result.root = make_address(family == 6, reader.bytes(kIpBytes), port);
  std::ranges::copy(reader.bytes(result.job_id.size()), result.job_id.begin());
  result.secret = Secret(reader.bytes(Secret::kBytes).first<Secret::kBytes>());
  return result;
}

UniqueId create_unique_id(const std::string& interface_name, Deadline deadline) {
  const SocketAddress address = interface_name.empty() ? default_address() : interface_address(interface_name);
  UniqueId id;
  Fd listener = listen_on(address);
  id.root = local_address(listener.get());
  id.job_id = random_job_id();
  id.secret = Secret::random();
  ListenerOwner::of_process().keep(id.job_id, std::move(listener), deadline);
  return id;
}

Fd take_listener(const UniqueId& id) {
  Fd listener = ListenerOwner::of_process().take(id.job_id);
  if (!listener) {
    throw Error(
        BANYAN_ERR_INVALID_ARGUMENT,
        "this process has no listening socket for the unique id (" + id.root.text() +
            "): rank 0 must be the process that called banyan_unique_id_create, within the bootstrap deadline, and "
            "an id serves one communicator");
  }
  return listener;
}

}  // namespace banyan::bootstrap
