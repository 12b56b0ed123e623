// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "banyan/transport_plugin.h"

namespace banyan::transport {

/// Finds transports by name: the library's own ("shm", "inproc") and plugins `libbanyan_transport_<name>.so` in
/// BANYAN_PLUGIN_PATH, then beside libbanyan, then in the installed plugin folder. Plugins are never unloaded. One
/// thread at a time. Made by comm_create and passed on; not a singleton.
class TransportRegistry {
 public:
  TransportRegistry();

  /// The complete table: older plugins are upgraded by copy, absent optional operations answer NOT_SUPPORTED, groups
  /// are checked all-or-none. Valid as long as the process. Error{NOT_FOUND} lists where it looked and what there is;
  /// Error{NOT_SUPPORTED} for a table that does not fit, naming the member.
  [[nodiscard]] const banyan_transport_ops& find(const std::string& name);

  /// Names of the own transports and of the plugins found in the search folders.
  [[nodiscard]] std::vector<std::string> available() const;

 private:
  std::map<std::string, const banyan_transport_ops*> tables_;
};

/// Checks and completes a table as find() does; for find() and for tests with wrong tables.
[[nodiscard]] std::unique_ptr<banyan_transport_ops> complete_table(const banyan_transport_ops& table,
                                                                   const std::string& origin);

/// The ranks-as-threads transport; `host_context` of its config is an InprocHub*.
[[nodiscard]] const banyan_transport_ops& inproc_table() noexcept;
/// Ranks of one host over shared memory.
[[nodiscard]] const banyan_transport_ops& shm_table() noexcept;

class InprocHub;
/// Joins the inproc transports of one communicator; outlives them.
[[nodiscard]] std::shared_ptr<InprocHub> make_inproc_hub(int size);

}  // namespace banyan::transport
