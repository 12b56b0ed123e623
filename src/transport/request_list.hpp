// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "banyan/transport_plugin.h"

namespace banyan::transport {

/// What the own transports keep in a posted request's `internal`.
struct RequestState {
  union {
    void* recv_buffer;
    const void* send_buffer;
  };
  size_t size;
  uint64_t tag;
  banyan_transport_request* next;  ///< in the list that holds the request
  union {
    void* link;     ///< the transport's object that carries the message; may be null
    size_t offset;  ///< bytes done, where there is no such object
  };
  uint32_t kind;   ///< the transport's own
  uint32_t owner;  ///< the transport's own
};
static_assert(sizeof(RequestState) <= sizeof(banyan_transport_request::internal));

[[nodiscard]] inline RequestState& state_of(banyan_transport_request* request) noexcept {
  return *std::launder(reinterpret_cast<RequestState*>(request->internal));
}

/// Starts the life of a request: in progress, with fresh state.
inline RequestState& start_request(banyan_transport_request* request, int peer, size_t size, uint64_t tag) noexcept {
  request->status = BANYAN_IN_PROGRESS;
  request->peer = peer;
  request->received = 0;
  auto* state = new (request->internal) RequestState{};
  state->size = size;
  state->tag = tag;
  return *state;
}

/// A FIFO of nodes linked through `next`, which NextOf gives. Does not own. One thread.
template <typename Node, Node*& (*NextOf)(Node*)>
class Fifo {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  [[nodiscard]] Node* front() const noexcept { return head_; }

  void push(Node* node) noexcept {
    NextOf(node) = nullptr;
    (head_ == nullptr ? head_ : NextOf(tail_)) = node;
    tail_ = node;
  }

  void push_front(Node* node) noexcept {
    NextOf(node) = head_;
    tail_ = head_ == nullptr ? node : tail_;
    head_ = node;
  }

  Node* pop() noexcept {
    Node* node = head_;
    if (node != nullptr) {
      head_ = NextOf(node);
    }
    return node;
  }

  /// Unlinks and gives the first node that matches, or nullptr.
  template <typename Predicate>
  Node* take_first(Predicate&& matches) noexcept {
    Node* previous = nullptr;
    for (Node* node = head_; node != nullptr; previous = node, node = NextOf(node)) {
      if (matches(node)) {
        (previous == nullptr ? head_ : NextOf(previous)) = NextOf(node);
        tail_ = node == tail_ ? previous : tail_;
        return node;
      }
    }
    return nullptr;
  }

 private:
  Node* head_ = nullptr;
  Node* tail_ = nullptr;
};

inline banyan_transport_request*& next_request(banyan_transport_request* request) noexcept {
  return state_of(request).next;
}
using RequestList = Fifo<banyan_transport_request, next_request>;

}  // namespace banyan::transport
