// SPDX-License-Identifier: Apache-2.0
#include "ucx/settings.hpp"

#include <cstdlib>

#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

bool user_set(const char* key) { return std::getenv((std::string("UCX_") + key).c_str()) != nullptr; }

/// Until 1.16, ucp_config_modify knows the settings of one transport only without its prefix, later only with it (tried
/// with 1.13.1, 1.14.1, 1.16.0, 1.17.0, 1.18.1 and 1.22.0).
bool wants_prefix(const Library& library) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  library.get_version(&major, &minor, &release);
  return major > 1 || minor > 16;
}

}  // namespace

// docs/transport-ucx.md has the measurements behind each line.
Settings::Settings(const Library& library, const std::string& interfaces, bool rdma) : library_(library) {
  const ucs_status_t status = library_.config_read(nullptr, nullptr, &config_);
  if (status != UCS_OK) {
    throw Failure{to_status(status), std::string("ucx cannot read its configuration: ") +
                                         library_.status_string(status) + "; check the UCX_ variables"};
  }
  // No shared memory: UCX 1.13 never notices a process that died there while the connection was being made, and the
  // library has its own transport inside a host.
  set_default("TLS", "^sm");
  if (user_set("TLS")) {
    // Endpoints that report failures leave out shared memory unless it says that it can report too. Not without TLS:
    // an MPI that has UCX too then warns of a setting that nothing uses.
    set_default("MM_ERROR_HANDLING", "y");
  }
  // A peer killed there is found only by keepalive, by UCX's own default after 20 s.
  set_default("KEEPALIVE_INTERVAL", "1s");
  // Fewer, larger pieces: 1.7 times the bandwidth at 64 KiB.
  set_tcp_default("TX_SEG_SIZE", "128k");
  set_tcp_default("RX_SEG_SIZE", "128k");
  // Without it a post to a host that does not answer blocks in connect() for minutes.
  set_tcp_default("CONN_NB", "y");
  // Flushing endpoints asks their peers for an answer, and a peer that has its data may not call us for long.
  set_default("FLUSH_WORKER_EPS", "n");
  if (!rdma) {
    // Over TCP a rendezvous answer queues behind the data of the same connection: half the bandwidth with 7 peers.
    set_default("RNDV_THRESH", "2m");
    // Eager from a copy: over TCP, UCX 1.13 ends an eager zero-copy send twice when its peer dies, and aborts.
    set_default("ZCOPY_THRESH", "inf");
  }
  if (!interfaces.empty()) {
    set("NET_DEVICES", interfaces.c_str());
  }
}

void Settings::set_default(const char* key, const char* value) {
  if (!user_set(key)) {
    set(key, value);
  }
}

void Settings::set_tcp_default(const char* key, const char* value) {
  const std::string full = std::string("TCP_") + key;
  if (!user_set(full.c_str())) {
    set(wants_prefix(library_) ? full.c_str() : key, value);
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
