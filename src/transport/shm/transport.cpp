// SPDX-License-Identifier: Apache-2.0
// Opening, addresses and connections.
#include "transport/shm/transport.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "base/env.hpp"
#include "base/error.hpp"

namespace banyan::transport::shm {
namespace {

/// Of one ring: large enough to stream through, small enough that 128 ranks of a host take 4 MiB each.
size_t ring_bytes(int size) { return size_t{size <= 8 ? 128U : size <= 32 ? 64U : 32U} << 10; }

/// Two copies through the ring by two cores beat one by the kernel, which pins page by page: 262144 bytes take 12 us
/// against 19 us (perf/micro/transport_micro, AMD EPYC 9005 in KVM, 2026-11-22). But a message that does not fit the
/// ring needs both ranks to run at once, and where ranks outnumber cores that is a switch of processes for every ring
/// full.
size_t read_threshold(size_t local_ranks, size_t ring) {
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 && local_ranks <= static_cast<size_t>(cores) ? size_t{256} << 10 : ring / 2;
}

bool single_copy_allowed() { return !env::get("BANYAN_SHM_SINGLE_COPY") || env::get_flag("BANYAN_SHM_SINGLE_COPY"); }

}  // namespace

ShmTransport::ShmTransport(const banyan_transport_config& config)
    : rank_(config.rank),
      size_(config.size),
      comm_id_(config.comm_id),
      pid_(::getpid()),
      allow_single_copy_(single_copy_allowed()),
      segment_(config.rank, config.size, config.comm_id),
      peers_(static_cast<size_t>(config.size)) {}

ShmTransport::~ShmTransport() {
  free_all(pulls_);
  // A forked child that closes what it inherited must not speak for its parent.
  if (::getpid() == pid_) {
    segment_.withdraw_all();
    segment_.header().closed.store(1, std::memory_order_release);
  }
}

Address ShmTransport::own_address() const {
  Address address{};
  address.magic = kMagic;
  address.comm_id = comm_id_;
  address.rank = rank_;
  address.size = size_;
  address.host = host_identity();
  std::memcpy(address.token, segment_.header().token, sizeof(address.token));
  address.probe = reinterpret_cast<uintptr_t>(segment_.header().token);
  address.memory = address_of_memory(segment_.fd());
  address.memory.size = SegmentLayout(size_).bytes;
  return address;
}

void ShmTransport::get_address(void* address, size_t* size) const {
  const Address own = own_address();
  std::memcpy(address, &own, sizeof(own));
  *size = sizeof(own);
}

Address ShmTransport::parse_address(int peer, const void* bytes, size_t size) const {
  Address address{};
  if (peer < 0 || peer >= size_) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("shm: peer {} of {} ranks", peer, size_));
  }
  if (size != sizeof(address)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("shm: address of peer {} has {} bytes, expected {}", peer, size, sizeof(address)));
  }
  std::memcpy(&address, bytes, sizeof(address));
  if (address.magic != kMagic || address.rank != peer || address.size != size_ || address.comm_id != comm_id_ ||
      address.memory.size != SegmentLayout(size_).bytes) {
    throw Error(
        BANYAN_ERR_INVALID_ARGUMENT,
        fmt::format("shm: address of peer {} is damaged, of another library version or of another communicator", peer));
  }
  return address;
}

void ShmTransport::open_segment(Peer& peer, const Address& address) const {
  if (address.host != host_identity()) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED,
                fmt::format("shm: peer {} is on another host or in another pid namespace", peer.rank));
  }
  const SegmentLayout layout(size_);
  peer.memory = address.memory;
  peer.segment_fd = open_memory(address.memory);
  peer.segment = SharedMapping(peer.segment_fd.get(), 0, layout.bytes);
  const SegmentHeader& header = peer.header();
  if (header.magic != kMagic || header.rank != peer.rank || header.size != size_ || header.comm_id != comm_id_ ||
      std::memcmp(header.token, address.token, sizeof(header.token)) != 0) {
    throw Error(BANYAN_ERR_NOT_FOUND,
                fmt::format("shm: the memory at peer {}'s address is not its segment", peer.rank));
  }
  peer.directory = {reinterpret_cast<RingPlace*>(peer.segment.base() + layout.directory), static_cast<size_t>(size_)};
  peer.descriptors = {reinterpret_cast<Descriptor*>(peer.segment.base() + layout.descriptors), kDescriptors};
}

bool ShmTransport::is_reachable(int peer, const void* bytes, size_t size) {
  try {
    const Address address = parse_address(peer, bytes, size);
    Peer trial;
    trial.rank = peer;
    open_segment(trial, address);
    return true;
  } catch (const Error& error) {
    error_.set(BANYAN_ERR_NOT_SUPPORTED, "{}", error.what());
    return false;
  }
}

void ShmTransport::connect(int rank, const void* bytes, size_t size) {
  const Address address = parse_address(rank, bytes, size);
  auto& slot = peers_[static_cast<size_t>(rank)];
  if (slot != nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("shm: peer {} is already connected", rank));
  }
  auto peer = std::make_unique<Peer>();
  peer->rank = rank;
  peer->is_self = rank == rank_;
  if (peer->is_self) {
    peer->memory = address.memory;
  } else {
    open_segment(*peer, address);
    add_remote(*peer);
    uint64_t token[2] = {};
    peer->single_copy = allow_single_copy_ &&
                        read_process(peer->memory.pid, address.probe, token, sizeof(token)) == RemoteRead::kDone &&
                        std::memcmp(token, address.token, sizeof(token)) == 0;
  }
  slot = std::move(peer);
}

void ShmTransport::add_remote(Peer& peer) {
  if (peer.memory.pid != pid_) {
    peer.process = watch_process(peer.memory.pid, peer.memory.start_time);
  }
  remote_.reserve(remote_.size() + 1);
  poll_words_.reserve(remote_.size() + 1);
  watches_.reserve(remote_.size() + 1);
  const size_t bytes = ring_bytes(size_);
  peer.place = remote_.size();
  auto ring = segment_.add_ring(bytes);
  peer.inbox = std::move(ring.memory);
  peer.reader = RingReader(reinterpret_cast<RingControl*>(peer.inbox.base()), bytes, peer.place * kLine);
  segment_.publish_ring(peer.rank, ring.offset, bytes);
  remote_.push_back(&peer);
  poll_words_.push_back(peer.reader.poll_word());
  read_from_ = read_threshold(remote_.size() + 1, bytes);
  watches_.push_back({peer.process ? peer.process.get() : -1, POLLIN, 0});
}

}  // namespace banyan::transport::shm
