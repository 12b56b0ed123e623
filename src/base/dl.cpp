// SPDX-License-Identifier: Apache-2.0
#include "base/dl.hpp"

#include <dlfcn.h>

#include "base/error.hpp"

namespace banyan {

DynamicLibrary DynamicLibrary::open(const std::string& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    throw Error(BANYAN_ERR_NOT_FOUND, "cannot load " + path + ": " + (reason != nullptr ? reason : "unknown"));
  }
  return DynamicLibrary(handle);
}

std::optional<DynamicLibrary> DynamicLibrary::try_open(const std::string& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  return handle == nullptr ? std::nullopt : std::optional(DynamicLibrary(handle));
}

void* DynamicLibrary::symbol(const char* name) const noexcept { return ::dlsym(handle_, name); }

}  // namespace banyan
