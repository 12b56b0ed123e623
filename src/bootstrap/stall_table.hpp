// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bootstrap/control.hpp"

namespace banyan::bootstrap {

/// What ranks reported about stalled operations, and what follows from it. A value without I/O; one thread.
class StallTable {
 public:
  explicit StallTable(int size) : ranks_(static_cast<size_t>(size)) {}

  /// Reports in a row after which a suspicion counts.
  static constexpr int kSuspiciousReports = 6;
  /// Unanswered questions after which a rank counts as silent.
  static constexpr int kSilentQuestions = 3;

  /// What a rank is in, and for whom it waits now; it repeats this while it waits. Returns what is wrong once that many
  /// reports in a row waited for a rank that is in a later operation or has left. Not earlier: a message may be on its
  /// way, and what an old report waited for may have come.
  std::optional<std::string> report(int rank, OperationReport report);
  /// A rank was asked for its numbers.
  void asked(int rank);
  /// The rank's announced numbers.
  void progress(int rank, uint64_t started, uint64_t finished);
  void left(int rank);

  /// Whether any report stands: its operation is not known to be over.
  [[nodiscard]] bool any_standing() const;
  /// Whether this rank's report stands.
  [[nodiscard]] bool standing(int rank) const;

  /// Two ranks that reported the same operation with different fields. Wrong for certain, however old the reports.
  [[nodiscard]] std::optional<std::string> disagreement() const;
  /// For the text of a time-out: which ranks the stalled ones wait for, and where those are.
  [[nodiscard]] std::string diagnosis() const;

 private:
  struct Rank {
    std::optional<OperationReport> report;
    bool announced = false;
    uint64_t started = 0;
    uint64_t finished = 0;
    bool left = false;
    int unanswered = 0;  ///< times that it was asked since it last answered
    int suspicious_reports = 0;
  };
  [[nodiscard]] const Rank& at(int rank) const { return ranks_[static_cast<size_t>(rank)]; }
  [[nodiscard]] std::optional<std::string> compare(int a, int b) const;
  [[nodiscard]] std::optional<std::string> suspicion(int waiter) const;
  [[nodiscard]] std::optional<std::string> suspect(int waiter, int peer) const;

  std::vector<Rank> ranks_;
};

/// "operation 7 (alltoall)".
[[nodiscard]] std::string name_operation(const OperationReport& report);

}  // namespace banyan::bootstrap
