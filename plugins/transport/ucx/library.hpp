// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucp/api/ucp.h>

namespace banyan::ucx {

/// The functions of libucp that the plugin calls, all of them in UCX 1.13's API. libucp is opened by the first load()
/// and never closed. Opening it here, and not through the plugin's own dependencies, lets the plugin undo what libucs's
/// constructor does to the host program: it takes over SIGHUP, SIGILL, SIGBUS, SIGFPE and SIGSEGV, and logs to stdout.
struct Library {
  decltype(&::ucp_get_version) get_version;
  decltype(&::ucp_config_read) config_read;
  decltype(&::ucp_config_modify) config_modify;
  decltype(&::ucp_config_release) config_release;
  decltype(&::ucp_init_version) init_version;
  decltype(&::ucp_cleanup) cleanup;
  decltype(&::ucp_context_query) context_query;
  decltype(&::ucp_worker_create) worker_create;
  decltype(&::ucp_worker_destroy) worker_destroy;
  decltype(&::ucp_worker_query) worker_query;
  decltype(&::ucp_worker_release_address) worker_release_address;
  decltype(&::ucp_worker_progress) worker_progress;
  decltype(&::ucp_worker_flush_nbx) worker_flush_nbx;
  decltype(&::ucp_ep_create) ep_create;
  decltype(&::ucp_ep_flush_nbx) ep_flush_nbx;
  decltype(&::ucp_ep_close_nbx) ep_close_nbx;
  decltype(&::ucp_tag_send_nbx) tag_send_nbx;
  decltype(&::ucp_tag_recv_nbx) tag_recv_nbx;
  decltype(&::ucp_request_cancel) request_cancel;
  decltype(&::ucp_request_check_status) request_check_status;
  decltype(&::ucp_request_free) request_free;
  decltype(&::ucs_status_string) status_string;

  /// Opens libucp once per process. Any thread. Failure{NOT_FOUND} with the loader's text.
  [[nodiscard]] static const Library& load();
};

/// While it lives, what UCX logs on this thread is the plugin's to say. Not inside another.
class OwnCall {
 public:
  OwnCall() noexcept;
  ~OwnCall();
  OwnCall(const OwnCall&) = delete;
  OwnCall& operator=(const OwnCall&) = delete;
};

/// While it lives, UCX's warnings on this thread are dropped: for the end of a worker, which lists what was never
/// received.
class QuietWarnings {
 public:
  QuietWarnings() noexcept;
  ~QuietWarnings();
  QuietWarnings(const QuietWarnings&) = delete;
  QuietWarnings& operator=(const QuietWarnings&) = delete;
};

}  // namespace banyan::ucx
