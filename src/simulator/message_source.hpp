// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "schedule/schedule.hpp"

namespace banyan::simulator {

/// Of messages that no timeline lists.
inline constexpr size_t kNoIndex = std::numeric_limits<size_t>::max();

/// A message as the simulation sees it.
struct Transfer {
  int from = 0;
  int to = 0;
  schedule::Path path = schedule::Path::kMessage;
  int step = 0;
  uint64_t bytes = 0;     ///< on the wire, header included
  uint64_t packed = 0;    ///< bytes that the sender copies before; not of mapped messages, which are written anyway
  uint64_t unpacked = 0;  ///< bytes that the receiver copies after
  size_t index = kNoIndex;
  uint64_t token = 0;        ///< the source's own
  int rail = 0;              ///< of Options::rail_shares, that it takes between hosts
  bool by_receiver = false;  ///< inside a host: its receiver's core fetches it, at the tier's flow rate
};

/// The messages of an exchange, asked for one by one, so that none need to be stored. It knows which sends are ready;
/// the simulation tells it what has arrived. One thread.
class MessageSource {
 public:
  MessageSource() = default;
  MessageSource(const MessageSource&) = delete;
  MessageSource& operator=(const MessageSource&) = delete;
  virtual ~MessageSource() = default;

  [[nodiscard]] virtual int num_ranks() const = 0;
  /// Sends with path kMessage that a rank keeps in flight; 0: no limit.
  [[nodiscard]] virtual int window() const = 0;
  /// Bytes of the block from the rank to itself.
  [[nodiscard]] virtual uint64_t own_bytes(int rank) const = 0;
  /// Takes the rank's first send, in order of step and position, whose blocks are all there; with `only_mapped`, the
  /// first such with path kMapped. False if there is none now. One from a rank to itself is a copy, no message.
  virtual bool next(int rank, bool only_mapped, Transfer& send) = 0;
  /// All blocks of the message are at its receiver.
  virtual void arrived(const Transfer& message) = 0;
  /// Whether every message has been taken.
  [[nodiscard]] virtual bool exhausted() const = 0;
};

}  // namespace banyan::simulator
