// SPDX-License-Identifier: Apache-2.0
#include "ucx/settings.hpp"

#include <cstdlib>

#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

/// A default of the plugin; `key` without UCX_.
struct Default {
  const char* key;
  const char* value;
};

// docs/transport-ucx.md has the measurements behind each line.
constexpr Default kDefaults[] = {
    // No shared memory: UCX 1.13 never notices a process that died there while the connection was being made, and the
    // library has its own transport inside a host.
    {"TLS", "^sm"},
    // For users who set TLS: endpoints that report failures leave out shared memory unless it says that it can report them too.
    {"MM_ERROR_HANDLING", "y"},
    // A peer killed on the same host is found only by keepalive; UCX's own default finds it after 20 s.
    {"KEEPALIVE_INTERVAL", "1s"},
};

bool user_set(const char* key) { return std::getenv((std::string("UCX_") + key).c_str()) != nullptr; }

}  // namespace

Settings::Settings(const Library& library, const std::string& interfaces) : library_(library) {
  const ucs_status_t status = library_.config_read(nullptr, nullptr, &config_);
  if (status != UCS_OK) {
    throw Failure{to_status(status), std::string("ucx cannot read its configuration: ") +
                                         library_.status_string(status) + "; check the UCX_ variables"};
  }
  for (const Default& setting : kDefaults) {
    if (!user_set(setting.key)) {
      set(setting.key, setting.value);
    }
  }
  if (!interfaces.empty()) {
    set("NET_DEVICES", interfaces.c_str());
  }
}

Settings::~Settings() {
  if (config_ != nullptr) {
    library_.config_release(config_);
  }
}

void Settings::set(const char* key, const char* value) {
  const ucs_status_t status = library_.config_modify(config_, key, value);
  if (status != UCS_OK) {
    throw Failure{to_status(status),
                  std::string("ucx refuses ") + key + " " + value + ": " + library_.status_string(status)};
  }
}

}  // namespace banyan::ucx
