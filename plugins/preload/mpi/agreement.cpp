// SPDX-License-Identifier: Apache-2.0
#include "mpi/agreement.hpp"

#include <atomic>
#include <chrono>
#include <climits>
#include <vector>

#include "common/flag.hpp"
#include "mpi/failure.hpp"

namespace banyan::preload {
namespace {

/// An MPI program may keep a rank waiting for as long as it likes.
constexpr double kNoDeadline_s = 1e9;
constexpr int kCauseBytes = 512;
/// All ranks are here: 64 of them on two cores meet in less than two seconds (docs/performance.md).
constexpr double kCreationDeadline_s = 15;
/// It is a byte for each rank.
constexpr double kTrialDeadline_s = 10;
/// A failure that takes longer is one of the network, which the next communicator would wait for too. One that says at
/// once what is wrong costs nothing, and need not be that of others.
constexpr std::chrono::seconds kLongFailure(2);

std::atomic<bool> failed_long = false;

/// That a communicator was made does not say that data pass: a firewall or a wrong interface shows only then, and MPI
/// cannot take over any more when an exchange of the program is under way.
bool passes_data(banyan_comm* comm, int size) {
  banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
  options.algorithm = "direct";  // between all pairs
  options.timeout_s = kTrialDeadline_s;
  const std::vector<char> sent(static_cast<size_t>(size));
  std::vector<char> received(sent.size());
  return banyan_alltoall(comm, sent.data(), received.data(), 1, 1, &options) == BANYAN_OK;
}

}  // namespace

Agreement::Agreement(MPI_Comm comm) : comm_(comm) {
  check_mpi(PMPI_Comm_rank(comm, &rank_), "MPI_Comm_rank");
  check_mpi(PMPI_Comm_size(comm, &size_), "MPI_Comm_size");
}

Agreement::Range Agreement::range_of(int64_t mine) {
  const int64_t extremes[2] = {mine, -mine};
  int64_t least[2] = {};
  check_mpi(PMPI_Allreduce(extremes, least, 2, MPI_INT64_T, MPI_MIN, comm_), "MPI_Allreduce");
  return {.least = least[0], .most = -least[1]};
}

bool Agreement::all_vote(Vote mine) {
  const Range votes = range_of(static_cast<int64_t>(mine));
  over_ = votes.least != votes.most;
  return !over_;
}

Mode Agreement::agree_on_mode(Mode mine, const std::string& why) {
  const Range modes = range_of(static_cast<int64_t>(mine));
  const auto least = static_cast<Mode>(modes.least);
  if (modes.least != modes.most) {
    share_cause(mine == least ? why : "");
  }
  return least;
}

bool Agreement::all_agree(const std::string& why_not) {
  const bool agreed = range_of(why_not.empty() ? 1 : 0).least == 1;
  if (!agreed) {
    share_cause(why_not);
  }
  return agreed;
}

int Agreement::allgather(const void* sendbuf, void* recvbuf, size_t size, void* context) {
  auto& self = *static_cast<Agreement*>(context);
  try {
    if (size > INT_MAX || !self.all_vote(Vote::kGathers)) {
      return 1;
    }
    const int bytes = static_cast<int>(size);
    return PMPI_Allgather(sendbuf, bytes, MPI_BYTE, recvbuf, bytes, MPI_BYTE, self.comm_) != MPI_SUCCESS ? 1 : 0;
  } catch (const Failure&) {
    return 1;
  }
}

std::string Agreement::why_not() { return failed_long ? "an earlier communicator could not be made in time" : ""; }

banyan_comm* Agreement::make() {
  const auto begin = std::chrono::steady_clock::now();
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  if (!is_set("BANYAN_TIMEOUT_S")) {
    config.timeout_s = kNoDeadline_s;
  }
  if (!is_set("BANYAN_BOOTSTRAP_TIMEOUT_S")) {
    config.bootstrap_timeout_s = kCreationDeadline_s;
  }
  banyan_comm* made = nullptr;
  bool ok = banyan_comm_create(rank_, size_, allgather, this, &config, &made) == BANYAN_OK;
  std::string text = ok || over_ ? "" : banyan_last_error();
  if (all_reach(Vote::kMade, ok)) {
    ok = passes_data(made, size_);
    text = ok ? "" : std::string("a first exchange failed: ") + banyan_last_error();
    if (all_reach(Vote::kTried, ok)) {
      return made;
    }
  }
  failed_long = failed_long || std::chrono::steady_clock::now() - begin > kLongFailure;
  share_cause(text);
  if (made != nullptr) {
    banyan_comm_abort(made, cause_.c_str());  // so that destroying it waits for nobody
    banyan_comm_destroy(made);
  }
  return nullptr;
}

void Agreement::share_cause(const std::string& mine) {
  const int bid = mine.empty() ? size_ : rank_;
  int first = size_;
  check_mpi(PMPI_Allreduce(&bid, &first, 1, MPI_INT, MPI_MIN, comm_), "MPI_Allreduce");
  if (first == size_) {
    cause_ = "the ranks differ in how they make it";
    return;
  }
  std::string text = mine;
  text.resize(kCauseBytes);
  check_mpi(PMPI_Bcast(text.data(), kCauseBytes, MPI_CHAR, first, comm_), "MPI_Bcast");
  cause_ = "rank " + std::to_string(first) + ": " + text.c_str();
}

}  // namespace banyan::preload
