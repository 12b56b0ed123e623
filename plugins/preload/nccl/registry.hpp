// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nccl/communicator.hpp"

namespace banyan::preload::nccl {

/// A communicator that NCCL was asked for; its handle is at `place` when NCCL has made it.
struct Birth {
  Comm** place = nullptr;
  const Real* real = nullptr;
  Origin origin;
  Comm* parent = nullptr;  ///< that is split or shrunk
};

/// The communicators of this process by their handles, which NCCL uses again. Any thread.

/// NCCL accepted the births: those that have a handle are entered. A child of a non-blocking communicator, where
/// `result` is kInProgress, gets it when its parent is ready.
void enter(std::span<const Birth> births, Result result);
/// A communicator was found ready: its children have their handles now.
void enter_children_of(const Comm* parent);

/// nullptr if it is not known.
std::shared_ptr<Communicator> find(const Comm* comm);
/// Asks NCCL for the size and rank of one whose creation was not seen. The program must be about to use it: then it is
/// ready. nullptr if NCCL does not say.
std::shared_ptr<Communicator> find_or_adopt(const Real& real, Comm* comm);

/// Takes a communicator out, since NCCL may use its handle again as soon as it is gone; nullptr if it is not known.
std::shared_ptr<Communicator> take_out(const Comm* comm);
/// It is gone for good.
void bury(std::shared_ptr<Communicator> communicator, State state);
/// NCCL did not let it go.
void put_back(const Comm* comm, std::shared_ptr<Communicator> communicator);

/// All that are alive, and those gone on which something was seen, in the order of their creation.
struct Inventory {
  std::vector<std::shared_ptr<const Communicator>> communicators;
  uint64_t num_not_kept = 0;  ///< of those gone, as many were not kept
  size_t num_alive = 0;
};
Inventory inventory();

/// Whether communicators were made in this process: not in one that was forked from it.
bool is_own_process();

}  // namespace banyan::preload::nccl
