// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/rows.hpp"
#include "moe/exchange/ladder.hpp"
#include "moe/exchange/layout.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// Terms as banyan/moe.h names their values, without what all of a kind begin with.
[[nodiscard]] const char* name_of(device::Dtype dtype) noexcept;
[[nodiscard]] const char* name_of(Dedup dedup) noexcept;
[[nodiscard]] const char* name_of(LayoutKind layout) noexcept;
[[nodiscard]] const char* name_of(DropPolicy policy) noexcept;
[[nodiscard]] const char* name_of(CapacityScope scope) noexcept;

}  // namespace banyan::moe
