// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/device_group.hpp"

/// What token exchanges by ranks and by experts have in common.
namespace banyan::comm {

/// Terms with names as the user knows them.
using DeviceTermList = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] DeviceTermList terms_of(const banyan_device_tokens_config& config);

/// Collective: makes a token exchange in two steps. `problem`: what is wrong with this rank's terms already.
/// `size_area` looks at the terms and gives the bytes of this rank's area; what it wrote to its argument must be equal
/// on all ranks. `make` gets the areas by rank. If a rank fails, all throw, and nothing is left.
[[nodiscard]] std::unique_ptr<DeviceMemory> make_exchange(DeviceGroup& group, const std::string& problem,
                                                          const std::function<size_t(DeviceTermList&)>& size_area,
                                                          const std::function<void(void* const* areas)>& make);

/// Error{INVALID_ARGUMENT} unless what is dispatched is memory of the device, and the stream is of it.
void require_batch(const device::Device& device, const banyan_device_dispatch& dispatch, void* stream);
/// The same of where combine writes.
void require_out(const device::Device& device, const void* out, void* stream);

}  // namespace banyan::comm
