// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/stall_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace banyan::bootstrap {
namespace {

constexpr size_t kMaxDiagnosedRanks = 4;

}  // namespace

std::string name_operation(const OperationReport& report) {
  const std::string number = "operation " + std::to_string(report.sequence);
  return report.fields.empty() ? number : number + " (" + report.fields.front().second + ")";
}

std::optional<std::string> StallTable::report(int rank, OperationReport report) {
  std::erase_if(report.waiting_for,
                [&](int peer) { return peer < 0 || peer >= static_cast<int>(ranks_.size()) || peer == rank; });
  Rank& one = ranks_[static_cast<size_t>(rank)];
  if (one.report && one.report->sequence != report.sequence) {
    one.suspicious_reports = 0;
  }
  one.report = std::move(report);
  auto text = suspicion(rank);
  one.suspicious_reports = text ? one.suspicious_reports + 1 : 0;
  return one.suspicious_reports < kSuspiciousReports ? std::nullopt : std::move(text);
}

void StallTable::asked(int rank) { ++ranks_[static_cast<size_t>(rank)].unanswered; }

void StallTable::progress(int rank, uint64_t started, uint64_t finished) {
  Rank& one = ranks_[static_cast<size_t>(rank)];
  one.unanswered = 0;
  one.announced = true;
  one.started = started;
  one.finished = finished;
}

void StallTable::left(int rank) { ranks_[static_cast<size_t>(rank)].left = true; }

bool StallTable::standing(int rank) const {
  const Rank& one = at(rank);
  return !one.left && one.report && one.report->sequence > one.finished;
}

bool StallTable::any_standing() const {
  for (int rank = 0; rank < static_cast<int>(ranks_.size()); ++rank) {
    if (standing(rank)) {
      return true;
    }
  }
  return false;
}

std::optional<std::string> StallTable::compare(int a, int b) const {
  const OperationReport& one = *at(a).report;
  const OperationReport& other = *at(b).report;
  const size_t common = std::min(one.fields.size(), other.fields.size());
  for (size_t i = 0; i < common; ++i) {
    const auto& [name, value] = one.fields[i];
    const auto& [other_name, other_value] = other.fields[i];
    if (name != other_name || value != other_value) {
      return fmt::format("the ranks disagree in operation {}: rank {} has {} {}, rank {} has {} {}", one.sequence, a,
                         name, value, b, other_name, other_value);
    }
  }
  if (one.fields.size() != other.fields.size()) {
    const bool first_has_more = one.fields.size() > common;
    const auto& [name, value] = first_has_more ? one.fields[common] : other.fields[common];
    return fmt::format("the ranks disagree in operation {}: rank {} has {} {}, rank {} has none", one.sequence,
                       first_has_more ? a : b, name, value, first_has_more ? b : a);
  }
  return std::nullopt;
}

std::optional<std::string> StallTable::disagreement() const {
  // Equality is transitive: comparing neighbours of equal sequence finds every disagreement.
  for (int b = 1; b < static_cast<int>(ranks_.size()); ++b) {
    for (int a = b - 1; at(b).report && a >= 0; --a) {
      if (at(a).report && at(a).report->sequence == at(b).report->sequence) {
        if (auto text = compare(a, b)) {
          return text;
        }
        break;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> StallTable::suspect(int waiter, int peer) const {
  const OperationReport& report = *at(waiter).report;
  if (at(peer).left) {
    return fmt::format("rank {} waits in {} for rank {}, which has left the communicator", waiter,
                       name_operation(report), peer);
  }
  if (standing(peer) && at(peer).report->sequence > report.sequence) {
    return fmt::format(
        "rank {} waits in {} for rank {}, which waits in {}: the ranks do not call the same operations in "
        "the same order",
        waiter, name_operation(report), peer, name_operation(*at(peer).report));
  }
  return std::nullopt;
}

std::optional<std::string> StallTable::suspicion(int waiter) const {
  if (standing(waiter)) {
    for (const int peer : at(waiter).report->waiting_for) {
      if (auto text = suspect(waiter, peer)) {
        return text;
      }
    }
  }
  return std::nullopt;
}

std::string StallTable::diagnosis() const {
  std::set<std::string> findings;
  // Also ranks that nobody is known to wait for: those that do may be waited for by others.
  for (int rank = 0; any_standing() && rank < static_cast<int>(ranks_.size()); ++rank) {
    if (!at(rank).left && at(rank).unanswered >= kSilentQuestions) {
      findings.insert(fmt::format("rank {} does not answer (is it stopped, or its host?)", rank));
    }
  }
  for (int waiter = 0; waiter < static_cast<int>(ranks_.size()); ++waiter) {
    if (!standing(waiter)) {
      continue;
    }
    const OperationReport& report = *at(waiter).report;
    for (const int peer : report.waiting_for) {
      const Rank& awaited = at(peer);
      if (awaited.left) {
        findings.insert(fmt::format("rank {} has left the communicator", peer));
      } else if (awaited.announced && awaited.started < report.sequence) {
        findings.insert(fmt::format("rank {} has not started {}", peer, name_operation(report)) +
                        (awaited.started > 0 ? fmt::format(", its last is operation {}", awaited.started) : ""));
      } else if (awaited.finished >= report.sequence) {
        findings.insert(fmt::format("rank {} has finished {}", peer, name_operation(report)));
      }
    }
  }
  std::string text;
  size_t named = 0;
  for (const std::string& finding : findings) {
    if (++named > kMaxDiagnosedRanks) {
      return text + fmt::format("; and {} more such ranks", findings.size() - kMaxDiagnosedRanks);
    }
    text += (text.empty() ? "" : "; ") + finding;
  }
  return text;
}

}  // namespace banyan::bootstrap
