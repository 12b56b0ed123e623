// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include "base/unique_handle.hpp"

namespace banyan {

struct FdTraits {
  using Type = int;
  static int null() noexcept { return -1; }
  static void destroy(int fd) noexcept { ::close(fd); }
};

/// Owns a file descriptor.
using Fd = UniqueHandle<FdTraits>;

}  // namespace banyan
