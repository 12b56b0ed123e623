// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "executor/counters.hpp"
#include "executor/exchange.hpp"
#include "executor/program.hpp"
#include "transport/fabric.hpp"

namespace banyan::executor {

/// Runs programs over a fabric: posts what is ready, moves the transports on, and stores blocks as they arrive. Never
/// blocks. One thread, one exchange at a time. Data path: statuses, no exceptions, no allocation once a program has
/// run.
class HostExecutor {
 public:
  /// The fabric is borrowed and must outlive the executor.
  explicit HostExecutor(transport::Fabric& fabric)
      : fabric_(fabric),
        notes_(static_cast<size_t>(fabric.size())),
        received_(notes_.size()),
        direct_received_(notes_.size()) {}

  /// Begins an exchange, number `operation` on its communicator. Nothing of a former exchange may be running.
  [[nodiscard]] banyan_status start(Program& program, const Exchange& exchange, uint64_t operation) noexcept;

  /// Moves the exchange on. OK: done; IN_PROGRESS; or the first error, after which only cancel() may follow.
  /// `*events` counts what happened, 0 if the caller may yield.
  [[nodiscard]] banyan_status progress(int* events) noexcept;

  /// Takes back what is posted. Returns whether nothing is outstanding any more; call until true or the transports are
  /// closed.
  [[nodiscard]] bool cancel() noexcept;

  /// Forgets the exchange, once the transports are closed and nothing is posted any more.
  void abandon() noexcept { program_ = nullptr; }

