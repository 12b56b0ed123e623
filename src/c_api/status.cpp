// SPDX-License-Identifier: Apache-2.0
#include "banyan/status.h"

#include <array>
#include <cstdlib>

#include "base/log.hpp"
#include "c_api/boundary.hpp"

namespace banyan::c_api {
namespace {

/// Fixed memory: storing a text must not fail.
thread_local std::array<char, 2048> last_error{};

}  // namespace

banyan_status report(banyan_status status, const char* text) noexcept {
  std::strncpy(last_error.data(), text, last_error.size() - 1);
  if (log_enabled(LogLevel::kInfo)) {
    log_write(LogLevel::kInfo, banyan_status_name(status), last_error.data());
  }
  return status;
}

char* copy_string(const std::string& text) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) {
    throw std::bad_alloc();
  }
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace banyan::c_api

extern "C" {

const char* banyan_status_name(banyan_status status) {
  switch (status) {
    case BANYAN_OK:
      return "BANYAN_OK";
    case BANYAN_IN_PROGRESS:
      return "BANYAN_IN_PROGRESS";
    case BANYAN_ERR_INVALID_ARGUMENT:
      return "BANYAN_ERR_INVALID_ARGUMENT";
    case BANYAN_ERR_NO_MEMORY:
      return "BANYAN_ERR_NO_MEMORY";
    case BANYAN_ERR_NOT_SUPPORTED:
      return "BANYAN_ERR_NOT_SUPPORTED";
    case BANYAN_ERR_NOT_FOUND:
      return "BANYAN_ERR_NOT_FOUND";
    case BANYAN_ERR_IO:
      return "BANYAN_ERR_IO";
    case BANYAN_ERR_FORMAT:
      return "BANYAN_ERR_FORMAT";
    case BANYAN_ERR_LIMIT:
      return "BANYAN_ERR_LIMIT";
    case BANYAN_ERR_TIMEOUT:
      return "BANYAN_ERR_TIMEOUT";
    case BANYAN_ERR_PEER_FAILED:
      return "BANYAN_ERR_PEER_FAILED";
    case BANYAN_ERR_MISMATCH:
      return "BANYAN_ERR_MISMATCH";
    case BANYAN_ERR_AUTH:
      return "BANYAN_ERR_AUTH";
    case BANYAN_ERR_ABORTED:
      return "BANYAN_ERR_ABORTED";
    case BANYAN_ERR_BUSY:
      return "BANYAN_ERR_BUSY";
    case BANYAN_ERR_INTERNAL:
      return "BANYAN_ERR_INTERNAL";
  }
  return "unknown banyan_status";
}

const char* banyan_last_error(void) { return banyan::c_api::last_error.data(); }

void banyan_string_free(char* string) { std::free(string); }

}  // extern "C"
