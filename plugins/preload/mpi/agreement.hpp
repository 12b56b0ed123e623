// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>
#include <mpi.h>

#include <cstdint>
#include <string>

#include "mpi/mode.hpp"

namespace banyan::preload {

/// How the ranks of an MPI communicator make a Banyan communicator that all of them have, or none. One thread.
class Agreement {
 public:
  explicit Agreement(MPI_Comm comm);

  /// Collective. The least of what the ranks ask for. cause() names a rank that asks for it, and its `why`, unless all
  /// ask for it.
  Mode agree_on_mode(Mode mine, const std::string& why);

  /// Collective. The largest that a rank asks for.
  int64_t most(int64_t mine) { return range_of(mine).most; }

  /// Collective. Whether all ranks have nothing against it. cause() names a rank that has, and its `why_not`.
  bool all_agree(const std::string& why_not);

  /// Why this process had better not try again, after a failure for which it waited long; empty if it may.
  static std::string why_not();

  /// Collective. The communicator, or nullptr on every rank; cause() then says why. A rank that fails early still takes
  /// part until all know, so no rank waits for it in another collective operation. A communicator over which no data
  /// pass does not count.
  /// After agree_on_mode(): Banyan's deadline begins when all ranks are here.
  banyan_comm* make();

  /// Of a failure or of a difference, with the rank that it began on; the same on every rank.
  [[nodiscard]] const std::string& cause() const noexcept { return cause_; }

 private:
  enum class Vote : int64_t { kFailed, kGathers, kMade, kTried };

  struct Range {
    int64_t least, most;
  };

  static int allgather(const void* sendbuf, void* recvbuf, size_t size, void* context);
  Range range_of(int64_t mine);
  bool all_vote(Vote mine);
  /// Whether all ranks come as far as `stage`; `mine`: this one does.
  bool all_reach(Vote stage, bool mine) { return !over_ && all_vote(mine ? stage : Vote::kFailed) && mine; }
  void share_cause(const std::string& mine);

  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 0;
  bool over_ = false;  ///< the ranks know that they differ; there are no more votes
  std::string cause_;
};

}  // namespace banyan::preload
