// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nccl/group.hpp"
#include "nccl/real.hpp"

namespace banyan::preload::nccl {

/// A call of the program on its way to the program's NCCL. Lives as long as the call; one thread.
class Passing {
 public:
  /// `comm`: the communicator that the call is on, or nullptr. Reads the mode, so it may say something.
  Passing(const char* name, const void* call_site, const Comm* comm = nullptr) noexcept;
  ~Passing();
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  Passing(Passing&&) = delete;
  Passing& operator=(Passing&&) = delete;

  /// Where the program's exchanges are looked at: this thread's group. Else nullptr; also inside of NCCL, which may
  /// call its own functions by their names.
  [[nodiscard]] Group* group() const noexcept { return is_observed_ ? group_ : nullptr; }
  /// The same for communicators, which are known even if their exchanges are not looked at, since their NCCL is.
  [[nodiscard]] Group* births() const noexcept { return is_followed_ ? group_ : nullptr; }
  [[nodiscard]] const Real* real() const noexcept { return real_; }

  /// NCCL's own answer; ncclInvalidUsage, with a message, if this NCCL has no such function.
  template <typename Function, typename... Arguments>
  Result operator()(Function Functions::*function, Arguments... arguments) const {
    if (real_ == nullptr || real_->functions.*function == nullptr) {
      return refuse();
    }
    return (real_->functions.*function)(arguments...);
  }

 private:
  [[nodiscard]] Result refuse() const noexcept;

  const char* name_;
  const Real* real_;
  Group* group_ = nullptr;
  bool is_followed_ = false;
  bool is_observed_ = false;
};

}  // namespace banyan::preload::nccl
