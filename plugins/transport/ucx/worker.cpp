// SPDX-License-Identifier: Apache-2.0
#include "ucx/worker.hpp"

#include <utility>

#include "ucx/settings.hpp"
#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

void check(const Library& library, ucs_status_t status, const std::string& what) {
  if (status != UCS_OK) {
    throw Failure{to_status(status), "ucx cannot " + what + ": " + library.status_string(status)};
  }
}

ucp_context_h create_context(const Library& library, const Worker::Config& config) {
  const Settings settings(library, config.interfaces, config.rdma);
  ucp_params_t params = {};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_ESTIMATED_NUM_EPS | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_TAG;
  params.estimated_num_eps = static_cast<size_t>(config.size);
  params.name = "banyan";
  ucp_context_h context = nullptr;
  check(library, library.init_version(UCP_API_MAJOR, UCP_API_MINOR, &params, settings.get(), &context),
        "make a context over " + (config.interfaces.empty() ? "all interfaces" : config.interfaces));
  return context;
}

}  // namespace

Worker::Worker(const Library& library, const Config& config)
    : library_(library), context_(create_context(library, config)) {
  try {
    ucp_context_attr_t attributes = {};
    attributes.field_mask = UCP_ATTR_FIELD_REQUEST_SIZE;
    check(library_, library_.context_query(context_, &attributes), "query the context");
    request_size_ = attributes.request_size;
    ucp_worker_params_t params = {};
    params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
    check(library_, library_.worker_create(context_, &params, &worker_), "make a worker");
  } catch (...) {
    library_.cleanup(context_);
    throw;
  }
}

Worker::~Worker() { destroy(); }

void Worker::destroy() noexcept {
  if (worker_ == nullptr) {
    return;
  }
  const QuietWarnings quiet;
  library_.worker_destroy(std::exchange(worker_, nullptr));
  library_.cleanup(context_);
}

std::string Worker::address(bool network_only) const {
  ucp_worker_attr_t attributes = {};
  attributes.field_mask = UCP_WORKER_ATTR_FIELD_ADDRESS | UCP_WORKER_ATTR_FIELD_ADDRESS_FLAGS;
  attributes.address_flags = network_only ? static_cast<uint32_t>(UCP_WORKER_ADDRESS_FLAG_NET_ONLY) : 0;
  check(library_, library_.worker_query(worker_, &attributes), "give its address");
  std::string bytes(reinterpret_cast<const char*>(attributes.address), attributes.address_length);
  library_.worker_release_address(worker_, attributes.address);
  return bytes;
}

ucs_status_t Worker::create_endpoint(const std::string& address, FailureHandler handler, void* argument,
                                     ucp_ep_h* endpoint) noexcept {
  ucp_ep_params_t params = {};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
  params.address = reinterpret_cast<const ucp_address_t*>(address.data());
  params.err_mode = handler != nullptr ? UCP_ERR_HANDLING_MODE_PEER : UCP_ERR_HANDLING_MODE_NONE;
  if (handler != nullptr) {
    params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER;
    params.err_handler.cb = handler;
    params.err_handler.arg = argument;
  }
  return library_.ep_create(worker_, &params, endpoint);
}

ucs_status_ptr_t Worker::flush(ucp_ep_h endpoint) noexcept {
  const ucp_request_param_t params = {};
  return library_.ep_flush_nbx(endpoint, &params);
}

ucs_status_ptr_t Worker::flush_all() noexcept {
  const ucp_request_param_t params = {};
  return library_.worker_flush_nbx(worker_, &params);
}

ucs_status_ptr_t Worker::close(ucp_ep_h endpoint, bool force) noexcept {
  ucp_request_param_t params = {};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = force ? static_cast<uint32_t>(UCP_EP_CLOSE_FLAG_FORCE) : 0;
  return library_.ep_close_nbx(endpoint, &params);
}

bool Worker::ended(ucs_status_ptr_t request) noexcept {
  if (!UCS_PTR_IS_PTR(request)) {
    return true;
  }
  if (library_.request_check_status(request) == UCS_INPROGRESS) {
    return false;
  }
  library_.request_free(request);
  return true;
}

}  // namespace banyan::ucx
