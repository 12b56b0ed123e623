// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>

/// Arithmetic that says when a result does not fit. Any thread.
namespace banyan::checked {

[[nodiscard]] inline std::optional<size_t> multiply(size_t a, size_t b) noexcept {
  size_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) {
    return std::nullopt;
  }
  return result;
}

[[nodiscard]] inline std::optional<size_t> add(size_t a, size_t b) noexcept {
  size_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) {
    return std::nullopt;
  }
  return result;
}

}  // namespace banyan::checked
