// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "nccl/real.hpp"
#include "nccl/recognition.hpp"

namespace banyan::preload::nccl {

/// Where a communicator comes from.
struct Origin {
  const char* how = "unknown";  ///< "init_rank", "init_all", "split", "shrink"
  /// The same on all its ranks, and of no other communicator of the job; none of one whose creation was not seen.
  std::optional<uint64_t> id;
  int num_ranks = 0;  ///< 0: NCCL has to be asked
  int rank = 0;
};

enum class State : uint8_t { kOpen, kFinalized, kRevoked, kDestroyed, kAborted };

/// Exchanges in groups: bytes to and from each rank, in all calls.
struct Exchanges {
  uint64_t num_calls = 0;
  std::vector<uint64_t> sent;
  std::vector<uint64_t> received;
};

/// What one rank did on a communicator.
struct Tally {
  struct Alltoall {
    uint64_t num_calls = 0;
    uint64_t total_bytes = 0;  ///< per pair, in all calls
    uint64_t least_bytes = 0;
    uint64_t most_bytes = 0;
  };
  struct LeftAlone {
    uint64_t num_sends = 0;
    uint64_t num_receives = 0;
    uint64_t sent_bytes = 0;
    uint64_t received_bytes = 0;
  };
  Alltoall alltoall;      ///< ncclAlltoAll
  Exchanges alltoallv;    ///< groups that are complete
  uint64_t num_even = 0;  ///< of these, with blocks of one size on this rank
  Exchanges partial;      ///< groups with something missing
  uint64_t missing_sends = 0;
  uint64_t missing_receives = 0;
  uint64_t num_without_itself = 0;
  LeftAlone left_alone;
  uint64_t num_unknown_datatypes = 0;  ///< operations whose bytes are not known and are not in the sums

  [[nodiscard]] bool is_empty() const noexcept {
    return alltoall.num_calls == 0 && alltoallv.num_calls == 0 && partial.num_calls == 0 && left_alone.num_sends == 0 &&
           left_alone.num_receives == 0;
  }
};

/// One rank of one of NCCL's communicators. Any thread.
class Communicator {
 public:
  Communicator(const Real& real, const Origin& origin) : real_(real), origin_(origin) {}

  [[nodiscard]] const Real& real() const noexcept { return real_; }
  [[nodiscard]] Origin origin() const;
  /// What NCCL says of one that a split made.
  void learn(int num_ranks, int rank);

  /// Counted by the communicator that is split or shrunk: the same on all its ranks, as both are collective.
  uint64_t next_split();
  uint64_t next_shrink();

  void set_state(State state);
  [[nodiscard]] State state() const;

  void add_alltoall(uint64_t bytes_per_pair);
  void add(const Verdict& verdict, std::span<const PointToPoint> operations, uint64_t num_unknown_datatypes);
  [[nodiscard]] Tally tally() const;

 private:
  const Real& real_;
  mutable std::mutex mutex_;
  Origin origin_;
  State state_ = State::kOpen;
  uint64_t num_splits_ = 0;
  uint64_t num_shrinks_ = 0;
  Tally tally_;
};

}  // namespace banyan::preload::nccl
