// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace banyan::bootstrap {

/// While it lives, a child that this process forks (without exec) gets /dev/null in place of the descriptor. Otherwise
/// the child, a data loader for example, would keep the connection open after its parent died and hide the death.
/// Any thread.
class ForkGuard {
 public:
  explicit ForkGuard(int fd);
  ForkGuard(ForkGuard&& other) noexcept;
  ForkGuard& operator=(ForkGuard&&) = delete;
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();

 private:
  int fd_;
};

}  // namespace banyan::bootstrap
