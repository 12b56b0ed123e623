// SPDX-License-Identifier: Apache-2.0
#include "ucx/status.hpp"

namespace banyan::ucx {

banyan_status to_status(ucs_status_t status) noexcept {
  switch (status) {
    case UCS_OK:
      return BANYAN_OK;
    case UCS_INPROGRESS:
      return BANYAN_IN_PROGRESS;
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
      return BANYAN_ERR_NO_MEMORY;
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR:
      return BANYAN_ERR_INVALID_ARGUMENT;
    case UCS_ERR_NO_DEVICE:
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_NOT_IMPLEMENTED:
    case UCS_ERR_UNSUPPORTED:
      return BANYAN_ERR_NOT_SUPPORTED;
    case UCS_ERR_MESSAGE_TRUNCATED:
      return BANYAN_ERR_MISMATCH;
    case UCS_ERR_CANCELED:
      return BANYAN_ERR_ABORTED;
    case UCS_ERR_REJECTED:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_TIMED_OUT:
    case UCS_ERR_ENDPOINT_TIMEOUT:
      return BANYAN_ERR_PEER_FAILED;
    default:
      return BANYAN_ERR_IO;
  }
}

}  // namespace banyan::ucx
