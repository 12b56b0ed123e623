// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucp/api/ucp.h>

#include <string>

#include "ucx/library.hpp"

namespace banyan::ucx {

/// One rail: a UCX context and worker over one set of network devices. One thread at a time. The endpoints made from it
/// must be closed before it goes.
class Worker {
 public:
  struct Config {
    std::string interfaces;  ///< comma list of devices; empty for all
    bool rdma = false;       ///< some of them are RDMA devices
    int size = 1;            ///< ranks of the communicator: how many endpoints to expect
  };
  /// Called from progress() when an endpoint's peer is gone.
  using FailureHandler = ucp_err_handler_cb_t;

  /// Failure with UCX's text.
  Worker(const Library& library, const Config& config);
  ~Worker();
  /// Ends everything that is posted, through its callbacks. Of the members only this and the destructor may be called
  /// afterwards.
  void destroy() noexcept;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] ucp_worker_h handle() const noexcept { return worker_; }
  /// Bytes that UCX wants in front of each request of ours.
  [[nodiscard]] size_t request_size() const noexcept { return request_size_; }

  /// This worker's address; without the shared-memory part if `network_only`.
  [[nodiscard]] std::string address(bool network_only) const;

  unsigned progress() noexcept { return library_.worker_progress(worker_); }

  /// Makes an endpoint to the worker with this address. With a handler UCX watches the peer and calls it once if the
  /// peer is gone; without, it does not watch (the own rank).
  [[nodiscard]] ucs_status_t create_endpoint(const std::string& address, FailureHandler handler, void* argument,
                                             ucp_ep_h* endpoint) noexcept;
  /// Starts to send everything posted on the endpoint. NULL: done; an error pointer; or a request for ended().
  [[nodiscard]] ucs_status_ptr_t flush(ucp_ep_h endpoint) noexcept;
  /// The same for all endpoints.
  [[nodiscard]] ucs_status_ptr_t flush_all() noexcept;
  /// Starts to close; results as in flush. `force` drops what is not sent yet; only for endpoints with a handler.
  [[nodiscard]] ucs_status_ptr_t close(ucp_ep_h endpoint, bool force) noexcept;
  /// Whether what flush or close gave has ended; a request is then freed, so ask no more.
  [[nodiscard]] bool ended(ucs_status_ptr_t request) noexcept;

 private:
  const Library& library_;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  size_t request_size_ = 0;
};

}  // namespace banyan::ucx
