// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace banyan::preload::nccl {

/// Runs what only looks at the program: nothing of it may disturb the program.
template <typename Action>
void quietly(Action&& action) noexcept {
  try {
    action();
  } catch (...) {  // no memory: what would have been seen is not
  }
}

}  // namespace banyan::preload::nccl
