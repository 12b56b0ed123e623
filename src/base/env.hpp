// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::env {

/// One environment variable of the library, as banyan-info and docs/environment.md list it.
struct Variable {
  std::string_view name;
  std::string_view default_value;  ///< as text; empty: unset
  std::string_view doc;            ///< one sentence
};

/// Every BANYAN_* variable that any part of the library or its tools reads; the only list there is.
[[nodiscard]] std::span<const Variable> variables() noexcept;

/// The variable's value; nullopt if unset or empty. The name must be in variables() when it starts with BANYAN_.
[[nodiscard]] std::optional<std::string> get(const char* name) noexcept;

/// Parsed values; Error{INVALID_ARGUMENT} naming variable, text and what is expected when it does not parse.
[[nodiscard]] std::optional<double> get_positive_seconds(const char* name);
[[nodiscard]] std::optional<size_t> get_bytes(const char* name);  ///< accepts suffixes k, M, G (powers of 1024), "max"
[[nodiscard]] std::optional<long> get_int(const char* name);
[[nodiscard]] bool get_flag(const char* name);  ///< 1, y, yes, on, true; default false

/// BANYAN_* variables that are set but not in variables(), each with the nearest known name.
struct Unknown {
  std::string name;
  std::string nearest;
};
[[nodiscard]] std::vector<Unknown> unknown_variables();

}  // namespace banyan::env
