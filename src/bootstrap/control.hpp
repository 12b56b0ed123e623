// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
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

/// What a rank is in the middle of, as name-value pairs in a fixed order. Fields must be equal on all ranks;
/// `waiting_for` and the per-peer sizes are the rank's own and may differ.
struct OperationReport {
  uint64_t sequence = 0;                                    ///< number of the operation on its communicator, from 1
  std::vector<std::pair<std::string, std::string>> fields;  ///< e.g. {"operation","alltoall"},{"bytes per pair","64"}
  std::vector<int> waiting_for;                             ///< peers not heard from; empty: it waits for no peer
};

/// The control plane of a communicator: notices dead processes, spreads aborts, compares what stalled ranks are doing.
/// Works without the application's help (a thread per process, blocked in poll). Any thread.
///
/// Guarantees: if the process of a rank ends without leave(), every other rank's AbortState is raised with PEER_FAILED
/// and a text naming that rank within 2 s on one host and 5 s across hosts. abort() reaches every live rank. When
/// stalled ranks have reported operations that disagree, every rank's state is raised with MISMATCH and a text naming
/// two ranks, the field and both values; a rank that left or never started the operation others wait in is named as
/// well.
class Control {
 public:
  Control() = default;
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  virtual ~Control() = default;

  [[nodiscard]] virtual AbortState& state() noexcept = 0;
  /// Raises the own state and floods the cause.
  virtual void abort(banyan_status status, std::string text) = 0;
  /// Tells the control plane that this rank has waited long in an operation. Repeat it about twice a second, with the
  /// peers not heard from by then: a disagreement that needs time to be sure is judged on repeated reports.
  virtual void report_stall(OperationReport report) = 0;
  /// Ends membership cleanly: later death of this process is no failure. Does not wait for others.
  virtual void leave() noexcept = 0;

  /// What is known of the operations that stalled ranks wait in, e.g. "rank 2 has not started operation 8 (alltoall)";
  /// empty if nothing. Meant for the text of a TIMEOUT. Refreshed about twice a second while a report stands.
  [[nodiscard]] virtual std::string diagnosis() const { return {}; }

  /// Number of the operation that this rank has begun / finished last; call both for every operation, in rising order.
  /// A relaxed store. They tell a report that still stands from one that is over, without which two reports of one
  /// healthy but slow program could look like a disagreement.
  void operation_started(uint64_t sequence) noexcept { started_.store(sequence, std::memory_order_relaxed); }
  void operation_finished(uint64_t sequence) noexcept { finished_.store(sequence, std::memory_order_relaxed); }

 protected:
  [[nodiscard]] uint64_t started() const noexcept { return started_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t finished() const noexcept { return finished_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> started_{0};
  std::atomic<uint64_t> finished_{0};
};

/// What fits the bootstrap: nothing to watch for one rank, shared memory for threads of one process, else TCP.
/// Collective; the call comm_create makes right after it has a bootstrap. Keep the Control for the communicator's life:
/// poll state().raised() in every wait, call leave() in a clean destroy. Destroying it without leave() is a failure to
/// the others, which is what an error on the way needs. A host or a network that is silent for `silence_s` (4 to 600)
/// counts as dead; processes whose host lives are found dead at once.
[[nodiscard]] std::unique_ptr<Control> make_control(Bootstrap& bootstrap, const std::string& interface_name,
                                                    Deadline deadline, double silence_s = 0);

/// Over TCP: a star around rank 0, authenticated with a secret that rank 0 makes and the bootstrap carries, bound to
/// `interface_name` ("" = loopback when all ranks share a host, else the address of the route that the bootstrap used,
/// else that of the default route). Collective. When rank 0 leaves first, nobody fails: the others go on without
/// watching each other, abort() then reaches only the own state, and deadlines bound what is left. One thread per
/// Control, asleep unless something happens. Sockets are closed in forked children, so that a child cannot hide its
/// parent's death.
[[nodiscard]] std::unique_ptr<Control> make_tcp_control(Bootstrap& bootstrap, const std::string& interface_name,
                                                        Deadline deadline, double silence_s = 0);

}  // namespace banyan::bootstrap
