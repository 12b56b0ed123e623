// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/abort_state.hpp"
#include "bootstrap/bootstrap.hpp"

namespace banyan::bootstrap {

/// What a rank is in the middle of, as name-value pairs in a fixed order. Fields must be equal on all ranks; `waiting_for`
/// and the per-peer sizes are the rank's own and may differ.
struct OperationReport {
  uint64_t sequence = 0;                                    ///< number of the operation on its communicator, from 1
  std::vector<std::pair<std::string, std::string>> fields;  ///< e.g. {"operation","alltoall"},{"bytes per pair","64"}
  std::vector<int> waiting_for;                             ///< peers not heard from
};

/// The control plane of a communicator: notices dead processes, spreads aborts, compares what stalled ranks are doing.
/// Works without the application's help (a thread per process, blocked in poll). Any thread.
///
/// Guarantees: if the process of a rank ends without leave(), every other rank's AbortState is raised with PEER_FAILED
/// and a text naming that rank within 2 s on one host and 5 s across hosts. abort() reaches every live rank. When stalled
/// ranks have reported operations that disagree, every rank's state is raised with MISMATCH and a text naming two
/// ranks, the field and both values; a rank that left or never started the operation others wait in is named as well.
class Control {
 public:
  Control() = default;
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  virtual ~Control() = default;

  [[nodiscard]] virtual AbortState& state() noexcept = 0;
  /// Raises the own state and floods the cause.
  virtual void abort(banyan_status status, std::string text) = 0;
  /// Tells the control plane that this rank has waited long in an operation; call once per stalled operation.
  virtual void report_stall(OperationReport report) = 0;
  /// Ends membership cleanly: later death of this process is no failure. Does not wait for others.
  virtual void leave() noexcept = 0;
};

/// Over TCP: a star around rank 0, authenticated with a secret that rank 0 makes and the bootstrap carries, bound to
/// `interface_name` ("" = the address of the route that the bootstrap used, else any). Collective.
[[nodiscard]] std::unique_ptr<Control> make_tcp_control(Bootstrap& bootstrap, const std::string& interface_name,
                                                        Deadline deadline);

}  // namespace banyan::bootstrap
