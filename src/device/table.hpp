// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "banyan/device_plugin.h"

namespace banyan::device {

/// The table of `libbanyan_device_<name>.so`, checked; valid as long as the process. Finds plugins as transports are
/// found (base/plugins.hpp). Error{NOT_FOUND} lists where it looked, Error{NOT_SUPPORTED} names what does not fit. Any
/// thread.
[[nodiscard]] const banyan_device_ops& find_table(const std::string& name);

/// Checks a table as find_table() does; for it and for tests with wrong tables.
void check_table(const banyan_device_ops& table, const std::string& origin);

/// Throws unless `status` is BANYAN_OK: "device cuda: <what>: <the plugin's text>".
void check(const banyan_device_ops& ops, banyan_status status, const std::string& what);

/// Error{NOT_SUPPORTED} with the plugin's text where there is no driver or no device; Error{INVALID_ARGUMENT} unless
/// `ordinal` is one of this process's devices.
void require_device(const banyan_device_ops& ops, int ordinal);

/// Error{NOT_SUPPORTED} unless the table has token exchanges by experts.
void require_experts(const banyan_device_ops& ops);

}  // namespace banyan::device
