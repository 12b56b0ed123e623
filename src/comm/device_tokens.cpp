// SPDX-License-Identifier: Apache-2.0
#include "comm/device_tokens.hpp"

#include "comm/device_batch.hpp"

namespace banyan::comm {

DeviceTokens::DeviceTokens(DeviceGroup& group, banyan_device_tokens_config config, const std::string& problem)
    : group_(group) {
  area_ = make_exchange(
      group_, problem,
      [&](DeviceTermList& terms) {
        const size_t bytes = device::Tokens::area_bytes(group_.device(), group_.size(), config);
        terms = terms_of(config);
        return bytes;
      },
      [&](void* const* areas) {
        config.areas = areas;
        tokens_ = std::make_unique<device::Tokens>(group_.device(), group_.group(), config);
      });
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
