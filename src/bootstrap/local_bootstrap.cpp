// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/local_bootstrap.hpp"

#include "bootstrap/callback_bootstrap.hpp"
#include "bootstrap/local_hub.hpp"

namespace banyan::bootstrap {
namespace {

class LocalBootstrap final : public Bootstrap {
 public:
  LocalBootstrap(std::shared_ptr<LocalHub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return hub_->size(); }
  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) override {
    hub_->allgatherv(rank_, mine, all, sizes, deadline);
  }
  [[nodiscard]] std::shared_ptr<LocalHub> local_hub() const override { return hub_; }

 private:
  std::shared_ptr<LocalHub> hub_;
  int rank_;
};

class LocalControl final : public Control, private ProgressSource {
 public:
  LocalControl(std::shared_ptr<LocalHub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {
    hub_->attach(rank_, this);
  }
  ~LocalControl() override { end(false); }

  [[nodiscard]] AbortState& state() noexcept override { return hub_->state(rank_); }
  void abort(banyan_status status, std::string text) override { hub_->abort(status, text); }
  void report_stall(OperationReport report) override { hub_->report_stall(rank_, std::move(report)); }
  void leave() noexcept override { end(true); }
  [[nodiscard]] std::string diagnosis() const override { return hub_->diagnosis(); }

 private:
  [[nodiscard]] Numbers progress() const noexcept override { return {.started = started(), .finished = finished()}; }

  void end(bool goodbye) noexcept {
    if (!std::exchange(ended_, true)) {
      hub_->detach(rank_, goodbye);
    }
  }

  std::shared_ptr<LocalHub> hub_;
  int rank_;
  bool ended_ = false;
};

class TrivialControl final : public Control {
 public:
  [[nodiscard]] AbortState& state() noexcept override { return state_; }
  void abort(banyan_status status, std::string text) override { state_.raise(status, std::move(text)); }
  void report_stall(OperationReport) override {}  // one rank agrees with itself
  void leave() noexcept override {}

 private:
  AbortState state_;
};

}  // namespace

std::shared_ptr<LocalHub> make_local_hub(int size) {
  check_rank_and_size(0, size);
  return std::make_shared<LocalHub>(size);
}

std::unique_ptr<Bootstrap> make_local_bootstrap(std::shared_ptr<LocalHub> hub, int rank) {
  check_rank_and_size(rank, hub->size());
  return std::make_unique<LocalBootstrap>(std::move(hub), rank);
}

std::vector<std::unique_ptr<Bootstrap>> make_local_bootstraps(int size) {
  const std::shared_ptr<LocalHub> hub = make_local_hub(size);
  std::vector<std::unique_ptr<Bootstrap>> ends;
  for (int rank = 0; rank < size; ++rank) {
    ends.push_back(make_local_bootstrap(hub, rank));
  }
  return ends;
}

std::unique_ptr<Control> make_local_control(std::shared_ptr<LocalHub> hub, int rank) {
  check_rank_and_size(rank, hub->size());
  return std::make_unique<LocalControl>(std::move(hub), rank);
}

std::unique_ptr<Control> make_trivial_control() { return std::make_unique<TrivialControl>(); }

}  // namespace banyan::bootstrap
