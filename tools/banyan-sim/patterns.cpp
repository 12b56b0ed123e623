// SPDX-License-Identifier: Apache-2.0
// The messages of each algorithm as functions of rank and position; src/planner/algorithms has their definitions.
#include <algorithm>
#include <string>

#include "banyan-sim/uniform_source.hpp"
#include "base/error.hpp"
#include "planner/algorithms/bruck.hpp"
#include "planner/algorithms/hierarchical.hpp"
#include "planner/algorithms/message.hpp"

namespace banyan::sim_tool {

using planner::Hosts;
using simulator::Transfer;

bool Pattern::neighbour(int rank, uint32_t position, int* peer) const {
  const auto& ranks = hosts_.ranks(hosts_.host_of(rank));
  if (position + 1 >= ranks.size()) {
    return false;
  }
  *peer = ranks[(static_cast<size_t>(hosts_.local_index(rank)) + position + 1) % ranks.size()];
  return true;
}

Transfer Pattern::message(int from, int to, int step, uint64_t bytes) const {
  return {.from = from, .to = to, .path = planner::path_between(hosts_, from, to, true), .step = step, .bytes = bytes};
}

namespace {

uint32_t neighbours(const Hosts& hosts, int rank) { return static_cast<uint32_t>(hosts.size(hosts.host_of(rank)) - 1); }

int largest_host(const Hosts& hosts) {
  int largest = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    largest = std::max(largest, hosts.size(host));
  }
  return largest;
}

/// Whether the ranks of a host follow each other, so that their blocks are one run of a receive buffer.
bool consecutive(const Hosts& hosts, int host) {
  const auto& ranks = hosts.ranks(host);
  return ranks.back() - ranks.front() + 1 == static_cast<int>(ranks.size());
}

class DirectPattern : public Pattern {
 public:
  DirectPattern(const Hosts& hosts, uint64_t block_bytes)
      : Pattern(hosts, block_bytes), width_(static_cast<uint32_t>(largest_host(hosts))) {}

  [[nodiscard]] int num_streams() const override { return 2; }
  bool next(int rank, int stream, uint32_t& position, Transfer& send) const override {
    return stream == 0 ? next_remote(rank, position, send) : next_local(rank, position, send);
  }
  [[nodiscard]] uint32_t expected(int rank, int stream) const override {
    const auto all = static_cast<uint32_t>(hosts_.num_ranks() - 1);
    return stream == 0 ? all : neighbours(hosts_, rank);
  }
  [[nodiscard]] bool waits_for(int, int) const override { return false; }

 private:
  bool next_remote(int rank, uint32_t& position, Transfer& send) const {
    for (; position < width_ * static_cast<uint32_t>(hosts_.count() - 1); ++position) {
      const auto& peers = hosts_.ranks(hosts_.next(hosts_.host_of(rank), static_cast<int>(1 + position / width_)));
      const uint32_t index = (static_cast<uint32_t>(hosts_.local_index(rank)) + position % width_) % width_;
      if (index < peers.size()) {
        send = message(rank, peers[index], 0, block_bytes_);
        ++position;
        return true;
      }
    }
    return false;
  }
  bool next_local(int rank, uint32_t& position, Transfer& send) const {
    int peer = 0;
    if (!neighbour(rank, position, &peer)) {
      return false;
    }
    ++position;
    send = message(rank, peer, 0, block_bytes_);
    send.unpacked = send.path == schedule::Path::kMapped ? block_bytes_ : 0;
    return true;
  }

  uint32_t width_;  ///< phases per distance of hosts
};

/// What both hierarchical algorithms begin with.
class HierarchicalPattern : public Pattern {
 public:
  HierarchicalPattern(const Hosts& hosts, uint64_t block_bytes, planner::hierarchical::Fan fan)
      : Pattern(hosts, block_bytes), fan_(fan), forwarded_(static_cast<size_t>(hosts.num_ranks())) {
    for (int host = 0; host < hosts.count(); ++host) {
      for (int distance = 1; distance < hosts.count(); ++distance) {
        for (const int destination : hosts.ranks(hosts.next(host, distance))) {
          ++forwarded_[static_cast<size_t>(forwarder(host, destination))];
        }
      }
    }
  }
  [[nodiscard]] bool waits_for(int stream, int earlier) const override { return earlier == stream - 1; }

