// SPDX-License-Identifier: Apache-2.0
// Preloaded before the library: a machine on which random numbers cannot be drawn and, while the program says so, no
// thread starts; and what the library asks of Banyan.
#include <banyan/banyan.h>
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>

namespace {

std::atomic<bool> threads_fail = false;
std::atomic<double> last_timeout_s = 0;

template <typename Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

/// std::random_device::_M_getval()
BANYAN_API unsigned _ZNSt13random_device9_M_getvalEv(void* /*device*/) {
  throw std::runtime_error("there are no random numbers");
}

BANYAN_API int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                              void* argument) {
  return threads_fail ? EAGAIN
                      : original<decltype(pthread_create)>("pthread_create")(thread, attributes, body, argument);
}

BANYAN_API banyan_status banyan_comm_create(int rank, int size, banyan_allgather_fn allgather, void* context,
                                            const banyan_comm_config* config, banyan_comm** comm) {
  last_timeout_s = config->timeout_s;
  return original<decltype(banyan_comm_create)>("banyan_comm_create")(rank, size, allgather, context, config, comm);
}

BANYAN_API void preload_test_let_threads_fail(bool fail) { threads_fail = fail; }

/// What the library asked for when it made a communicator: 0 is Banyan's default.
BANYAN_API double preload_test_last_timeout_s() { return last_timeout_s; }

}  // extern "C"
