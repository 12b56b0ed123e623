// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "banyan/transport_plugin.h"

namespace banyan::conformance {

/// How the ranks of an exam are made.
enum class Ranks {
  kThreads,    ///< threads of the test process
  kProcesses,  ///< forked processes; the transport is loaded and opened after the fork
};

/// A transport and what the exam must know about it beyond its table. docs/plugin-guide.md explains each.
struct TransportUnderTest {
  std::string label;  ///< the exam's name in the output: letters, digits and _
  Ranks ranks = Ranks::kThreads;
  /// The completed table, as TransportRegistry::find gives it. Called once by every rank, on the rank's thread.
  std::function<const banyan_transport_ops&()> table;
  /// What the transport must claim, BANYAN_TRANSPORT_CAP_...: the exams of what is not here are left out, by name, and
  /// a transport that claims anything else fails.
  uint64_t capabilities = 0;
  /// What the ranks of one communicator of `size` share as `host_context`; empty: NULL is passed.
  std::function<std::shared_ptr<void>(int size)> host_context;
  /// Set in the environment before the ranks start.
  std::vector<std::pair<std::string, std::string>> environment;
  /// Sizes around which the transport changes its protocol; the exam tries each, one less and one more.
  std::vector<size_t> boundaries;
  /// Tags that the transport matches. With fewer than 64 bits it refuses larger tags with INVALID_ARGUMENT.
  int tag_bits = 64;
  /// Messages above 4 GiB are examined (in builds without sanitizers).
  bool huge_messages = true;
  /// By when a peer's death must have ended the requests to it, for those with REPORTS_PEER_FAILURE.
  double failure_deadline_s = 10;
  /// Why the exam cannot be held here; empty: it can.
  std::string skip_reason;
};

/// What GoogleTest prints as the parameter.
inline void PrintTo(const TransportUnderTest& subject, std::ostream* out) { *out << subject.label; }

}  // namespace banyan::conformance
