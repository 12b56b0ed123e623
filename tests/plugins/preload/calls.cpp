// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include "program.hpp"

namespace {

uint64_t ask(const char* function) {
  const auto number = reinterpret_cast<uint64_t (*)()>(::dlsym(RTLD_DEFAULT, function));
  return number != nullptr ? number() : 0;
}

}  // namespace

extern "C" bool preload_test_is_loaded() { return ::dlsym(RTLD_DEFAULT, "banyan_preload_calls") != nullptr; }

extern "C" uint64_t preload_test_banyan_calls() { return ask("banyan_preload_calls"); }

extern "C" uint64_t preload_test_banyan_calls_left() { return ask("banyan_preload_calls_left"); }
