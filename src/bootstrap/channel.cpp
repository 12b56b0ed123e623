// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/channel.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

constexpr size_t kFirstInputBytes = 4096;
constexpr size_t kKeptOutputBytes = 4096;

}  // namespace

Channel::Channel(Fd fd, const SessionKeys& keys, Side side, int peer)
    : fd_(std::move(fd)),
      peer_(peer),
      outgoing_{side == Side::kRoot ? keys.from_root : keys.to_root},
      incoming_{side == Side::kRoot ? keys.to_root : keys.from_root},
      input_(kFirstInputBytes) {}

Channel::Mac Channel::mac(Direction& direction, Bytes header, Bytes payload) noexcept {
  std::array<unsigned char, 8> number;
  for (size_t i = 0; i < number.size(); ++i) {
    number[i] = static_cast<unsigned char>(direction.sequence >> (8 * i));
  }
  ++direction.sequence;
  const std::array<Bytes, 3> parts = {number, header, payload};
  Mac result;
  keyed_hash(result, direction.key, parts);
  return result;
}

void Channel::queue(uint16_t type, Bytes payload) {
  BANYAN_CHECK(payload.size() <= kMaxPayloadBytes, "frame of " + std::to_string(payload.size()) + " bytes");
  if (!has_output()) {
    output_.clear();
    sent_ = 0;
  }
  WireWriter header;
  header.u32(static_cast<uint32_t>(payload.size())).u16(type).u16(0);
  const Mac code = mac(outgoing_, header.result(), payload);
  if (output_.empty()) {
    output_.reserve(header.result().size() + payload.size() + code.size());
  }
  output_.insert(output_.end(), header.result().begin(), header.result().end());
  output_.insert(output_.end(), payload.begin(), payload.end());
  output_.insert(output_.end(), code.begin(), code.end());
}

IoResult Channel::flush() noexcept {
  if (!is_open()) {
    return IoResult::kClosed;
  }
  const IoResult result = send_some(fd_.get(), output_, sent_);
  if (!has_output() && output_.capacity() > kKeptOutputBytes) {
    output_ = {};  // the root has a channel for every rank
    sent_ = 0;
  }
  return result;
}

bool Channel::flush_until(Deadline deadline) {
  while (true) {
    const IoResult result = flush();
    if (result != IoResult::kBlocked) {
      return result == IoResult::kDone;
    }
    pollfd wait = {.fd = fd_.get(), .events = POLLOUT, .revents = 0};
    if (poll_until({&wait, 1}, deadline) == 0) {
      return false;
    }
  }
}

IoResult Channel::receive() {
  if (!is_open()) {
    return IoResult::kClosed;
  }
  if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input_end_ - input_begin_);
    input_end_ -= input_begin_;
    input_begin_ = 0;
  }
  if (input_end_ == input_.size()) {
    return IoResult::kDone;  // next() has a whole frame to take first
  }
  return receive_some(fd_.get(), std::span(input_).subspan(input_end_), input_end_);
}

std::optional<Frame> Channel::next() {
  const Bytes arrived(input_.data() + input_begin_, input_end_ - input_begin_);
  if (arrived.size() < kHeaderBytes) {
    return std::nullopt;
  }
  WireReader reader(arrived);
  const size_t length = reader.u32();
  const uint16_t type = reader.u16();
  const bool reserved_is_zero = reader.u16() == 0;
  if (length > kMaxPayloadBytes || !reserved_is_zero) {
    throw Error(BANYAN_ERR_FORMAT, "rank " + std::to_string(peer_) +
                                       " sent a frame header that no rank sends (length " + std::to_string(length) +
                                       ", limit " + std::to_string(kMaxPayloadBytes) + ")");
  }
  const size_t whole = kHeaderBytes + length + kMacBytes;
  if (arrived.size() < whole) {
    if (input_.size() - input_begin_ < whole) {
      input_.resize(input_begin_ + whole);
    }
    return std::nullopt;
  }
  const Bytes payload = arrived.subspan(kHeaderBytes, length);
  const Mac expected = mac(incoming_, arrived.first(kHeaderBytes), payload);
  if (!equal_in_constant_time(expected, arrived.subspan(kHeaderBytes + length, kMacBytes))) {
    throw Error(BANYAN_ERR_AUTH, "a message from rank " + std::to_string(peer_) +
                                     " fails its authentication: it was changed, repeated or dropped on the way");
  }
  input_begin_ += whole;
  return Frame{.type = type, .payload = payload};
}

}  // namespace banyan::bootstrap
