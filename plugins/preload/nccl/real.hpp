// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "nccl/abi.hpp"

namespace banyan::preload::nccl {

/// An NCCL that is loaded in this process. Lives until its end.
struct Real {
  int version = 0;  ///< as ncclGetVersion says
  /// NCCL 2, whose interface abi.hpp describes. Calls of another are passed on and not looked at.
  bool is_known = false;
  Functions functions;
};

/// The NCCL that a call from `call_site` would have reached without this library, by the loader's rules: the one in the
/// program's global scope, else the one in the scope of the caller's module. A call that a module made as its last act
/// seems to come from elsewhere: then the only NCCL there is, or the one that this thread used last. nullptr if there
/// is none. Any thread.
const Real* real_for(const void* call_site) noexcept;

/// How many were found so far.
size_t num_reals() noexcept;

}  // namespace banyan::preload::nccl
