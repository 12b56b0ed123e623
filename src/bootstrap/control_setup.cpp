// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>

#include "base/error.hpp"
#include "bootstrap/local_bootstrap.hpp"
#include "bootstrap/tcp_control.hpp"
#include "bootstrap/unique_id.hpp"

namespace banyan::bootstrap {
namespace {

/// What tells network hosts apart: the running kernel and the network namespace. Equal: loopback connects them.
JobId host_identity() {
  std::string boot_id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot_id);
  std::array<char, 128> name{};
  const ssize_t length = ::readlink("/proc/self/ns/net", name.data(), name.size());
  return job_id_from_name(boot_id + " " + std::string(name.data(), static_cast<size_t>(std::max<ssize_t>(length, 0))));
}

/// What every rank says first: its host, or why it cannot take part.
struct Introduction {
  JobId host{};
  uint32_t status = BANYAN_OK;
  std::array<char, 492> text{};

  void fail(const Error& error) {
    status = static_cast<uint32_t>(error.status());
    std::string_view(error.what()).copy(text.data(), text.size() - 1);
  }
  void check(const std::string& who) const {
    if (status != BANYAN_OK) {
      throw Error(static_cast<banyan_status>(status), who + ": " + std::string(text.data()));
    }
  }
};

/// What rank 0 says next: where it listens, and the secret.
struct Offer {
  Introduction outcome;
  banyan_unique_id id{};
};

std::vector<Introduction> introduce(Bootstrap& bootstrap, const std::string& interface_name,
                                    std::optional<SocketAddress>& own, Deadline deadline) {
  Introduction mine;
  mine.host = host_identity();
  try {
    if (!interface_name.empty()) {
      own = interface_address(interface_name);
    }
  } catch (const Error& error) {  // told to all ranks, thrown below
    mine.fail(error);
  }
  std::vector<Introduction> all(static_cast<size_t>(bootstrap.size()));
  bootstrap.allgather(&mine, all.data(), sizeof mine, deadline);
  for (size_t rank = 0; rank < all.size(); ++rank) {
    all[rank].check(fmt::format("rank {}", rank));
  }
  return all;
}

SocketAddress listening_address(const Bootstrap& bootstrap, const std::optional<SocketAddress>& own, bool one_host) {
  if (own) {
    return *own;
  }
  if (one_host) {
    return SocketAddress::from_ip("127.0.0.1", 0).value();
  }
  const auto route = SocketAddress::from_ip(bootstrap.route_address(), 0);
  return route && !route->is_loopback() ? *route : default_address();
}

/// Rank 0: listens, and says where.
Offer make_offer(const SocketAddress& address, Fd& listener) {
  Offer offer;
  try {
    UniqueId id;
    listener = listen_on(address);
    id.root = local_address(listener.get());
    id.job_id = random_job_id();
    id.secret = Secret::random();
    id.write(offer.id);
  } catch (const Error& error) {  // told to all ranks, thrown by each
    offer.outcome.fail(error);
  }
  return offer;
}

}  // namespace

std::unique_ptr<Control> make_tcp_control(Bootstrap& bootstrap, const std::string& interface_name, Deadline deadline,
                                          double silence_s) {
  const int rank = bootstrap.rank();
  const int size = bootstrap.size();
  if (size == 1) {
    return make_trivial_control();
  }
  std::optional<SocketAddress> own;
  const std::vector<Introduction> ranks = introduce(bootstrap, interface_name, own, deadline);
  const bool one_host = std::ranges::all_of(ranks, [&](const auto& other) { return other.host == ranks[0].host; });
  Fd listener;
  Offer mine;
  if (rank == 0) {
    mine = make_offer(listening_address(bootstrap, own, one_host), listener);
  }
  std::vector<Offer> offers(static_cast<size_t>(size));
  bootstrap.allgather(&mine, offers.data(), sizeof mine, deadline);
  const Offer& offer = offers.front();
  offer.outcome.check("rank 0");
  const UniqueId id = UniqueId::read(offer.id);
  wipe(mine.id.bytes);
  wipe(offers.front().id.bytes);
  const StarTicket ticket = {.secret = id.secret,
                             .job_id = id.job_id,
                             .rank = rank,
                             .size = size,
                             .purpose = "control plane",
                             .silence_s = silence_s};
  StarChannels channels;
  if (rank == 0) {
    channels = accept_star(std::move(listener), ticket, deadline);
  } else {
    channels.emplace_back(join_star({id.root}, ticket, own, deadline));
  }
  return std::make_unique<TcpControl>(std::move(channels), rank, size);
}

std::unique_ptr<Control> make_control(Bootstrap& bootstrap, const std::string& interface_name, Deadline deadline,
                                      double silence_s) {
  if (bootstrap.size() == 1) {
    return make_trivial_control();
  }
  if (auto hub = bootstrap.local_hub()) {
    return make_local_control(std::move(hub), bootstrap.rank());
  }
  return make_tcp_control(bootstrap, interface_name, deadline, silence_s);
}

}  // namespace banyan::bootstrap
