// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "banyan/transport_plugin.h"

namespace banyan::ucx {

class Transport;
struct Peer;

/// One posted send or receive. Its memory has UCX's own request right in front, so UCX allocates nothing and the
/// pointer that UCX hands to a completion callback is the Operation. It outlives the caller's request if UCX must keep
/// it.
struct Operation {
  Operation* next;  ///< of the peer's outstanding operations, or of the pool's free ones
  Operation* previous;
  Transport* transport;
  Peer* peer;
  banyan_transport_request* request;  ///< NULL: already ended towards the caller
  size_t size;                        ///< bytes of the buffer
  uint64_t tag;                       ///< the caller's
  bool is_receive;
};

/// Gives and takes back Operations; grows by blocks, never shrinks. One thread at a time.
class OperationPool {
 public:
  /// `prefix_size`: bytes for UCX in front of each Operation.
  explicit OperationPool(size_t prefix_size);

  /// NULL when memory ran out.
  [[nodiscard]] Operation* take() noexcept {
    if (free_ == nullptr && !grow()) {
      return nullptr;
    }
    Operation* operation = free_;
    free_ = operation->next;
    return operation;
  }

  void give(Operation* operation) noexcept {
    operation->next = free_;
    free_ = operation;
  }

 private:
  [[nodiscard]] bool grow() noexcept;

  struct AlignedDelete {
    void operator()(std::byte* block) const noexcept;
  };

  size_t prefix_size_;
  size_t stride_;
  Operation* free_ = nullptr;
  std::vector<std::unique_ptr<std::byte, AlignedDelete>> blocks_;
};

}  // namespace banyan::ucx