 protected:
  [[nodiscard]] int forwarder(int host, int destination) const {
    return planner::hierarchical::forwarder(hosts_, fan_, host, destination);
  }
  bool next_gathered(int rank, uint32_t& position, Transfer& send) const {
    int peer = 0;
    if (!neighbour(rank, position, &peer)) {
      return false;
    }
    ++position;
    send = message(rank, peer, 0, block_bytes_ * (1 + forwarded_[static_cast<size_t>(peer)]));
    const bool mapped = send.path == schedule::Path::kMapped;
    send.packed = mapped || send.bytes == block_bytes_ ? 0 : send.bytes;
    send.unpacked = mapped || send.bytes > block_bytes_ ? block_bytes_ : 0;
    return true;
  }

  planner::hierarchical::Fan fan_;
  std::vector<uint32_t> forwarded_;  ///< by rank: remote ranks that it forwards to
};

class RailPattern : public HierarchicalPattern {
 public:
  RailPattern(const Hosts& hosts, uint64_t block_bytes)
      : HierarchicalPattern(hosts, block_bytes, planner::hierarchical::Fan::kRail),
        width_(static_cast<uint32_t>(largest_host(hosts))) {}

  [[nodiscard]] int num_streams() const override { return 2; }
  [[nodiscard]] uint32_t expected(int rank, int stream) const override {
    return stream == 0 ? neighbours(hosts_, rank) : static_cast<uint32_t>(hosts_.count() - 1);
  }
  bool next(int rank, int stream, uint32_t& position, Transfer& send) const override {
    return stream == 0 ? next_gathered(rank, position, send) : next_rail(rank, position, send);
  }

 private:
  bool next_rail(int rank, uint32_t& position, Transfer& send) const {
    const int host = hosts_.host_of(rank);
    const auto size = static_cast<uint32_t>(hosts_.size(host));
    const auto own = static_cast<uint32_t>(hosts_.local_index(rank));
    while (position < width_ * static_cast<uint32_t>(hosts_.count() - 1)) {
      const int to = hosts_.next(host, static_cast<int>(1 + position / width_));
      const uint32_t place = position % width_;
      // The next that hierarchical::forwarder() gives to this rank.
      const uint32_t start = size == static_cast<uint32_t>(hosts_.size(to)) ? 0 : static_cast<uint32_t>(to) % size;
      const uint32_t next_own = place + (own + 2 * size - start - place % size) % size;
      if (next_own >= static_cast<uint32_t>(hosts_.size(to))) {
        position += width_ - place;
        continue;
      }
      position += next_own - place + 1;
      send = message(rank, hosts_.ranks(to)[next_own], 1, block_bytes_ * size);
      send.packed = size > 1 ? send.bytes : 0;
      send.unpacked = consecutive(hosts_, host) ? 0 : send.bytes;
      return true;
    }
    return false;
  }

  uint32_t width_;
};

class NodePattern : public HierarchicalPattern {
 public:
  NodePattern(const Hosts& hosts, uint64_t block_bytes)
      : HierarchicalPattern(hosts, block_bytes, planner::hierarchical::Fan::kNode),
        handed_out_(static_cast<size_t>(hosts.num_ranks())) {
    for (int host = 0; host < hosts.count(); ++host) {
      for (int other = 0; other < hosts.count(); ++other) {
        if (other != host) {
          handed_out_[static_cast<size_t>(leader(host, other))] += static_cast<uint64_t>(hosts.size(other));
        }
      }
    }
  }

  [[nodiscard]] int num_streams() const override { return 3; }
  [[nodiscard]] uint32_t expected(int rank, int stream) const override {
    const int size = hosts_.size(hosts_.host_of(rank));
    const int place = hosts_.local_index(rank);
    if (stream == 1) {
      return static_cast<uint32_t>(std::max(0, (hosts_.count() - 1 - place + size - 1) / size));
    }
    const int leaders = stream == 0 ? size : std::min(size, hosts_.count() - 1);
    return static_cast<uint32_t>(leaders - (place < leaders ? 1 : 0));
  }
  bool next(int rank, int stream, uint32_t& position, Transfer& send) const override {
    return stream == 0   ? next_gathered(rank, position, send)
           : stream == 1 ? next_node(rank, position, send)
                         : next_handed_out(rank, position, send);
  }

 private:
  [[nodiscard]] int leader(int host, int other) const { return forwarder(host, hosts_.ranks(other).front()); }

