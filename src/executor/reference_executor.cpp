// SPDX-License-Identifier: Apache-2.0
#include "executor/reference_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <utility>

#include "base/error.hpp"

namespace banyan::executor {
namespace {

using schedule::Block;
using schedule::Message;
using schedule::Path;
using Bytes = std::vector<std::byte>;

size_t index(int rank) { return static_cast<size_t>(rank); }

std::string text_of(const Block& block) { return fmt::format("block {}->{}", block.src, block.dst); }

struct RankState {
  std::map<Block, Bytes> holds;  ///< its own blocks until they leave, and blocks on their way through
  std::vector<bool> received;    ///< by source
  std::vector<size_t> pending;   ///< sends not issued yet, in order
  int in_flight = 0;             ///< kMessage sends
  uint64_t scratch_bytes = 0;
};

struct InFlight {
  size_t message = 0;
  Bytes payload;
};

class Run {
 public:
  Run(const schedule::Schedule& schedule, std::span<const Exchange> ranks, uint64_t seed)
      : schedule_(schedule), ranks_(ranks), random_(seed), states_(ranks.size()) {}

  ReferenceRun run() {
    check_arguments();
    for (int rank = 0; rank < schedule_.num_ranks; ++rank) {
      begin(rank);
    }
    for (size_t k = 0; k < schedule_.messages.size(); ++k) {
      states_[index(schedule_.messages[k].from)].pending.push_back(k);
    }
    while (act()) {
    }
    check_all_arrived();
    return std::move(result_);
  }

 private:
  [[noreturn]] static void fail(banyan_status status, const std::string& text) {
    throw Error(status, "reference executor: " + text);
  }

  [[nodiscard]] const Message& message(size_t k) const { return schedule_.messages[k]; }
  [[nodiscard]] bool in_range(int rank) const { return rank >= 0 && rank < schedule_.num_ranks; }
  [[nodiscard]] size_t draw(size_t count) { return static_cast<size_t>(random_() % count); }

  void check_arguments() const {
    if (schedule_.num_ranks < 0 || ranks_.size() != index(schedule_.num_ranks)) {
      fail(BANYAN_ERR_INVALID_ARGUMENT,
           fmt::format("buffers of {} ranks for a schedule of {}", ranks_.size(), schedule_.num_ranks));
    }
    for (size_t rank = 0; rank < ranks_.size(); ++rank) {
      const Exchange& exchange = ranks_[rank];
      for (const auto& counts :
           {exchange.send_bytes, exchange.send_offsets, exchange.recv_bytes, exchange.recv_offsets}) {
        if (!exchange.uniform && counts.size() != ranks_.size()) {
          fail(BANYAN_ERR_INVALID_ARGUMENT,
               fmt::format("rank {} has {} counts or offsets for {} ranks", rank, counts.size(), ranks_.size()));
        }
      }
    }
    for (size_t k = 0; k < schedule_.messages.size(); ++k) {
      const Message& m = message(k);
      const bool blocks_in_range = std::all_of(m.blocks.begin(), m.blocks.end(), [&](const Block& block) {
        return in_range(block.src) && in_range(block.dst) && block.src != block.dst;
      });
      if (!in_range(m.from) || !in_range(m.to) || m.from == m.to || !blocks_in_range) {
        fail(BANYAN_ERR_INTERNAL, fmt::format("message {} has ranks out of range, or equal ones", k));
      }
    }
  }

  void begin(int rank) {
    const Exchange& exchange = ranks_[index(rank)];
    RankState& state = states_[index(rank)];
    state.received.assign(ranks_.size(), false);
    for (int peer = 0; peer < schedule_.num_ranks; ++peer) {
      const std::byte* data = exchange.send_block(peer);
      Bytes block(data, data + exchange.send_size(peer));
      if (peer == rank) {
        deliver({rank, rank}, block);
      } else {
        state.holds.emplace(Block{rank, peer}, std::move(block));
      }
    }
  }

  /// One random thing that may happen next; false if nothing can.
  bool act() {
    const bool prefer_arrival = draw(2) == 0;
    if (prefer_arrival && !in_flight_.empty()) {
      arrive(draw(in_flight_.size()));
      return true;
    }
    const size_t first = ranks_.empty() ? 0 : draw(ranks_.size());
    for (size_t k = 0; k < ranks_.size(); ++k) {
      if (issue_first_ready(states_[(first + k) % ranks_.size()])) {
        return true;
      }
    }
    if (in_flight_.empty()) {
      return false;
    }
    arrive(draw(in_flight_.size()));
    return true;
  }

  /// Issues the rank's first send that is ready; one that is not does not hold back later ones.
  bool issue_first_ready(RankState& state) {
    for (auto next = state.pending.begin(); next != state.pending.end(); ++next) {
      const Message& m = message(*next);
      const bool window_is_open =
          m.path == Path::kMapped || schedule_.window == 0 || state.in_flight < schedule_.window;
      const bool has_blocks = std::all_of(m.blocks.begin(), m.blocks.end(),
                                          [&](const Block& block) { return state.holds.contains(block); });
      if (window_is_open && has_blocks) {
        in_flight_.push_back({*next, pack(m, state)});
        if (m.path == Path::kMessage) {
          ++state.in_flight;
          result_.max_in_flight = std::max(result_.max_in_flight, state.in_flight);
        }
        state.pending.erase(next);
        return true;
      }
    }
    return false;
  }

