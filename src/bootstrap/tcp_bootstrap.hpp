// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/star.hpp"
#include "bootstrap/unique_id.hpp"

namespace banyan::bootstrap {

/// For banyan_comm_create_from_id: collective over `size` processes that have the same id. Rank 0 must be the process
/// that made the id. Returns when all ranks have come. `interface_name` is where this rank connects from ("": any).
/// Error on every rank within the deadline: INVALID_ARGUMENT, TIMEOUT (names the ranks that never came), MISMATCH
/// (size, version, duplicate rank), AUTH, PEER_FAILED. Later allgathers throw the same, and PEER_FAILED when a rank
/// dies.
[[nodiscard]] std::unique_ptr<Bootstrap> make_tcp_bootstrap(const UniqueId& id, int rank, int size,
                                                            const std::string& interface_name, Deadline deadline);

/// The same when all know where rank 0 may be. Rank 0 passes the socket it listens on, the others its addresses.
[[nodiscard]] std::unique_ptr<Bootstrap> make_tcp_root(Fd listener, const StarTicket& ticket, Deadline deadline);
[[nodiscard]] std::unique_ptr<Bootstrap> make_tcp_member(const std::vector<SocketAddress>& roots,
                                                         const StarTicket& ticket, const std::string& interface_name,
                                                         Deadline deadline);

/// The size-1 bootstrap.
[[nodiscard]] std::unique_ptr<Bootstrap> make_single_bootstrap();

}  // namespace banyan::bootstrap
