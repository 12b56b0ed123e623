// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/control.hpp"

namespace banyan::comm {

/// A communicator's bootstrap beside its control plane. When an exchange fails because a rank is gone, that rank may
/// have left for a reason that the control plane knows or hears in a moment: that reason is thrown. Other failures
/// become the abort of the communicator, so that no rank goes on. And an exchange ends when the communicator is
/// aborted: ranks that know of it do not take part.
class WatchedBootstrap final : public bootstrap::Bootstrap {
 public:
  /// Both are borrowed and must outlive it.
  WatchedBootstrap(bootstrap::Bootstrap& bootstrap, bootstrap::Control& control)
      : bootstrap_(bootstrap), control_(control) {
    bootstrap_.heed(&control_.state());
  }
  ~WatchedBootstrap() override { bootstrap_.heed(nullptr); }

  [[nodiscard]] int rank() const noexcept override { return bootstrap_.rank(); }
  [[nodiscard]] int size() const noexcept override { return bootstrap_.size(); }
  [[nodiscard]] std::string route_address() const override { return bootstrap_.route_address(); }
  [[nodiscard]] std::shared_ptr<bootstrap::LocalHub> local_hub() const override { return bootstrap_.local_hub(); }

  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) override;

 private:
  bootstrap::Bootstrap& bootstrap_;
  bootstrap::Control& control_;
};

}  // namespace banyan::comm
