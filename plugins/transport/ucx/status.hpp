// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucs/type/status.h>

#include <string>

#include "banyan/status.h"

namespace banyan::ucx {

/// What the control path (open, address, connect) throws; turned into a status and a text at the C boundary.
struct Failure {
  banyan_status status;
  std::string text;
};

/// The status that a UCX error means to Banyan.
[[nodiscard]] banyan_status to_status(ucs_status_t status) noexcept;

}  // namespace banyan::ucx