  static Bytes pack(const Message& m, RankState& state) {
    Bytes header;
    Bytes data;
    for (const Block& block : m.blocks) {
      const auto held = state.holds.find(block);
      if (held == state.holds.end()) {
        fail(BANYAN_ERR_INTERNAL, text_of(block) + " is twice in one message");
      }
      const uint64_t size = held->second.size();
      const auto* size_bytes = reinterpret_cast<const std::byte*>(&size);
      header.insert(header.end(), size_bytes, size_bytes + sizeof(size));
      data.insert(data.end(), held->second.begin(), held->second.end());
      state.holds.erase(held);
    }
    if (m.self_describing) {
      data.insert(data.begin(), header.begin(), header.end());
    }
    return data;
  }

  void arrive(size_t position) {
    const InFlight arrived = std::move(in_flight_[position]);
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(position));
    const Message& m = message(arrived.message);
    const std::vector<size_t> sizes = sizes_of(arrived);
    RankState& sender = states_[index(m.from)];
    size_t offset = m.self_describing ? m.blocks.size() * sizeof(uint64_t) : 0;
    for (size_t k = 0; k < m.blocks.size(); ++k) {
      const Block& block = m.blocks[k];
      if (offset + sizes[k] > arrived.payload.size()) {
        fail_length(arrived);
      }
      const std::byte* data = arrived.payload.data() + offset;
      store(block, m.to, Bytes(data, data + sizes[k]));
      sender.scratch_bytes -= block.src != m.from ? sizes[k] : 0;  // the send is complete, so its memory is free
      offset += sizes[k];
    }
    if (offset != arrived.payload.size()) {
      fail_length(arrived);
    }
    sender.in_flight -= m.path == Path::kMessage ? 1 : 0;
    result_.order.push_back(arrived.message);
  }

  /// What the receiver takes to be the sizes of the message's blocks.
  [[nodiscard]] std::vector<size_t> sizes_of(const InFlight& arrived) const {
    const Message& m = message(arrived.message);
    const Exchange& receiver = ranks_[index(m.to)];
    std::vector<size_t> sizes;
    for (size_t k = 0; k < m.blocks.size(); ++k) {
      const Block& block = m.blocks[k];
      if (m.self_describing) {
        uint64_t size = 0;
        std::memcpy(&size, arrived.payload.data() + k * sizeof(size), sizeof(size));
        sizes.push_back(size);
      } else if (receiver.uniform || block.dst == m.to) {
        sizes.push_back(receiver.recv_size(block.src));
      } else {
        fail(BANYAN_ERR_INTERNAL, fmt::format("rank {} cannot know the size of {} in message {}, which has no header",
                                              m.to, text_of(block), arrived.message));
      }
    }
    return sizes;
  }

  [[noreturn]] void fail_length(const InFlight& arrived) const {
    const Message& m = message(arrived.message);
    fail(BANYAN_ERR_MISMATCH,
         fmt::format("message {} of {} bytes from rank {} does not have the sizes that rank {} expects",
                     arrived.message, arrived.payload.size(), m.from, m.to));
  }

  void store(const Block& block, int rank, Bytes data) {
    if (block.dst == rank) {
      deliver(block, data);
      return;
    }
    RankState& state = states_[index(rank)];
    const uint64_t size = data.size();
    if (block.src == rank || !state.holds.emplace(block, std::move(data)).second) {
      fail(BANYAN_ERR_INTERNAL, fmt::format("rank {} receives {}, which it already has", rank, text_of(block)));
    }
    state.scratch_bytes += size;
    result_.peak_scratch_bytes = std::max(result_.peak_scratch_bytes, state.scratch_bytes);
  }

  void deliver(const Block& block, const Bytes& data) {
    const Exchange& exchange = ranks_[index(block.dst)];
    if (data.size() != exchange.recv_size(block.src)) {
      fail(BANYAN_ERR_MISMATCH, fmt::format("rank {} expects {} bytes from rank {}, which sends {}", block.dst,
                                            exchange.recv_size(block.src), block.src, data.size()));
    }
    auto received = states_[index(block.dst)].received.begin() + block.src;
    if (*received) {
      fail(BANYAN_ERR_INTERNAL, text_of(block) + " arrives twice");
    }
    *received = true;
    std::copy(data.begin(), data.end(), exchange.recv_block(block.src));
  }

  void check_all_arrived() const {
    for (const RankState& state : states_) {
      if (!state.pending.empty()) {
        const size_t stuck = state.pending.front();
        const auto& blocks = message(stuck).blocks;
        const auto missing = std::find_if(blocks.begin(), blocks.end(),
                                          [&](const Block& block) { return !state.holds.contains(block); });
        fail(BANYAN_ERR_INTERNAL, fmt::format("deadlock: message {} of rank {} waits for {}", stuck,
                                              message(stuck).from, text_of(*missing)));
      }
      for (const auto& [block, data] : state.holds) {
        if (!data.empty()) {
          fail(BANYAN_ERR_INTERNAL, text_of(block) + " never arrives");
        }
      }
    }
    for (int dst = 0; dst < schedule_.num_ranks; ++dst) {
      for (int src = 0; src < schedule_.num_ranks; ++src) {
        if (!states_[index(dst)].received[index(src)] && ranks_[index(dst)].recv_size(src) != 0) {
          fail(BANYAN_ERR_MISMATCH, fmt::format("rank {} expects {} bytes from rank {}, which sends none", dst,
                                                ranks_[index(dst)].recv_size(src), src));
        }
      }
    }
  }

  const schedule::Schedule& schedule_;
  std::span<const Exchange> ranks_;
  std::mt19937_64 random_;
  std::vector<RankState> states_;
  std::vector<InFlight> in_flight_;
  ReferenceRun result_;
};

}  // namespace

ReferenceRun execute_reference(const schedule::Schedule& schedule, std::span<const Exchange> ranks, uint64_t seed) {
  return Run(schedule, ranks, seed).run();
}

}  // namespace banyan::executor
