// SPDX-License-Identifier: Apache-2.0
#include "comm/device_tokens.hpp"

#include "base/error.hpp"
#include "comm/agree.hpp"
#include "comm/device_batch.hpp"

namespace banyan::comm {

DeviceTokens::DeviceTokens(DeviceGroup& group, banyan_device_tokens_config config, const std::string& problem)
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
    bytes = device::Tokens::area_bytes(group_.device(), group_.size(), config);
    return std::string();
  }));
  require_equal(bootstrap, deadline, terms_of(config));
  area_ = std::make_unique<DeviceMemory>(group_.peers(), bytes, deadline);
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    config.areas = area_->bases().data();
    tokens_ = std::make_unique<device::Tokens>(group_.device(), group_.group(), config);
    return std::string();
  }));
}

DeviceTokens::~DeviceTokens() {
  group_.peers().meet();  // all ranks have synchronised with what was enqueued
  tokens_.reset();
}

void DeviceTokens::dispatch(const banyan_device_dispatch& dispatch, void* stream) {
  group_.check();
  require_batch(group_.device(), dispatch, stream);
  tokens_->dispatch(dispatch, stream);
}

void DeviceTokens::combine(void* out, void* stream) {
  group_.check();
  require_out(group_.device(), out, stream);
  tokens_->combine(out, stream);
}

}  // namespace banyan::comm
