// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "base/deadline.hpp"
#include "base/fd.hpp"
#include "bootstrap/secret.hpp"

namespace banyan::bootstrap {

/// Holds the listening sockets between banyan_unique_id_create and banyan_comm_create_from_id, two calls that share
/// nothing but the id's bytes. An object of the process; docs/decisions/0005 says why. Any thread.
class ListenerOwner {
 public:
  /// Made at first use, never destroyed.
  static ListenerOwner& of_process();

  /// Keeps the socket until it is taken or the deadline passes; then a watching thread closes it.
  void keep(const JobId& id, Fd listener, Deadline deadline);
  /// The socket, or none.
  [[nodiscard]] Fd take(const JobId& id);

 private:
  struct Entry {
    Fd listener;
    Fd taken_signal;  ///< eventfd that ends the watching thread
  };
  std::mutex mutex_;
  std::map<JobId, Entry> entries_;
};

}  // namespace banyan::bootstrap