  bool next_node(int rank, uint32_t& position, Transfer& send) const {
    const int host = hosts_.host_of(rank);
    const int distance = 1 + hosts_.local_index(rank) + static_cast<int>(position) * hosts_.size(host);
    if (distance >= hosts_.count()) {
      return false;
    }
    ++position;
    const int other = hosts_.next(host, distance);
    const auto from_ranks = static_cast<uint64_t>(hosts_.size(host));
    const auto to_ranks = static_cast<uint64_t>(hosts_.size(other));
    send = message(rank, leader(other, host), 1, block_bytes_ * from_ranks * to_ranks);
    send.packed = from_ranks * to_ranks > 1 ? send.bytes : 0;
    send.unpacked = to_ranks == 1 && consecutive(hosts_, host) ? 0 : block_bytes_ * from_ranks;
    return true;
  }
  bool next_handed_out(int rank, uint32_t& position, Transfer& send) const {
    int peer = 0;
    const uint64_t blocks = handed_out_[static_cast<size_t>(rank)];
    if (blocks == 0 || !neighbour(rank, position, &peer)) {
      return false;
    }
    ++position;
    send = message(rank, peer, 2, block_bytes_ * blocks);
    send.packed = send.path == schedule::Path::kMapped ? 0 : send.bytes;
    send.unpacked = send.bytes;
    return true;
  }

  std::vector<uint64_t> handed_out_;  ///< by leader: ranks of the hosts that it receives from
};

/// Hosts of m ranks each. Stream 0 and all even ones are inside hosts, odd ones between them.
class BruckPattern : public Pattern {
 public:
  BruckPattern(const Hosts& hosts, uint64_t block_bytes, int radix)
      : Pattern(hosts, block_bytes),
        digits_(hosts.count(), radix),
        size_(hosts.size(0)),
        local_blocks_(static_cast<size_t>(digits_.num_rounds() + 1) * at(size_) * at(size_)),
        final_blocks_(static_cast<size_t>(digits_.num_rounds() + 1) * at(size_)) {
    for (int host = 0; host < hosts.count(); ++host) {
      if (hosts.size(host) != size_) {
        throw Error(BANYAN_ERR_NOT_SUPPORTED,
                    "bruck is simulated without a schedule on hosts of equal numbers of ranks only");
      }
    }
    count_blocks();
  }

  [[nodiscard]] int num_streams() const override { return 2 * digits_.num_rounds() + 1; }
  [[nodiscard]] uint32_t expected(int rank, int stream) const override {
    uint32_t count = 0;
    const int place = hosts_.local_index(rank);
    if (stream % 2 == 1) {
      const int round = stream / 2;
      for (int digit = 1; digit < digits_.radix() && digits_.used(round, digit); ++digit) {
        count += carrier(round, digit) == place ? 1 : 0;
      }
      return count;
    }
    for (int from = 0; from < size_; ++from) {
      count += from != place && local_blocks(stream / 2, from, place) > 0 ? 1 : 0;
    }
    return count;
  }
  /// What is handed on has come in the round at hand. What is carried has come before the first round, or in the one in
  /// which it was carried last, straight to its carrier or from another rank.
  [[nodiscard]] bool waits_for(int stream, int earlier) const override {
    if (stream % 2 == 0) {
      return earlier == stream - 1;
    }
    const int round = stream / 2;
    const int last = (earlier + 1) / 2 - 1;
    for (int distance = 1; distance < digits_.num_hosts(); ++distance) {
      const bool carried = last < 0 || digits_.digit(distance, last) != 0;
      if (carried && digits_.next_round(distance, last + 1) == round) {
        return true;
      }
    }
    return false;
  }
  bool next(int rank, int stream, uint32_t& position, Transfer& send) const override {
    return stream % 2 == 1 ? next_hop(rank, stream, position, send) : next_local(rank, stream, position, send);
  }

