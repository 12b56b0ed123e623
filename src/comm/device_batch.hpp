// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "device/device.hpp"

/// What token exchanges by ranks and by experts have in common.
namespace banyan::comm {

/// What ranks must agree on, with names as the user knows them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> terms_of(const banyan_device_tokens_config& config);

/// Error{INVALID_ARGUMENT} unless what is dispatched is memory of the device, and the stream is of it.
void require_batch(const device::Device& device, const banyan_device_dispatch& dispatch, void* stream);
/// The same of where combine writes.
void require_out(const device::Device& device, const void* out, void* stream);

}  // namespace banyan::comm
