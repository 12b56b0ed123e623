// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace banyan {

/// A shared library loaded RTLD_NOW | RTLD_LOCAL and never unloaded: its threads and atexit handlers may outlive us.
class DynamicLibrary {
 public:
  /// Error{NOT_FOUND} with dlerror's text.
  static DynamicLibrary open(const std::string& path);
  /// The same, nullopt if it can not be loaded: for libraries whose absence is no error.
  static std::optional<DynamicLibrary> try_open(const std::string& path);

  /// The symbol's address, or nullptr.
  [[nodiscard]] void* symbol(const char* name) const noexcept;

  /// The symbol as a function pointer, or nullptr.
  template <typename Function>
  [[nodiscard]] Function function(const char* name) const noexcept {
    return reinterpret_cast<Function>(symbol(name));
  }

 private:
  explicit DynamicLibrary(void* handle) : handle_(handle) {}
  void* handle_;
};

}  // namespace banyan
