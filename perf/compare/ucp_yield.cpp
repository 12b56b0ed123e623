// SPDX-License-Identifier: Apache-2.0
#include "compare/ucp_yield.hpp"

#include <dlfcn.h>
#include <sched.h>

#include "common/failure.hpp"

namespace {

bool yields = false;

unsigned (*next_progress())(void*) {
  static auto* const next = reinterpret_cast<unsigned (*)(void*)>(dlsym(RTLD_NEXT, "ucp_worker_progress"));
  return next;
}

}  // namespace

/// Found by MPICH before UCX's own, which it calls. A waiting MPICH calls it over and over and has no setting to yield.
extern "C" [[gnu::visibility("default")]] unsigned ucp_worker_progress(void* worker) {
  const unsigned count = next_progress()(worker);
  if (count == 0 && yields) {
    sched_yield();
  }
  return count;
}

namespace banyan::perf {

void yield_in_ucp_progress() {
  if (next_progress() == nullptr) {
    throw Failure("--yield: this MPICH does not use UCX");
  }
  yields = true;
}

}  // namespace banyan::perf
