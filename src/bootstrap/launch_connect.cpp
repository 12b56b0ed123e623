// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/env.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/launch.hpp"
#include "bootstrap/pmi1.hpp"
#include "bootstrap/pmix.hpp"
#include "bootstrap/tcp_bootstrap.hpp"

namespace banyan::bootstrap {
namespace {

/// Where rank 0 listens: the chosen interface, else the address of `host` on this machine that all ranks can reach.
SocketAddress root_address(const Launch& launch, const std::string& interface_name) {
  if (!interface_name.empty()) {
    return interface_address(interface_name);
  }
  // A number, unlike the host's own name, means the same to all ranks.
  const bool any = launch.local_size == launch.size || SocketAddress::from_ip(launch.host, 0).has_value();
  bool names_this_host = false;
  for (const SocketAddress& address : resolve(launch.host, 0)) {
    if (is_local(address)) {
      names_this_host = true;
      if (any || !address.is_loopback()) {
        return address;
      }
    }
  }
  if (!names_this_host) {
    throw Error(
        BANYAN_ERR_INVALID_ARGUMENT,
        fmt::format("rank 0 runs here, but \"{}\" is no address of this host ({}): set MASTER_ADDR to this host's "
                    "address, or BANYAN_INTERFACE to the interface it stands for",
                    launch.host, launch.launcher));
  }
  return default_address();  // the host's own name often means loopback on the host itself
}

Fd listen_at_first_free(const Launch& launch, const SocketAddress& address) {
  int error = 0;
  for (const uint16_t port : launch.ports) {
    Fd listener = try_listen_on(address.with_port(port), error);
    if (listener) {
      BANYAN_LOG(kInfo, "bootstrap", "rank 0 of {} listens at {}", launch.size, local_address(listener.get()).text());
      return listener;
    }
    if (error != EADDRINUSE && error != EACCES) {
      break;
    }
  }
  throw Error(BANYAN_ERR_IO, fmt::format("rank 0 cannot listen at {}, ports {} to {}: {}", address.ip(),
                                         launch.ports.front(), launch.ports.back(), errno_text(error)));
}

/// All places where rank 0 may be, nearest guess first.
std::vector<SocketAddress> root_candidates(const Launch& launch) {
  std::vector<SocketAddress> addresses = resolve(launch.host, 0);
  const bool spans_hosts = launch.local_size != launch.size;
  if (spans_hosts && std::ranges::any_of(addresses, [](const auto& one) { return one.is_loopback(); })) {
    addresses.push_back(default_address());  // see root_address: we are on rank 0's host
  }
  std::vector<SocketAddress> candidates;
  for (const uint16_t port : launch.ports) {
    for (const SocketAddress& address : addresses) {
      candidates.push_back(address.with_port(port));
    }
  }
  return candidates;
}

std::unique_ptr<Bootstrap> connect_at_address(const Launch& launch, const EnvironmentLookup& lookup,
                                              const std::string& interface_name, Deadline deadline) {
  if (launch.host.empty() || launch.ports.empty()) {
    throw Error(
        BANYAN_ERR_INVALID_ARGUMENT,
        fmt::format("{} started {} ranks but does not say where rank 0 is: set MASTER_ADDR and MASTER_PORT, or use "
                    "banyan_comm_create with an allgather over MPI",
                    launch.launcher, launch.size));
  }
  const StarTicket ticket = {.secret = job_secret(lookup),
                             .job_id = job_id_from_name(launch.job),
                             .rank = launch.rank,
                             .size = launch.size,
                             .purpose = "bootstrap"};
  if (launch.rank == 0) {
    return make_tcp_root(listen_at_first_free(launch, root_address(launch, interface_name)), ticket, deadline);
  }
  return make_tcp_member(root_candidates(launch), ticket, interface_name, deadline);
}

std::string to_hex(const banyan_unique_id& id) {
  std::string text;
  for (const unsigned char byte : id.bytes) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

/// nullopt if the text is not exactly an id.
std::optional<banyan_unique_id> from_hex(const std::string& text) {
  banyan_unique_id id;
  if (text.size() != 2 * sizeof id.bytes) {
    return std::nullopt;
  }
  for (size_t i = 0; i < sizeof id.bytes; ++i) {
    const char* digits = text.data() + 2 * i;
    const auto [end, code] = std::from_chars(digits, digits + 2, id.bytes[i], 16);
    if (code != std::errc() || end != digits + 2) {
      return std::nullopt;
    }
  }
  return id;
}

/// The launcher's service carries rank 0's unique id, or "failed" when rank 0 could not make one.
std::unique_ptr<Bootstrap> connect_by_exchange(LauncherExchange& exchange, const Launch& launch,
                                               const std::string& interface_name, Deadline deadline) {
  std::string mine;
  std::optional<Error> failure;
  if (launch.rank == 0) {
    const bool one_host = launch.local_size == launch.size && interface_name.empty();
    try {
      banyan_unique_id id;
      create_unique_id(one_host ? "127.0.0.1" : interface_name, deadline).write(id);
      mine = to_hex(id);
      wipe(id.bytes);
    } catch (const Error& error) {  // the others wait in the exchange: they must hear of it
      failure.emplace(error);
      mine = "failed";
    }
  }
  const std::string text = exchange.from_root(mine, deadline);
  if (failure) {
    throw *failure;
  }
  auto id = from_hex(text);
  if (!id) {
    throw Error(BANYAN_ERR_PEER_FAILED, "rank 0 could not open its listening socket; its own error has the cause");
  }
  const UniqueId unique_id = UniqueId::read(*id);
  wipe(id->bytes);
  return make_tcp_bootstrap(unique_id, launch.rank, launch.size, interface_name, deadline);
}

}  // namespace

std::unique_ptr<Bootstrap> connect_launch(const Launch& launch, const EnvironmentLookup& lookup,
                                          const std::string& interface_name, Deadline deadline) {
  if (launch.meeting == Launch::Meeting::kPmix) {
    PmixSession session;
    Launch complete = launch;
    session.fill(complete);
    return complete.size == 1 ? make_single_bootstrap()
                              : connect_by_exchange(session, complete, interface_name, deadline);
  }
  if (launch.size == 1) {
    return make_single_bootstrap();
  }
  if (launch.meeting == Launch::Meeting::kPmi1) {
    Pmi1Session session(launch.pmi_fd, launch.rank, deadline);
    return connect_by_exchange(session, launch, interface_name, deadline);
  }
  return connect_at_address(launch, lookup, interface_name, deadline);
}

std::unique_ptr<Bootstrap> connect_from_environment(const std::string& interface_name, Deadline deadline) {
  return connect_launch(launch_from_environment(&env::get), &env::get, interface_name, deadline);
}

}  // namespace banyan::bootstrap
