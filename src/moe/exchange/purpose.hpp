// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace banyan::moe {

/// What a move is for: which call of which chunk of which routing. Equal on all ranks that make the same calls, so that
/// ranks that do not find out. A value.
struct Purpose {
  enum class Call : uint8_t {
    kDispatch = 1,
    kCombine,
    kDispatchBackward,
    kCombineBackward,
    kCombineBackwardOfWeights,  ///< with the gradients of the weights
    kTurn
  };

  Call call = Call::kTurn;
  uint64_t group = 0;    ///< of the communicator, counted from 1
  uint64_t routing = 0;  ///< of the group, counted from 1; 0: none
  size_t chunk = 0;
  size_t part = 0;

  /// All of it; numbers of groups and routings only up to where they repeat. Never 0.
  [[nodiscard]] uint64_t word() const noexcept;
  /// For executor::Exchange::purpose. Tags tell all moves of a routing apart, and those of routings that differ in the
  /// last three bits of their numbers only; of other pairs all but one in 65,536.
  [[nodiscard]] static uint32_t print_of(uint64_t word) noexcept;
};

/// "banyan_moe_combine of chunk 0 (part 2) of routing 3 in group 1", from Purpose::word().
[[nodiscard]] std::string describe_purpose(uint64_t word);

}  // namespace banyan::moe
