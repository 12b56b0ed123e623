// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compare/candidate.hpp"
#include "compare/channel.hpp"

namespace banyan::perf {

/// This rank's connection to the same rank of mpich_compare, which runs beside on the same host and sleeps while it is
/// not asked; while it works this rank sleeps. So both take strict turns on the same cores. One thread.
class MpichPartner {
 public:
  /// Failure: nobody listens there, or it is another rank, of another number of ranks, or on another host.
  MpichPartner(const std::string& sockets, int rank, int size);

  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  [[nodiscard]] bool is_lost() const noexcept { return lost_; }
  /// The partner of some rank is lost: nobody asks any more.
  void give_up() noexcept { lost_ = true; }
  /// Null once it is lost; the first rank to find that says so on stderr.
  [[nodiscard]] Json ask(const Json& request);

 private:
  Channel channel_;
  int rank_;
  bool lost_ = false;
  std::string version_;
};

/// Joins all ranks to theirs; nullptr if one could not be, with `reason` on all ranks and the cause on that rank's
/// stderr. Collective.
[[nodiscard]] std::unique_ptr<MpichPartner> join_mpich(const std::string& sockets, int rank, int size,
                                                       std::string& reason);

/// One per algorithm of MPICH's all-to-all, with `variable` of its all-to-all-v; they borrow the partner. Collective.
[[nodiscard]] std::vector<std::unique_ptr<Candidate>> mpich_candidates(MpichPartner& partner, bool variable);

}  // namespace banyan::perf
