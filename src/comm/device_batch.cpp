// SPDX-License-Identifier: Apache-2.0
#include "comm/device_batch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

#include "base/error.hpp"
#include "comm/agree.hpp"

namespace banyan::comm {

DeviceTermList terms_of(const banyan_device_tokens_config& config) {
  const std::span<const int> ranks(config.rank_of_expert, static_cast<size_t>(config.num_experts));
  return {{"max_tokens", std::to_string(config.max_tokens)},
          {"top_k", std::to_string(config.top_k)},
          {"num_experts", std::to_string(config.num_experts)},
          {"row_bytes", std::to_string(config.row_bytes)},
          {"dtype", std::to_string(config.dtype)},
          {"max_blocks", std::to_string(config.max_blocks)},
          {"rank_of_expert", fmt::format("{}", fmt::join(ranks, ","))}};
}

std::unique_ptr<DeviceMemory> make_exchange(DeviceGroup& group, const std::string& problem,
                                            const std::function<size_t(DeviceTermList&)>& size_area,
                                            const std::function<void(void* const* areas)>& make) {
  DevicePeers& peers = group.peers();
  peers.communicator.check_usable();
  const Deadline deadline = peers.deadline();
  bootstrap::Bootstrap& bootstrap = peers.communicator.bootstrap();
  size_t bytes = 0;
  DeviceTermList terms;
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    if (!problem.empty()) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, problem);
    }
    bytes = size_area(terms);
    return std::string();
  }));
  require_equal(bootstrap, deadline, terms);
  auto area = std::make_unique<DeviceMemory>(peers, bytes, deadline);
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    make(area->bases().data());
    return std::string();
  }));
  return area;
}

void require_batch(const device::Device& device, const banyan_device_dispatch& dispatch, void* stream) {
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
}

void require_out(const device::Device& device, const void* out, void* stream) {
  if (out != nullptr) {
    device.require_pointer(out, "out");
  }
  device.require_stream(stream);
}

}  // namespace banyan::comm