 private:
  static size_t at(int index) { return static_cast<size_t>(index); }
  /// Blocks from one place to another inside a host, after `half - 1` rounds.
  [[nodiscard]] uint64_t local_blocks(int half, int from, int to) const {
    return local_blocks_[(at(half) * at(size_) + at(from)) * at(size_) + at(to)];
  }
  [[nodiscard]] int carrier(int round, int digit) const { return (round * (digits_.radix() - 1) + digit - 1) % size_; }
  void count_blocks() {
    const auto ranks = static_cast<uint64_t>(size_);
    const auto add = [this](int half, int from, int to, uint64_t blocks) {
      local_blocks_[(at(half) * at(size_) + at(from)) * at(size_) + at(to)] += blocks;
    };
    for (int from = 0; from < size_; ++from) {
      final_blocks_[at(from)] = 1;
      for (int to = 0; to < size_; ++to) {
        add(0, from, to, 1);
      }
    }
    for (int distance = 1; distance < digits_.num_hosts(); ++distance) {
      const int first = digits_.next_round(distance, 0);
      for (int from = 0; from < size_; ++from) {
        add(0, from, carrier(first, digits_.digit(distance, first)), ranks);
      }
      for (int round = first; round < digits_.num_rounds(); round = digits_.next_round(distance, round + 1)) {
        const int from = carrier(round, digits_.digit(distance, round));
        const int then = digits_.next_round(distance, round + 1);
        if (then == digits_.num_rounds()) {
          final_blocks_[at(round + 1) * at(size_) + at(from)] += ranks;
        }
        for (int to = 0; to < size_ && then == digits_.num_rounds(); ++to) {
          add(round + 1, from, to, ranks);
        }
        if (then < digits_.num_rounds()) {
          add(round + 1, from, carrier(then, digits_.digit(distance, then)), ranks * ranks);
        }
      }
    }
  }
  bool next_hop(int rank, int stream, uint32_t& position, Transfer& send) const {
    const int round = stream / 2;
    const int host = hosts_.host_of(rank);
    for (int digit = static_cast<int>(++position); digit < digits_.radix() && digits_.used(round, digit);
         digit = static_cast<int>(++position)) {
      if (carrier(round, digit) != hosts_.local_index(rank)) {
        continue;
      }
      const int other = hosts_.next(host, digit * digits_.power(round));
      const auto pairs = static_cast<uint64_t>(digits_.num_pairs(round, digit));
      const auto ranks = static_cast<uint64_t>(size_);
      send =
          message(rank, hosts_.ranks(other)[at(carrier(round, digit))], stream, block_bytes_ * pairs * ranks * ranks);
      send.packed = pairs * ranks > 1 ? send.bytes : 0;  // one block is its sender's own, and the receiver's
      send.unpacked = pairs * ranks > 1 ? final_bytes(round, digit) : 0;
      return true;
    }
    return false;
  }
  /// Of a message between hosts, the bytes that end at its receiver.
  [[nodiscard]] uint64_t final_bytes(int round, int digit) const {
    uint64_t pairs = 0;
    for (int distance = 1; distance < digits_.num_hosts(); ++distance) {
      pairs +=
          digits_.digit(distance, round) == digit && digits_.next_round(distance, round + 1) == digits_.num_rounds()
              ? 1
              : 0;
    }
    return block_bytes_ * pairs * static_cast<uint64_t>(size_);
  }
  bool next_local(int rank, int stream, uint32_t& position, Transfer& send) const {
    int peer = 0;
    for (; neighbour(rank, position, &peer); ++position) {
      const uint64_t blocks = local_blocks(stream / 2, hosts_.local_index(rank), hosts_.local_index(peer));
      if (blocks > 0) {
        ++position;
        send = message(rank, peer, stream, block_bytes_ * blocks);
        const bool mapped = send.path == schedule::Path::kMapped;
        send.packed = mapped || (stream == 0 && blocks == 1) ? 0 : send.bytes;
        send.unpacked = block_bytes_ * final_blocks_[at(stream / 2) * at(size_) + at(hosts_.local_index(rank))];
        return true;
      }
    }
    return false;
  }

  planner::bruck::Digits digits_;
  int size_;
  std::vector<uint64_t> local_blocks_;  ///< [rounds + 1, from, to]
  std::vector<uint64_t> final_blocks_;  ///< [rounds + 1, from]: of them, those that end at each receiver
};

}  // namespace

std::unique_ptr<Pattern> make_pattern(const Hosts& hosts, planner::Algorithm algorithm, uint64_t block_bytes) {
  switch (algorithm.kind) {
    case planner::Algorithm::kDirect:
      return std::make_unique<DirectPattern>(hosts, block_bytes);
    case planner::Algorithm::kHierarchicalRail:
      return std::make_unique<RailPattern>(hosts, block_bytes);
    case planner::Algorithm::kHierarchicalNode:
      return std::make_unique<NodePattern>(hosts, block_bytes);
    case planner::Algorithm::kHierarchicalRack:
      break;
    case planner::Algorithm::kBruck:
      return std::make_unique<BruckPattern>(hosts, block_bytes, algorithm.radix);
  }
  throw Error(BANYAN_ERR_NOT_SUPPORTED, "no messages are known of " + planner::algorithm_name(algorithm));
}

}  // namespace banyan::sim_tool
