// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucp/api/ucp.h>

#include <string>

#include "ucx/library.hpp"

namespace banyan::ucx {

/// UCX's configuration of one context: the environment and UCX's files, then the plugin's defaults where the user set
/// no UCX_ variable, then `interfaces`. One thread.
class Settings {
 public:
  /// `interfaces`: comma list of network devices; empty for all. `rdma`: some of them are RDMA devices, whose
  /// rendezvous must be left alone. Failure if UCX refuses a value.
  Settings(const Library& library, const std::string& interfaces, bool rdma);
  ~Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  [[nodiscard]] ucp_config_t* get() const noexcept { return config_; }

 private:
  void set_default(const char* key, const char* value);
  void set_tcp_default(const char* key, const char* value);
  void set(const char* key, const char* value);

  const Library& library_;
  ucp_config_t* config_ = nullptr;
};

}  // namespace banyan::ucx
