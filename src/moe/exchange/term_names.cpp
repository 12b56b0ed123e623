// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/term_names.hpp"

#include <array>
#include <cstddef>

namespace banyan::moe {
namespace {

template <typename Enum, size_t count>
const char* pick(const std::array<const char*, count>& names, Enum value) noexcept {
  const auto index = static_cast<size_t>(value);
  return index < count ? names[index] : "unknown";
}

}  // namespace

const char* name_of(device::Dtype dtype) noexcept { return pick(std::array{"FP32", "FP16", "BF16", "BYTES"}, dtype); }
const char* name_of(Dedup dedup) noexcept { return pick(std::array{"NONE", "RANK", "NODE", "TIER"}, dedup); }
const char* name_of(LayoutKind layout) noexcept {
  return pick(std::array{"EXPERT_MAJOR", "FLAT", "RANK_MAJOR"}, layout);
}
const char* name_of(DropPolicy policy) noexcept { return pick(std::array{"POSITION", "SCORE", "RANDOM"}, policy); }
const char* name_of(CapacityScope scope) noexcept { return pick(std::array{"PER_RANK", "GLOBAL"}, scope); }

}  // namespace banyan::moe
