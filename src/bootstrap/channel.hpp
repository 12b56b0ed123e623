// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "bootstrap/handshake.hpp"
#include "bootstrap/socket.hpp"
#include "bootstrap/wire.hpp"

namespace banyan::bootstrap {

/// A message on a channel. The payload points into the channel's buffer until its next receive() or next().
struct Frame {
  uint16_t type = 0;
  Bytes payload;
};

/// One authenticated connection between a rank and the root. Every frame carries a MAC over its direction's key, a
/// running number, its type and its payload, so nothing can be changed, dropped, repeated or reordered unnoticed.
/// Payloads are not encrypted. One thread at a time.
class Channel {
 public:
  static constexpr size_t kMaxPayloadBytes = size_t{64} << 10;
  enum class Side { kRoot, kRank };

  /// `peer` is the rank at the other end.
  Channel(Fd fd, const SessionKeys& keys, Side side, int peer);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] int peer() const noexcept { return peer_; }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }
  void close() noexcept { fd_.reset(); }

  /// Appends a frame (payload at most kMaxPayloadBytes) to what flush() sends.
  void queue(uint16_t type, Bytes payload);
  [[nodiscard]] bool has_output() const noexcept { return sent_ < output_.size(); }
  [[nodiscard]] IoResult flush() noexcept;
  /// flush() until all is out, the connection breaks or the deadline passes. Returns whether all is out.
  bool flush_until(Deadline deadline);

  /// Reads what has arrived, at most a buffer full. kClosed: end of stream; frames read before remain.
  [[nodiscard]] IoResult receive();
  /// The next whole frame. Error{AUTH} when a MAC is wrong, Error{FORMAT} when a length is over the limit.
  [[nodiscard]] std::optional<Frame> next();

 private:
  static constexpr size_t kHeaderBytes = 8;
  static constexpr size_t kMacBytes = 16;
  using Mac = std::array<unsigned char, kMacBytes>;
  struct Direction {
    std::array<unsigned char, 32> key;
    uint64_t sequence = 0;
    ~Direction() { wipe(key); }
  };
  [[nodiscard]] static Mac mac(Direction& direction, Bytes header, Bytes payload) noexcept;

  Fd fd_;
  int peer_;
  Direction outgoing_;
  Direction incoming_;
  std::vector<unsigned char> output_;
  size_t sent_ = 0;
  std::vector<unsigned char> input_;
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
};

}  // namespace banyan::bootstrap
