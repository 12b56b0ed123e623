// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucp/api/ucp.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "banyan/transport_plugin.h"
#include "ucx/address.hpp"
#include "ucx/library.hpp"
#include "ucx/operation_pool.hpp"
#include "ucx/worker.hpp"

namespace banyan::ucx {

/// A UCX tag is 64 bits: the sender's rank above, the caller's tag below.
inline constexpr int kTagBits = 40;
inline constexpr uint64_t kMaxTag = (UINT64_C(1) << kTagBits) - 1;
inline constexpr int kMaxRanks = 1 << 24;

/// What this rank knows of another (or of itself).
struct Peer {
  Transport* transport = nullptr;
  int rank = -1;
  std::string address;          ///< UCX worker address; empty until connect
  ucp_ep_h endpoint = nullptr;  ///< made by the first post, gone after a failure
  ucs_status_t failure = UCS_OK;
  bool noticed = false;              ///< the failure was acted upon: its receives are ended
  Operation* outstanding = nullptr;  ///< list of what is posted
};

/// Tagged messages over UCX: see transport_plugin.h for what each operation does. One thread at a time.
class Transport {
 public:
  /// Failure if UCX cannot be loaded or has no device for `config`.
  explicit Transport(const banyan_transport_config& config);
  /// Flushes what ended, drops what is in progress (its requests are not written any more) and closes; bounded by the
  /// configured timeout.
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Control path: throw Failure.
  [[nodiscard]] std::string address() const;
  /// Failure if `bytes` are not the address of that rank of this communicator, or no network is shared.
  void check_reachable(int rank, const void* bytes, size_t size) const;
  void connect(int rank, const void* bytes, size_t size);

  // Data path.
  [[nodiscard]] banyan_status post_send(int rank, const void* buffer, size_t size, uint64_t tag,
                                        banyan_transport_request* request) noexcept;
  [[nodiscard]] banyan_status post_recv(int rank, void* buffer, size_t size, uint64_t tag,
                                        banyan_transport_request* request) noexcept;
  [[nodiscard]] banyan_status progress(int* events) noexcept;
  [[nodiscard]] banyan_status flush() noexcept;
  [[nodiscard]] banyan_status cancel(banyan_transport_request* request) noexcept;

  [[nodiscard]] const char* last_error() const noexcept { return error_.data(); }
  /// Keeps a printf-formatted text for last_error and gives `status` back.
  [[gnu::format(printf, 3, 4)]] banyan_status fail(banyan_status status, const char* format, ...) noexcept;

 private:
  static void on_send(void* ucx_request, ucs_status_t status, void* user_data) noexcept;
  static void on_receive(void* ucx_request, ucs_status_t status, const ucp_tag_recv_info_t* info,
                         void* user_data) noexcept;
  static void on_failure(void* peer, ucp_ep_h endpoint, ucs_status_t status) noexcept;

  [[nodiscard]] Address checked_address(int rank, const void* bytes, size_t size) const;
  [[nodiscard]] banyan_status check_post(int rank, uint64_t tag) noexcept;
  [[nodiscard]] bool ensure_endpoint(Peer& peer) noexcept;
  [[nodiscard]] Operation* begin(Peer& peer, size_t size, uint64_t tag, banyan_transport_request* request) noexcept;
  /// Ends it towards the caller and gives its memory back.
  void end(Operation* operation, banyan_status status) noexcept;
  void end_send(Operation* operation, ucs_status_t status) noexcept;
  void end_receive(Operation* operation, ucs_status_t status, size_t received) noexcept;
  banyan_status refuse(banyan_transport_request* request, banyan_status status) noexcept;
  banyan_status tell_failure(const Peer& peer) noexcept;

  // transport_failure.cpp: what happens when a peer is gone, and the end of the transport.
  void notice_failures() noexcept;
  void end_receives_of(Peer& peer) noexcept;
  void cancel_or_detach(Operation* operation) noexcept;
  void let_go_of_requests() noexcept;
  void flush_endpoints() noexcept;
  void close_endpoints() noexcept;
  [[nodiscard]] bool all_left() noexcept;

  const Library& library_;
  int rank_;
  uint64_t comm_id_;
  double timeout_s_;
  uint16_t families_;
  Worker worker_;
  OperationPool pool_;
  std::vector<Peer> peers_;
  bool unflushed_ = false;                 ///< something was sent since the last flush began
  bool gave_up_ = false;                   ///< something was cancelled
  ucs_status_ptr_t flushing_ = nullptr;    ///< a flush under way
  std::vector<ucs_status_ptr_t> leaving_;  ///< flushes and closes of endpoints under way
  int failures_to_notice_ = 0;
  std::array<char, 512> error_ = {};
};

}  // namespace banyan::ucx
