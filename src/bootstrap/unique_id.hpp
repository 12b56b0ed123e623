// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "banyan/comm.h"
#include "base/deadline.hpp"
#include "base/fd.hpp"
#include "bootstrap/secret.hpp"
#include "bootstrap/socket.hpp"

namespace banyan::bootstrap {

/// What a banyan_unique_id holds: where rank 0 listens, the job and its secret. A value. Byte layout in
/// docs/bootstrap.md; versioned and checksummed, so that a truncated or foreign id is found before any connection.
struct UniqueId {
  SocketAddress root;
  JobId job_id{};
  Secret secret;

  void write(banyan_unique_id& id) const;
  /// Error{INVALID_ARGUMENT} for bytes that banyan_unique_id_create did not make, MISMATCH for another version.
  [[nodiscard]] static UniqueId read(const banyan_unique_id& id);
};

/// A new id whose listening socket on `interface_name` ("": chosen) waits in this process for take_listener(). The
/// socket is closed when the deadline passes unused. Error{NOT_FOUND} no such interface, {IO} errno. Any thread.
[[nodiscard]] UniqueId create_unique_id(const std::string& interface_name, Deadline deadline);

/// Takes the listening socket that create_unique_id() left. Error{INVALID_ARGUMENT} if this process has none for the
/// id: made elsewhere, used already or expired. Any thread.
[[nodiscard]] Fd take_listener(const UniqueId& id);

}  // namespace banyan::bootstrap
