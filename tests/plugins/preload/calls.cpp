// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include "program.hpp"

extern "C" uint64_t preload_test_banyan_calls() {
  const auto calls = reinterpret_cast<uint64_t (*)()>(::dlsym(RTLD_DEFAULT, "banyan_preload_calls"));
  return calls != nullptr ? calls() : 0;
}
