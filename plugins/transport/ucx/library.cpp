// SPDX-License-Identifier: Apache-2.0
#include "ucx/library.hpp"

#include <dlfcn.h>
#include <ucs/debug/log_def.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

/// Puts every signal's action and the thread's alternate stack back as they were: UCX 1.13's constructor sets handlers
/// for SIGHUP, SIGILL, SIGBUS, SIGFPE and SIGSEGV (tried 2026-11-22; UCX_HANDLE_ERRORS=none leaves SIGHUP taken).
/// The environment is not touched, because setenv races with getenv in the host's other threads.
class SignalActionsGuard {
 public:
  SignalActionsGuard() noexcept {
    for (int signal = 1; signal < NSIG; ++signal) {
      known_[signal] = sigaction(signal, nullptr, &actions_[signal]) == 0;
    }
    has_stack_ = sigaltstack(nullptr, &stack_) == 0;
  }
  ~SignalActionsGuard() {
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction now = {};
      if (known_[signal] && sigaction(signal, nullptr, &now) == 0 &&
          now.sa_sigaction != actions_[signal].sa_sigaction) {
        sigaction(signal, &actions_[signal], nullptr);
      }
    }
    if (has_stack_) {
      sigaltstack(&stack_, nullptr);
    }
  }
  SignalActionsGuard(const SignalActionsGuard&) = delete;
  SignalActionsGuard& operator=(const SignalActionsGuard&) = delete;

 private:
  std::array<struct sigaction, NSIG> actions_ = {};
  std::array<bool, NSIG> known_ = {};
  stack_t stack_ = {};
  bool has_stack_ = false;
};

thread_local bool is_own_call = false;
thread_local bool warnings_are_quiet = false;
/// Of a process where nobody had loaded UCX before: what its own threads say is about us.
bool was_first_user = false;

/// UCX's messages, one line each, to stderr instead of stdout. Left out: that a setting of ours (see settings.cpp)
/// means nothing to the transports in use. Of a process that uses UCX besides, only what our calls say.
ucs_log_func_rc_t log_to_stderr(const char* file, unsigned line, const char* /*function*/, ucs_log_level_t level,
                                const ucs_log_component_config_t* /*component*/, const char* message,
                                va_list arguments) {
  if (!was_first_user && !is_own_call) {
    return UCS_LOG_FUNC_RC_CONTINUE;
  }
  const bool about_our_settings = std::strncmp(message, "invalid configuration", 21) == 0;
  if (about_our_settings || (warnings_are_quiet && level > UCS_LOG_LEVEL_ERROR)) {
    return UCS_LOG_FUNC_RC_STOP;
  }
  std::array<char, 1024> text = {};
  const char* name = level <= UCS_LOG_LEVEL_ERROR ? "error" : level == UCS_LOG_LEVEL_WARN ? "warn" : "info";
  const char* slash = std::strrchr(file, '/');
  int used = std::snprintf(text.data(), text.size(), "banyan: ucx %s %s:%u ", name, slash ? slash + 1 : file, line);
  const auto offset = static_cast<size_t>(std::max(used, 0));
  used = std::vsnprintf(text.data() + offset, text.size() - offset, message, arguments);
  size_t length = std::min(offset + static_cast<size_t>(std::max(used, 0)), text.size() - 2);
  text[length++] = '\n';
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), length);
  return UCS_LOG_FUNC_RC_STOP;
}

template <typename Function>
void resolve(void* library, const char* symbol, Function& function) {
  void* address = dlsym(library, symbol);
  if (address == nullptr) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, std::string("libucp lacks ") + symbol + "; UCX 1.13 or newer is needed"};
  }
  function = reinterpret_cast<Function>(address);
}

void* open_libucp() {
  // A program that already uses UCX (MPIs do) chose its own handlers and log: leave them to it.
  was_first_user = dlopen("libucs.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD) == nullptr;
  void* library = nullptr;
  {
    const SignalActionsGuard guard;
    library = dlopen("libucp.so.0", RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    const char* cause = dlerror();
    throw Failure{BANYAN_ERR_NOT_FOUND, std::string("cannot open libucp.so.0: ") + (cause ? cause : "unknown cause") +
                                            "; install UCX 1.13 or newer or choose another transport"};
  }
  if (std::getenv("UCX_LOG_FILE") == nullptr) {
    decltype(&::ucs_log_push_handler) push_handler = nullptr;
    resolve(library, "ucs_log_push_handler", push_handler);
    push_handler(log_to_stderr);
  }
  return library;
}

Library open_library() {
  void* library = open_libucp();
  Library functions = {};
  resolve(library, "ucp_get_version", functions.get_version);
  resolve(library, "ucp_config_read", functions.config_read);
  resolve(library, "ucp_config_modify", functions.config_modify);
  resolve(library, "ucp_config_release", functions.config_release);
  resolve(library, "ucp_init_version", functions.init_version);
  resolve(library, "ucp_cleanup", functions.cleanup);
  resolve(library, "ucp_context_query", functions.context_query);
  resolve(library, "ucp_worker_create", functions.worker_create);
  resolve(library, "ucp_worker_destroy", functions.worker_destroy);
  resolve(library, "ucp_worker_query", functions.worker_query);
  resolve(library, "ucp_worker_release_address", functions.worker_release_address);
  resolve(library, "ucp_worker_progress", functions.worker_progress);
  resolve(library, "ucp_worker_flush_nbx", functions.worker_flush_nbx);
  resolve(library, "ucp_ep_create", functions.ep_create);
  resolve(library, "ucp_ep_flush_nbx", functions.ep_flush_nbx);
  resolve(library, "ucp_ep_close_nbx", functions.ep_close_nbx);
  resolve(library, "ucp_tag_send_nbx", functions.tag_send_nbx);
  resolve(library, "ucp_tag_recv_nbx", functions.tag_recv_nbx);
  resolve(library, "ucp_request_cancel", functions.request_cancel);
  resolve(library, "ucp_request_check_status", functions.request_check_status);
  resolve(library, "ucp_request_free", functions.request_free);
  resolve(library, "ucs_status_string", functions.status_string);
  return functions;
}

}  // namespace

const Library& Library::load() {
  static const Library functions = open_library();
  return functions;
}

OwnCall::OwnCall() noexcept { is_own_call = true; }

OwnCall::~OwnCall() { is_own_call = false; }

QuietWarnings::QuietWarnings() noexcept { warnings_are_quiet = true; }

QuietWarnings::~QuietWarnings() { warnings_are_quiet = false; }

}  // namespace banyan::ucx
