// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>

#include "banyan/transport_plugin.h"
#include "topology/locality_tree.hpp"
#include "transport/transport.hpp"

namespace banyan::comm {

/// A message of one byte to a rank of the next host and from those of the host before that send here: whether a network
/// that joins the hosts by its addresses carries anything. Every rank makes one for the same transport. It must outlive
/// the transport if it did not pass, since what is posted stays posted.
class RailTrial {
 public:
  /// Posts the messages. Borrows the transport.
  RailTrial(transport::Transport& transport, int rank, const topology::LocalityTree& tree);

  enum class State : uint8_t { kWaiting, kPassed, kFailed };
  /// Moves it on.
  [[nodiscard]] State advance() noexcept;

 private:
  void post(int peer, bool send);

  transport::Transport& transport_;
  std::deque<banyan_transport_request> requests_;  // which do not move
  char sent_ = 0;
  char received_ = 0;
  State state_ = State::kWaiting;
};

}  // namespace banyan::comm
