// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace banyan::moe {

/// A text for the control plane of a part of the world: it is in the world's numbers already.
[[nodiscard]] std::string marked_as_of_world(std::string_view text);

/// What went wrong in a part of the world, as all ranks shall hear it. Where another rank was first (`was_told`), the
/// world mostly knows the cause in a moment, in its own numbers, and that one counts; else the text's ranks are
/// renamed. `members`: the part's ranks, by their numbers in the world.
[[nodiscard]] Error error_of_world(comm::Communicator& world, const Error& error, std::span<const int> members,
                                   bool was_told);

/// Runs what concerns exchanges of a part (null: of the world itself); its errors become the world's.
template <typename Work>
auto with_errors_of_world(comm::Communicator& world, comm::Communicator* part, std::span<const int> members,
                          const Work& work) {
  const bool was_told = part != nullptr && part->control().state().raised();
  try {
    return work();
  } catch (const Error& error) {
    if (part == nullptr) {
      throw;
    }
    throw error_of_world(world, error, members, was_told);
  }
}

}  // namespace banyan::moe
