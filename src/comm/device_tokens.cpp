// SPDX-License-Identifier: Apache-2.0
#include "comm/device_tokens.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

#include "base/error.hpp"
#include "comm/agree.hpp"

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
  const std::span<const int> ranks(config.rank_of_expert, static_cast<size_t>(config.num_experts));
  require_equal(bootstrap, deadline,
                {{"max_tokens", std::to_string(config.max_tokens)},
                 {"top_k", std::to_string(config.top_k)},
                 {"num_experts", std::to_string(config.num_experts)},
                 {"row_bytes", std::to_string(config.row_bytes)},
                 {"dtype", std::to_string(config.dtype)},
                 {"max_blocks", std::to_string(config.max_blocks)},
                 {"rank_of_expert", fmt::format("{}", fmt::join(ranks, ","))}});
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
  device::Device& device = group_.device();
  const auto require = [&](const void* address, const char* name) {
    if (address != nullptr) {
      device.require_pointer(address, name);
    }
  };
  require(dispatch.rows, "rows");
  require(dispatch.experts, "experts");
  require(dispatch.weights, "weights");
  require(dispatch.device_tokens, "device_tokens");
  device.require_stream(stream);
  tokens_->dispatch(dispatch, stream);
}

void DeviceTokens::combine(void* out, void* stream) {
  group_.check();
  if (out != nullptr) {
    group_.device().require_pointer(out, "out");
  }
  group_.device().require_stream(stream);
  tokens_->combine(out, stream);
}

}  // namespace banyan::comm
