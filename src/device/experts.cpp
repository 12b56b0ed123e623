// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "device/device.hpp"
#include "device/table.hpp"

namespace banyan::device {

size_t Experts::area_bytes(const Device& device, int num_ranks, const banyan_device_experts_config& config) {
  require_experts(device.ops());
  const size_t bytes = device.ops().experts_area_bytes(num_ranks, &config);
  check(device.ops(), bytes > 0 ? BANYAN_OK : BANYAN_ERR_INVALID_ARGUMENT, "terms of a token exchange by experts");
  return bytes;
}

Experts::Experts(Device& device, Group& group, const banyan_device_experts_config& config) : device_(device) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.experts_create(group.object(), &config, &object_), "making the token exchange by experts");
}

Experts::~Experts() { device_.ops().experts_free(object_); }

banyan_device_expert_rows Experts::received() const {
  const banyan_device_ops& ops = device_.ops();
  banyan_device_expert_rows received{};
  received.struct_size = sizeof(received);
  check(ops, ops.experts_received(object_, &received), "asking where rows of experts arrive");
  return received;
}

void Experts::dispatch(const banyan_device_dispatch& dispatch, void* stream) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.experts_dispatch(object_, &dispatch, stream), "enqueuing a dispatch by experts");
}

void Experts::combine(void* out, bool weighted, void* stream) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.experts_combine(object_, out, weighted ? 1 : 0, stream), "enqueuing a combine by experts");
}

}  // namespace banyan::device
