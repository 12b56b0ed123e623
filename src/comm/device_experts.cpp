// SPDX-License-Identifier: Apache-2.0
#include "comm/device_experts.hpp"

#include "comm/device_batch.hpp"

namespace banyan::comm {

DeviceExperts::DeviceExperts(DeviceGroup& group, banyan_device_experts_config config, const std::string& problem)
    : group_(group) {
  area_ = make_exchange(
      group_, problem,
      [&](DeviceTermList& terms) {
        const size_t bytes = device::Experts::area_bytes(group_.device(), group_.size(), config);
        terms = terms_of(config.tokens);
        terms.emplace_back("row_alignment", std::to_string(config.row_alignment));
        return bytes;
      },
      [&](void* const* areas) {
        config.tokens.areas = areas;
        experts_ = std::make_unique<device::Experts>(group_.device(), group_.group(), config);
      });
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
