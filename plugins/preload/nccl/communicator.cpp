// SPDX-License-Identifier: Apache-2.0
#include "nccl/communicator.hpp"

#include <algorithm>

namespace banyan::preload::nccl {
namespace {

void add_to(Exchanges& exchanges, std::span<const PointToPoint> operations, int num_ranks) {
  ++exchanges.num_calls;
  exchanges.sent.resize(static_cast<size_t>(num_ranks));
  exchanges.received.resize(static_cast<size_t>(num_ranks));
  for (const PointToPoint& operation : operations) {
    (operation.is_send ? exchanges.sent : exchanges.received)[static_cast<size_t>(operation.peer)] +=
        operation.size_bytes;
  }
}

}  // namespace

Origin Communicator::origin() const {
  const std::lock_guard lock(mutex_);
  return origin_;
}

void Communicator::learn(int num_ranks, int rank) {
  const std::lock_guard lock(mutex_);
  origin_.num_ranks = num_ranks;
  origin_.rank = rank;
}

uint64_t Communicator::next_split() {
  const std::lock_guard lock(mutex_);
  return num_splits_++;
}

uint64_t Communicator::next_shrink() {
  const std::lock_guard lock(mutex_);
  return num_shrinks_++;
}

void Communicator::set_state(State state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

State Communicator::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Communicator::add_alltoall(uint64_t bytes_per_pair) {
  const std::lock_guard lock(mutex_);
  Tally::Alltoall& sums = tally_.alltoall;
  sums.least_bytes = sums.num_calls == 0 ? bytes_per_pair : std::min(sums.least_bytes, bytes_per_pair);
  sums.most_bytes = std::max(sums.most_bytes, bytes_per_pair);
  sums.total_bytes += bytes_per_pair;
  ++sums.num_calls;
}

void Communicator::add(const Verdict& verdict, std::span<const PointToPoint> operations,
                       uint64_t num_unknown_datatypes) {
  const std::lock_guard lock(mutex_);
  tally_.num_unknown_datatypes += num_unknown_datatypes;
  switch (verdict.form) {
    case Form::kAlltoallv:
      add_to(tally_.alltoallv, operations, origin_.num_ranks);
      tally_.num_even += verdict.is_even ? 1 : 0;
      return;
    case Form::kPartial:
      add_to(tally_.partial, operations, origin_.num_ranks);
      tally_.missing_sends += static_cast<uint64_t>(verdict.missing_sends);
      tally_.missing_receives += static_cast<uint64_t>(verdict.missing_receives);
      tally_.num_without_itself += verdict.lacks_itself ? 1 : 0;
      return;
    case Form::kLeftAlone:
      for (const PointToPoint& operation : operations) {
        ++(operation.is_send ? tally_.left_alone.num_sends : tally_.left_alone.num_receives);
        (operation.is_send ? tally_.left_alone.sent_bytes : tally_.left_alone.received_bytes) += operation.size_bytes;
      }
      return;
  }
}

Tally Communicator::tally() const {
  const std::lock_guard lock(mutex_);
  return tally_;
}

}  // namespace banyan::preload::nccl