  [[nodiscard]] bool active() const noexcept { return program_ != nullptr; }
  /// Peers that the exchange still waits for, ascending; with leaving(), those whose data may still be here.
  [[nodiscard]] std::vector<int> waiting_for() const;
  /// Sends and receives that are not done; fewer and fewer while the exchange moves.
  [[nodiscard]] size_t unfinished() const noexcept { return unfinished_; }
  /// Whether all that is left to do is that what was sent leaves this rank.
  [[nodiscard]] bool leaving() const noexcept { return program_ != nullptr && unfinished_ == 0; }
  /// Whether the error is that a peer makes another call of this number: the control plane may know what differs.
  [[nodiscard]] bool disagrees() const noexcept { return disagrees_; }
  /// What went wrong, after an error status.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  /// By rank, what the last exchange that carried notes brought, the own one included.
  [[nodiscard]] const std::vector<uint32_t>& notes() const noexcept { return notes_; }
  /// By rank, the bytes that the last bounded exchange brought, the own ones included.
  [[nodiscard]] const std::vector<size_t>& received() const noexcept { return received_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  /// Flag of a slot whose payload comes through the transport: only the header of sizes is in the slot.
  static constexpr uint32_t kPayloadApart = 1;

  /// To or from whom, and on which rail.
  struct Way {
    int peer = 0;
    int place = 0;
  };

  /// Of what must be equal at both ends of a message.
  [[nodiscard]] uint32_t fingerprint() const noexcept { return program_->options_.fingerprint ^ exchange_.purpose; }
  /// 40 bits, as transports require: operation (16), fingerprint (16), direct (1), number in the pair (7), of which
  /// what is over is in the fingerprint's bits. Of a direct pair: DirectTransfer::tag.
  [[nodiscard]] uint64_t tag(uint32_t bits, bool direct) const noexcept {
    const uint64_t print = (fingerprint() ^ (fingerprint() >> 16)) & 0xFFFF;
    return (((operation_ & 0xFFFF) << 24) | (print << 8) | (direct ? 0x80U : 0U)) ^ bits;
  }
  void copy_own(int* events) noexcept;
  void begin_direct();
  void rewind_direct() noexcept;
  void begin_bounds() noexcept;
  [[nodiscard]] size_t direct_bytes(size_t size) const noexcept;
  [[nodiscard]] banyan_status take_size(int from, size_t size) noexcept;
  void withdraw(DirectTransfer& transfer) noexcept;
  [[nodiscard]] banyan_status check_received() noexcept;
  [[nodiscard]] banyan_status post_receives() noexcept;
  [[nodiscard]] banyan_status post_direct_receives() noexcept;
  [[nodiscard]] banyan_status post_receive(AggregatedReceive& receive) noexcept;
  [[nodiscard]] banyan_status post_piece(AggregatedReceive& receive, size_t number, std::byte* start,
                                         size_t bytes) noexcept;
  [[nodiscard]] banyan_status post_message(AggregatedSend& send, const std::byte* start, size_t bytes,
                                           size_t header) noexcept;
  [[nodiscard]] banyan_status open_message(AggregatedReceive& receive) noexcept;
  [[nodiscard]] banyan_status poll_message(AggregatedReceive& receive, int* events) noexcept;
  [[nodiscard]] banyan_status poll_message(AggregatedSend& send, int* events) noexcept;
  [[nodiscard]] Cut cut(const std::vector<Piece>& pieces, size_t total, size_t header) const noexcept;
  [[nodiscard]] std::byte* staging(const AggregatedReceive& receive) const noexcept {
    return program_->staging_.data() + receive.staging_offset;
  }
  [[nodiscard]] banyan_status issue_ready(int* events) noexcept;
  [[nodiscard]] banyan_status issue(AggregatedSend& send, bool* issued) noexcept;
  [[nodiscard]] banyan_status issue_direct(int* events) noexcept;
  [[nodiscard]] banyan_status issue_direct(DirectTransfer& transfer) noexcept;
  [[nodiscard]] DirectTransfer& next_remote_send() noexcept;
  [[nodiscard]] bool issued(size_t direct_send) const noexcept {
    return direct_send < remote_count_ ? direct_send < next_remote_ : direct_send < next_local_;
  }
  [[nodiscard]] bool runs_ahead(const DirectTransfer& transfer) const noexcept;
  void catch_up() noexcept;
  [[nodiscard]] banyan_status poll_rings(int* events) noexcept;
  [[nodiscard]] banyan_status other_call(int peer, uint64_t operation) noexcept;
  [[nodiscard]] banyan_status take_slot(AggregatedReceive& receive, transport::SlotHeader& slot) noexcept;
  [[nodiscard]] banyan_status poll_requests(int* events) noexcept;
  [[nodiscard]] banyan_status poll_direct(int* events) noexcept;
  [[nodiscard]] banyan_status poll_receive(DirectTransfer& transfer, int* events) noexcept;
  [[nodiscard]] banyan_status poll_send(DirectTransfer& transfer, int* events) noexcept;
  [[nodiscard]] banyan_status finish_receive(AggregatedReceive& receive) noexcept;
  [[nodiscard]] banyan_status fail_length(const AggregatedReceive& receive, size_t bytes, size_t expected) noexcept;
  [[nodiscard]] banyan_status read_header(AggregatedReceive& receive, const std::byte* start, size_t bytes,
                                          size_t* header_bytes, size_t* total_bytes) noexcept;
  [[nodiscard]] banyan_status arrived(AggregatedReceive& receive) noexcept;
  void release(AggregatedReceive& receive) noexcept;
  [[nodiscard]] size_t write_header(const AggregatedSend& send, std::byte* out) noexcept;
  [[nodiscard]] size_t block_size(const BlockSource& source) const noexcept;
  [[nodiscard]] size_t inline_size(size_t size) const noexcept;
  size_t gather(const AggregatedSend& send, std::byte* out) noexcept;
  [[nodiscard]] banyan_status post_send(const Way& way, const void* buffer, size_t bytes, uint64_t tag,
                                        banyan_transport_request* request) noexcept;
  [[nodiscard]] static std::string sizes_differ(int from, int to, size_t sent, size_t expected);
  [[nodiscard]] banyan_status fail(banyan_status status, std::string text) noexcept;
  [[nodiscard]] banyan_status fail_request(const char* what, const Way& way, banyan_status status) noexcept;
  [[nodiscard]] banyan_status flush() noexcept;
  [[nodiscard]] bool cancel_pieces(std::vector<Piece>& pieces, size_t count, const Way& first) noexcept;
  [[nodiscard]] bool cancel_request(TransferState& state, const Way& way, banyan_transport_request& request) noexcept;

  transport::Fabric& fabric_;
  Program* program_ = nullptr;
  Exchange exchange_;
  uint64_t operation_ = 0;
  const transport::Transport* unflushed_ = nullptr;  ///< one that data have not left yet
  size_t unfinished_ = 0;                            ///< sends and receives, aggregated and direct, and the own block
  size_t own_copied_ = 0;                            ///< bytes of the block from this rank to itself
  size_t unissued_ = 0;                              ///< aggregated sends
  size_t remote_count_ = 0;                          ///< direct sends to other hosts; they come first
  size_t next_remote_ = 0;                           ///< of those, the next to issue
  size_t described_ = 0;                             ///< remote direct sends that are described
  size_t next_local_ = 0;                            ///< the next direct send inside the host
  size_t next_sent_ = 0;                             ///< the first remote send that is not done
  size_t remote_receives_ = 0;                       ///< direct receives from other hosts; they come first
  size_t next_missing_ = 0;                          ///< the first direct receive from another host that is not done
  size_t next_caught_up_ = 0;                        ///< the first remote send beyond it in order
  size_t ahead_bytes_ = 0;                           ///< of the remote sends from there on that are issued
  size_t sent_bytes_ = 0;                            ///< of all remote sends that are issued
  size_t received_bytes_ = 0;                        ///< of all remote receives that are done
  size_t bytes_to_send_ = 0;
  size_t bytes_to_receive_ = 0;
  std::string error_;
  bool disagrees_ = false;
  std::vector<uint32_t> notes_;
  std::vector<size_t> received_;         ///< by rank: bounded exchanges, bytes that the header tells of
  std::vector<size_t> direct_received_;  ///< by rank: of them, those that came directly
  Counters counters_;
};

}  // namespace banyan::executor
