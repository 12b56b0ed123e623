// SPDX-License-Identifier: Apache-2.0
#include "nccl/passing.hpp"

#include <mutex>
#include <set>
#include <string>

#include "nccl/quietly.hpp"
#include "nccl/registry.hpp"
#include "nccl/settings.hpp"

namespace banyan::preload::nccl {
namespace {

thread_local constinit int num_in_nccl = 0;  ///< calls of this thread that are in NCCL, one by the other

/// Where two NCCLs are loaded, a communicator's own: it must not reach the other, whoever calls.
const Real* real_of(const Comm* comm, const void* call_site) noexcept {
  const Real* real = real_for(call_site);
  if (comm != nullptr && num_reals() > 1) {
    if (const auto communicator = find(comm); communicator != nullptr) {
      return &communicator->real();
    }
  }
  return real;
}

/// Once for each function.
bool is_first_refusal(const std::string& name) {
  static std::mutex& mutex = *new std::mutex;
  static std::set<std::string>& refused = *new std::set<std::string>;
  const std::lock_guard lock(mutex);
  return refused.insert(name).second;
}

}  // namespace

Passing::Passing(const char* name, const void* call_site, const Comm* comm) noexcept
    : name_(name), real_(real_of(comm, call_site)) {
  if (num_in_nccl++ == 0 && real_ != nullptr && real_->is_known) {
    quietly([this] { is_observed_ = is_observing(); });
    group_ = Group::of_this_thread();
    is_followed_ = group_ != nullptr;
    is_observed_ = is_observed_ && is_followed_;
  }
}

Passing::~Passing() { --num_in_nccl; }

Result Passing::refuse() const noexcept {
  quietly([&] {
    if (!is_first_refusal(name_)) {
      return;
    }
    if (real_ == nullptr) {
      say(std::string(name_) + " was called, but no NCCL is loaded in this process: ncclInvalidUsage");
    } else {
      say(std::string(name_) + " was called, which the program's NCCL " + std::to_string(real_->version) +
          " does not have: ncclInvalidUsage; a newer NCCL has it");
    }
  });
  return Result::kInvalidUsage;
}

}  // namespace banyan::preload::nccl
