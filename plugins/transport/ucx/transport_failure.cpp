// SPDX-License-Identifier: Apache-2.0
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "ucx/status.hpp"
#include "ucx/transport.hpp"

namespace banyan::ucx {
namespace {

/// Upper bound of progress calls that empty the queues of a peer that is gone; each moves many messages.
constexpr int kDrainRounds = 1000;
/// A caller that closes amid something, or has cancelled something, has given up: its peers get what is on its way, but
/// nobody waits for those that do not answer.
constexpr double kFlushAmidTimeout_s = 0.5;
/// Dropping endpoints is local work; this bounds a UCX that never ends it.
constexpr double kForceTimeout_s = 1.0;

/// Progresses `transport` until `done()` or the time is over.
template <typename Done>
void progress_until(Transport& transport, double timeout_s, Done done) noexcept {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(timeout_s);
  while (!done() && Clock::now() < deadline) {
    int events = 0;
    [[maybe_unused]] const banyan_status status = transport.progress(&events);
    if (events == 0) {
      sched_yield();
    }
  }
}

}  // namespace

void Transport::on_failure(void* argument, ucp_ep_h /*endpoint*/, ucs_status_t status) noexcept {
  auto* peer = static_cast<Peer*>(argument);
  peer->failure = status;
  ++peer->transport->failures_to_notice_;
}

void Transport::notice_failures() noexcept {
  // First take in what the peers sent before they went: it may complete receives that are posted or to come.
  for (int round = 0; round < kDrainRounds && worker_.progress() != 0; ++round) {
  }
  failures_to_notice_ = 0;
  for (Peer& peer : peers_) {
    if (peer.failure == UCS_OK || peer.noticed) {
      continue;
    }
    peer.noticed = true;
    end_receives_of(peer);
    // Ends the sends too, with an error, from here or from a later progress.
    leaving_.push_back(worker_.close(peer.endpoint, true));
    peer.endpoint = nullptr;
  }
}

void Transport::end_receives_of(Peer& peer) noexcept {
  for (Operation* operation = peer.outstanding; operation != nullptr;) {
    Operation* next = operation->next;
    if (operation->is_receive) {
      cancel_or_detach(operation);
    }
    operation = next;
  }
}

void Transport::cancel_or_detach(Operation* operation) noexcept {
  banyan_transport_request* request = operation->request;
  library_.request_cancel(worker_.handle(), operation);  // a receive that no message met ends in here
  if (request != nullptr && request->status == BANYAN_IN_PROGRESS && request->internal[0] == operation) {
    // Part of the message had arrived; the rest never will. UCX keeps the operation, the caller gets an end.
    operation->request = nullptr;
    request->internal[0] = nullptr;
    request->status = tell_failure(*operation->peer);
  }
}

void Transport::let_go_of_requests() noexcept {
  for (Peer& peer : peers_) {
    for (Operation* operation = peer.outstanding; operation != nullptr;) {
      Operation* next = operation->next;
      operation->request = nullptr;
      if (operation->is_receive) {
        library_.request_cancel(worker_.handle(), operation);
      }
      operation = next;
    }
  }
}

bool Transport::all_left() noexcept {
  std::erase_if(leaving_, [this](ucs_status_ptr_t request) { return worker_.ended(request); });
  return leaving_.empty();
}

void Transport::flush_endpoints() noexcept {
  leaving_.push_back(std::exchange(flushing_, nullptr));
  for (const Peer& peer : peers_) {
    if (peer.endpoint != nullptr) {
      leaving_.push_back(worker_.flush(peer.endpoint));
    }
  }
}

void Transport::close_endpoints() noexcept {
  for (Peer& peer : peers_) {
    if (peer.endpoint != nullptr) {
      // UCX can force only endpoints that are watched; the own rank's is not, and has nobody to wait for.
      leaving_.push_back(worker_.close(peer.endpoint, peer.rank != rank_));
      peer.endpoint = nullptr;
      peer.noticed = true;
    }
  }
}

Transport::~Transport() {
  // A caller that gave up on an error may have freed its requests: from here on nobody is told anything.
  const bool amid = gave_up_ || std::any_of(peers_.begin(), peers_.end(),
                                            [](const Peer& peer) { return peer.outstanding != nullptr; });
  let_go_of_requests();
  flush_endpoints();
  const double flush_s = amid ? std::min(timeout_s_, kFlushAmidTimeout_s) : timeout_s_;
  progress_until(*this, flush_s, [this] { return all_left(); });
  close_endpoints();
  progress_until(*this, kForceTimeout_s, [this] { return all_left(); });
  worker_.destroy();  // before the members that on_send and on_receive use: it ends what is left through them
}

}  // namespace banyan::ucx
