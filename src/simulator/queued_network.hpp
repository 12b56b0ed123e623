// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "simulator/wires.hpp"

namespace banyan::simulator {

/// How links that serve packets in order of arrival do it.
struct Queues {
  /// A message travels in packets of at most so many bytes. 60 KiB: what Linux hands to a device at once (GSO, 64 KiB
  /// less headers).
  uint64_t packet_bytes = uint64_t{60} << 10;
  /// A link is a token bucket that holds so many bytes, or what it carries in that time if that is more: what has not
  /// been used passes at once. 0: a plain wire. A lab's shapers are such (docs/lab.md). They begin empty.
  double burst_bytes = 0;
  double burst_s = 0;
};

/// Messages in packets that links serve first come, first served: what NICs and switches with plain queues do, where
/// Network is what many long flows under congestion control come to. A connection has at most two packets waiting at
/// its first link (Linux: TCP small queues), so a long message does not hold up others by more. Packets cut through:
/// their head is at the next link as soon as it leaves one. Queues have no end and lose nothing. O(log packets on their
/// way) a packet and link.
class QueuedNetwork : public Wires {
 public:
  /// Capacities by link, above 0.
  QueuedNetwork(const std::vector<double>& capacities_bytes_per_s, const Queues& queues);

  void begin(const Flow& flow, double now_s) override;
  void settle(double) override {}
  [[nodiscard]] bool idle() const noexcept override { return events_.empty(); }
  [[nodiscard]] double next_s() const noexcept override;
  int advance(double now_s) override;
  [[nodiscard]] double busy_s(int link) const override;
  [[nodiscard]] double bytes(int link) const override { return links_[static_cast<size_t>(link)].bytes; }

 private:
  struct Link {
    double capacity = 0;
    double burst_s = 0;
    double free_s = 0;  ///< when all that came is served at the link's rate, its bucket left out
    double bytes = 0;
  };
  struct Message {
    Flow flow;
    double unsent = 0;
    int on_their_way = 0;  ///< packets
  };
  struct Connection {
    std::deque<int> messages;  ///< not all sent, in order
    int at_first_link = 0;     ///< packets
    double free_s = 0;         ///< when a flow at its limit has sent all
  };
  struct Packet {
    int message = 0;
    size_t hop = 0;  ///< links behind it
    double bytes = 0;
    double tail_s = 0;  ///< when its last byte left what is behind it
  };
  struct Event {
    double at_s = 0;
    uint64_t order = 0;
    int packet = 0;
    bool leaves_first = false;  ///< the first link, else it comes to its next one, or to its end
  };

  [[nodiscard]] double burst_of(double bytes_per_s) const noexcept;
  void send(Connection& connection, double now_s);
  void arrive(int packet, double now_s);
  int end(int packet);
  void add(double at_s, int packet, bool leaves_first);
  [[nodiscard]] const Route& route(const Packet& packet) const {
    return messages_[static_cast<size_t>(packet.message)].flow.route;
  }
  void come_to_next(int packet, double head_s);

  Queues queues_;
  std::vector<Link> links_;
  std::unordered_map<uint64_t, Connection> connections_;
  std::vector<Message> messages_;
  std::vector<int> free_messages_;
  std::vector<Packet> packets_;
  std::vector<int> free_packets_;
  std::vector<Event> events_;  ///< heap
  uint64_t next_order_ = 0;
};

}  // namespace banyan::simulator
