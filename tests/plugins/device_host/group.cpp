// SPDX-License-Identifier: Apache-2.0
#include "group.hpp"

#include <sched.h>

#include <cstring>

namespace banyan::fake_device {

size_t InboxLayout::line_bytes() const { return (offsetof(Line, data) + eager_bytes + kAlign - 1) / kAlign * kAlign; }

InboxLayout::Line& InboxLayout::line(char* inbox, int peer, uint64_t call) const {
  char* const first = inbox + static_cast<size_t>(peer) * peer_bytes();
  return *reinterpret_cast<Line*>(first + call % 2 * line_bytes());
}

InboxLayout::Grant& InboxLayout::grant(char* inbox, int peer) const {
  return *reinterpret_cast<Grant*>(inbox + static_cast<size_t>(peer) * peer_bytes() + 2 * line_bytes());
}

InboxLayout::Arrival& InboxLayout::arrival(char* inbox, int peer) const {
  return *reinterpret_cast<Arrival*>(inbox + static_cast<size_t>(peer) * peer_bytes() + 2 * line_bytes() + kAlign);
}

Group::Group(Device& device, const banyan_device_group_config& config)
    : device_(device), rank_(config.rank), layout_{config.size, config.eager_bytes} {
  fail_on_request("group", device.ordinal());
  for (int peer = 0; peer < config.size; ++peer) {
    inboxes_.push_back(static_cast<char*>(config.inboxes[peer]));
  }
  ++device_.num_groups;
}

Group::~Group() { --device_.num_groups; }

void Group::add_window(void* const* bases, size_t own_bytes) {
  fail_on_request("add_window", device_.ordinal());
  Window window{{}, own_bytes};
  for (int peer = 0; peer < size(); ++peer) {
    window.bases.push_back(static_cast<char*>(bases[peer]));
  }
  windows_.push_back(std::move(window));
}

void Group::begin() {
  const banyan_device_failure before = failure();
  if (before.status != BANYAN_OK) {
    throw Failure{before.status, "call " + std::to_string(before.call) + " of the group ended while rank " +
                                     std::to_string(before.peer) + " was waited for; no other begins"};
  }
  call_.fetch_add(1);
  end_ = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                std::chrono::duration<double>(device_.timeout_s()));
}

bool Group::wait_for(int peer, const std::function<bool()>& condition) {
  while (!condition()) {
    const bool late = std::chrono::steady_clock::now() > end_;
    if (late || aborted_.load()) {
      failure_ = {sizeof(failure_), late ? BANYAN_ERR_TIMEOUT : BANYAN_ERR_ABORTED, peer, call_.load()};
      failed_.store(true, std::memory_order_release);
      return false;
    }
    ::sched_yield();
  }
  return true;
}

uint64_t Group::offset_of(const banyan_device_move& move, int peer) const {
  if (move.window < 0 || static_cast<size_t>(move.window) >= windows_.size()) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, std::to_string(move.recv_bytes) + " bytes from rank " +
                                                std::to_string(peer) + " need a registered window to arrive in"};
  }
  const Window& window = windows_[static_cast<size_t>(move.window)];
  const auto offset = static_cast<uint64_t>(static_cast<char*>(move.recv) - window.bases[static_cast<size_t>(rank_)]);
  if (offset > window.own_bytes || move.recv_bytes > window.own_bytes - offset) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "what comes from rank " + std::to_string(peer) + " is in no window"};
  }
  return offset;
}

/// What waits for nobody: the line of a small pair, the grant for a large one.
void Group::post(int peer, const banyan_device_move& move) {
  const uint64_t call = call_.load();
  char* const inbox = inboxes_[static_cast<size_t>(peer)];
  if (move.send_bytes <= layout_.eager_bytes) {
    InboxLayout::Line& line = layout_.line(inbox, rank_, call);
    if (move.send_bytes > 0) {
      std::memcpy(line.data, move.send, move.send_bytes);
    }
    line.call.store(call, std::memory_order_release);
  }
  if (move.recv_bytes > layout_.eager_bytes) {
    InboxLayout::Grant& grant = layout_.grant(inbox, rank_);
    grant.window = static_cast<uint64_t>(move.window);
    grant.offset = offset_of(move, peer);
    grant.call.store(call, std::memory_order_release);
  }
}

bool Group::push(int peer, const banyan_device_move& move) {
  if (move.send_bytes <= layout_.eager_bytes) {
    return true;
  }
  const uint64_t call = call_.load();
  const InboxLayout::Grant& grant = layout_.grant(inboxes_[static_cast<size_t>(rank_)], peer);
  if (!wait_for(peer, [&] { return grant.call.load(std::memory_order_acquire) == call; })) {
    return false;
  }
  std::memcpy(windows_[grant.window].bases[static_cast<size_t>(peer)] + grant.offset, move.send, move.send_bytes);
  layout_.arrival(inboxes_[static_cast<size_t>(peer)], rank_).call.store(call, std::memory_order_release);
  return true;
}

bool Group::receive(int peer, const banyan_device_move& move) {
  const uint64_t call = call_.load();
  char* const inbox = inboxes_[static_cast<size_t>(rank_)];
  if (move.recv_bytes > layout_.eager_bytes) {
    const InboxLayout::Arrival& arrival = layout_.arrival(inbox, peer);
    return wait_for(peer, [&] { return arrival.call.load(std::memory_order_acquire) == call; });
  }
  const InboxLayout::Line& line = layout_.line(inbox, peer, call);
  if (!wait_for(peer, [&] { return line.call.load(std::memory_order_acquire) == call; })) {
    return false;
  }
  if (move.recv_bytes > 0) {
    std::memcpy(move.recv, line.data, move.recv_bytes);
  }
  return true;
}

void Group::exchange(const banyan_device_move* moves) {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank_ && moves[peer].recv_bytes > layout_.eager_bytes) {
      static_cast<void>(offset_of(moves[peer], peer));  // before anything is done
    }
  }
  begin();
  const banyan_device_move& own = moves[rank_];
  if (own.send_bytes > 0) {
    std::memcpy(own.recv, own.send, own.send_bytes);
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank_) {
      post(peer, moves[peer]);
    }
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank_ && !push(peer, moves[peer])) {
      return;
    }
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank_ && !receive(peer, moves[peer])) {
      return;
    }
  }
}

banyan_device_failure Group::failure() const {
  if (failed_.load(std::memory_order_acquire)) {
    return failure_;
  }
  return {sizeof(banyan_device_failure), BANYAN_OK, -1, 0};
}

std::string Group::describe() const { return std::to_string(call_.load()) + " calls on a device of tests"; }

}  // namespace banyan::fake_device
