// SPDX-License-Identifier: Apache-2.0
#include "comm/device_experts.hpp"

#include "base/error.hpp"
#include "comm/agree.hpp"
#include "comm/device_batch.hpp"

namespace banyan::comm {

DeviceExperts::DeviceExperts(DeviceGroup& group, banyan_device_experts_config config, const std::string& problem)
    : group_(group) {
  Communicator& communicator = group_.peers().communicator;
  communicator.check_usable();
  const Deadline deadline = group_.peers().deadline();
  bootstrap::Bootstrap& bootstrap = communicator.bootstrap();
  size_t bytes = 0;
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    if (!problem.empty()) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, problem);
    }
    bytes = device::Experts::area_bytes(group_.device(), group_.size(), config);
    return std::string();
  }));
  auto terms = terms_of(config.tokens);
  terms.emplace_back("row_alignment", std::to_string(config.row_alignment));
  require_equal(bootstrap, deadline, terms);
  area_ = std::make_unique<DeviceMemory>(group_.peers(), bytes, deadline);
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    config.tokens.areas = area_->bases().data();
    experts_ = std::make_unique<device::Experts>(group_.device(), group_.group(), config);
    return std::string();
  }));
}

DeviceExperts::~DeviceExperts() {
  group_.peers().meet();  // all ranks have synchronised with what was enqueued
  experts_.reset();
}

void DeviceExperts::dispatch(const banyan_device_dispatch& dispatch, void* stream) {
  group_.check();
  require_batch(group_.device(), dispatch, stream);
  experts_->dispatch(dispatch, stream);
}

void DeviceExperts::combine(void* out, bool weighted, void* stream) {
  group_.check();
  require_out(group_.device(), out, stream);
  experts_->combine(out, weighted, stream);
}

}  // namespace banyan::comm
