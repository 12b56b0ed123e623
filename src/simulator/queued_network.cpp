// SPDX-License-Identifier: Apache-2.0
#include "simulator/queued_network.hpp"

#include <algorithm>
#include <limits>

namespace banyan::simulator {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Linux lets a TCP socket have two packets in a device's queue, or what it sends in about 1 ms if that is more
/// (Documentation/networking/ip-sysctl, tcp_limit_output_bytes).
constexpr int kMostAtFirstLink = 2;

/// A place in `items`, one that was given back if there is one.
template <typename Item>
int take_place(std::vector<Item>& items, std::vector<int>& free) {
  if (free.empty()) {
    items.emplace_back();
    return static_cast<int>(items.size()) - 1;
  }
  const int place = free.back();
  free.pop_back();
  return place;
}

}  // namespace

QueuedNetwork::QueuedNetwork(const std::vector<double>& capacities_bytes_per_s, const Queues& queues)
    : queues_(queues) {
  for (const double capacity : capacities_bytes_per_s) {
    const double burst_s = burst_of(capacity);
    links_.push_back({.capacity = capacity, .burst_s = burst_s, .free_s = 0});
  }
}

double QueuedNetwork::burst_of(double bytes_per_s) const noexcept {
  return std::max(queues_.burst_bytes / bytes_per_s, queues_.burst_s);
}

double QueuedNetwork::next_s() const noexcept { return events_.empty() ? kInfinity : events_.front().at_s; }

double QueuedNetwork::busy_s(int link) const {
  const Link& it = links_[static_cast<size_t>(link)];
  return it.bytes / it.capacity;
}

void QueuedNetwork::add(double at_s, int packet, bool leaves_first) {
  events_.push_back({at_s, next_order_++, packet, leaves_first});
  std::push_heap(events_.begin(), events_.end(),
                 [](const Event& a, const Event& b) { return a.at_s != b.at_s ? a.at_s > b.at_s : a.order > b.order; });
}

void QueuedNetwork::begin(const Flow& flow, double now_s) {
  const int number = take_place(messages_, free_messages_);
  messages_[static_cast<size_t>(number)] = {.flow = flow, .unsent = flow.bytes, .on_their_way = 0};
  for (const int link : flow.route.links()) {
    links_[static_cast<size_t>(link)].bytes += flow.bytes;
  }
  Connection& connection = connections_[flow.connection];
  connection.messages.push_back(number);
  send(connection, now_s);
}

/// As many packets as may wait at the first link; where no link is limited all packets.
void QueuedNetwork::send(Connection& connection, double now_s) {
  while (!connection.messages.empty() && connection.at_first_link < kMostAtFirstLink) {
    const int number = connection.messages.front();
    Message& message = messages_[static_cast<size_t>(number)];
    const double bytes = std::min(message.unsent, static_cast<double>(queues_.packet_bytes));
    message.unsent -= bytes;
    ++message.on_their_way;
    if (message.unsent <= 0) {
      connection.messages.pop_front();
    }
    // What one flow reaches was measured over such links too, so it has their bucket.
    const double limit = message.flow.limit_bytes_per_s;
    if (limit > 0) {
      connection.free_s = std::max(connection.free_s, now_s - burst_of(limit)) + bytes / limit;
    }
    const double tail_s = std::max(now_s, connection.free_s);
    const double head_s = limit > 0 ? std::max(now_s, tail_s - bytes / limit) : now_s;
    connection.at_first_link += message.flow.route.links().empty() ? 0 : 1;
    const int packet = take_place(packets_, free_packets_);
    packets_[static_cast<size_t>(packet)] = {.message = number, .hop = 0, .bytes = bytes, .tail_s = tail_s};
    come_to_next(packet, head_s);
  }
}

/// A link that is faster than what is behind it has no use for a packet's head before its tail can follow.
void QueuedNetwork::come_to_next(int number, double head_s) {
  const Packet& packet = packets_[static_cast<size_t>(number)];
  const auto links = route(packet).links();
  if (packet.hop == links.size()) {
    add(packet.tail_s, number, false);
    return;
  }
  const double capacity = links_[static_cast<size_t>(links[packet.hop])].capacity;
  add(std::max(head_s, packet.tail_s - packet.bytes / capacity), number, false);
}

void QueuedNetwork::arrive(int number, double now_s) {
  Packet& packet = packets_[static_cast<size_t>(number)];
  Link& link = links_[static_cast<size_t>(route(packet).links()[packet.hop])];
  link.free_s = std::max(link.free_s, now_s - link.burst_s) + packet.bytes / link.capacity;
  packet.tail_s = std::max(packet.tail_s, link.free_s);
  const double head_s = std::max(now_s, packet.tail_s - packet.bytes / link.capacity);
  if (packet.hop++ == 0) {
    add(packet.tail_s, number, true);
  }
  come_to_next(number, head_s);
}

int QueuedNetwork::end(int number) {
  const int index = packets_[static_cast<size_t>(number)].message;
  Message& message = messages_[static_cast<size_t>(index)];
  free_packets_.push_back(number);
  if (--message.on_their_way > 0 || message.unsent > 0) {
    return kNothing;
  }
  free_messages_.push_back(index);
  return message.flow.label;
}

int QueuedNetwork::advance(double now_s) {
  std::pop_heap(events_.begin(), events_.end(),
                [](const Event& a, const Event& b) { return a.at_s != b.at_s ? a.at_s > b.at_s : a.order > b.order; });
  const Event event = events_.back();
  events_.pop_back();
  const Packet& packet = packets_[static_cast<size_t>(event.packet)];
  if (event.leaves_first) {
    Connection& connection = connections_[messages_[static_cast<size_t>(packet.message)].flow.connection];
    --connection.at_first_link;
    send(connection, now_s);
    return kNothing;
  }
  if (packet.hop < route(packet).links().size()) {
    arrive(event.packet, now_s);
    return kNothing;
  }
  return end(event.packet);
}

}  // namespace banyan::simulator
