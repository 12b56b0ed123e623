// SPDX-License-Identifier: Apache-2.0
#include "simulator/execution.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "base/error.hpp"
#include "schedule/staging.hpp"

namespace banyan::simulator {
namespace {

using executor::CompileOptions;
using executor::DirectPair;
using executor::DirectTransfer;
using schedule::Block;
using schedule::Message;
using schedule::Path;

class Cutter {
 public:
  explicit Cutter(const Execution& execution) : execution_(execution) {
    const auto ranks = static_cast<size_t>(execution.schedule.num_ranks);
    const bool fits = execution.options.size() == ranks && execution.sizes.num_ranks == execution.schedule.num_ranks &&
                      execution.message_bytes.size() == execution.schedule.messages.size();
    if (!fits || execution.exchanges < 1) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "an execution of " + std::to_string(ranks) +
                      " ranks needs options for each, bytes for each message, sizes for all blocks and an exchange");
    }
    parts_.ranks.resize(ranks);
    parts_.messages.resize(execution.schedule.messages.size());
    sends_.resize(ranks);
    pairs_.resize(ranks);
  }

  ExecutionParts cut() {
    for (size_t index = 0; index < parts_.messages.size(); ++index) {
      const Message& message = execution_.schedule.messages[index];
      if (execution_.message_bytes[index] == 0) {
        continue;
      }
      is_direct(message) ? add_direct(index) : add_aggregated(index);
    }
    for (int rank = 0; rank < execution_.schedule.num_ranks; ++rank) {
      lay_out_direct(rank);
      part(rank).own_bytes = execution_.sizes.of({rank, rank});
    }
    expect();
    link();
    return std::move(parts_);
  }

 private:
  [[nodiscard]] const CompileOptions& options(int rank) const { return execution_.options[static_cast<size_t>(rank)]; }
  [[nodiscard]] ExecutionParts::Rank& part(int rank) { return parts_.ranks[static_cast<size_t>(rank)]; }
  [[nodiscard]] int phase(int from, int to) const { return options(from).send_phase[static_cast<size_t>(to)]; }
  [[nodiscard]] int place(int from, int to) const { return options(from).send_place[static_cast<size_t>(to)]; }
  [[nodiscard]] int rail(int place) const {
    const auto& pattern = execution_.rail_pattern;
    return pattern.empty() ? 0 : pattern[static_cast<size_t>(place) % pattern.size()];
  }

  /// As the executor's programs have it: of an all-to-all-v all that does not describe itself.
  [[nodiscard]] bool is_direct(const Message& message) const {
    const schedule::StagingRule& rule = options(message.from).rule;
    return rule.uniform ? schedule::is_direct(message, rule) : !message.self_describing;
  }

  void add_direct(size_t index) {
    const Message& message = execution_.schedule.messages[index];
    pairs_[static_cast<size_t>(message.from)].push_back({.peer = message.to,
                                                         .phase = phase(message.from, message.to),
                                                         .place = place(message.from, message.to),
                                                         .bytes = execution_.message_bytes[index]});
  }

  void lay_out_direct(int rank) {
    auto& pairs = pairs_[static_cast<size_t>(rank)];
    const auto local = std::stable_partition(pairs.begin(), pairs.end(), [](auto& pair) { return pair.phase >= 0; });
    std::stable_sort(pairs.begin(), local, [](auto& a, auto& b) { return a.phase < b.phase; });
    const auto num_remote = static_cast<size_t>(local - pairs.begin());
    std::vector<DirectTransfer> transfers;
    if (options(rank).rule.uniform) {
      for (size_t i = 0; i < num_remote; ++i) {
        executor::append_in_phases(transfers, pairs[i], options(rank));
      }
    } else {
      transfers.resize(order_.arrange(std::span(pairs).first(num_remote), options(rank)));
      std::for_each(transfers.begin(), transfers.end(), [&](auto& transfer) { order_.describe_next(transfer); });
    }
    for (const DirectTransfer& transfer : transfers) {
      part(rank).remote.push_back(add_direct_piece(rank, transfer));
      part(rank).bytes_to_send += transfer.bytes;
    }
    transfers.clear();
    for (size_t i = num_remote; i < pairs.size(); ++i) {
      executor::append_in_phases(transfers, pairs[i], options(rank));
    }
    for (const DirectTransfer& transfer : transfers) {
      part(rank).local.push_back(add_direct_piece(rank, transfer));
    }
  }

  uint32_t add_direct_piece(int rank, const DirectTransfer& transfer) {
    const bool local = !transfer.remote;
    ++part(transfer.peer).num_receives;
    return add_piece({.transfer = {.from = rank,
                                   .to = transfer.peer,
                                   .bytes = transfer.bytes,
                                   .packed = local ? 0 : transport_copies(transfer.bytes),
                                   .unpacked = local ? 0 : transport_copies(transfer.bytes),
                                   .rail = local ? 0 : rail(transfer.place),
                                   .by_receiver = local},
                      .order = transfer.order});
  }

  uint32_t add_piece(ExecutionParts::Piece piece) {
    const auto number = static_cast<uint32_t>(parts_.pieces.size());
    piece.transfer.token = number;
    parts_.pieces.push_back(piece);
    return number;
  }

  /// What each rank expects directly, in the order of the sends, which is one order of all pieces.
  void expect() {
    std::vector<std::vector<uint32_t>> coming(parts_.ranks.size());
    for (const ExecutionParts::Rank& rank : parts_.ranks) {
      for (const uint32_t number : rank.remote) {
        coming[static_cast<size_t>(parts_.pieces[number].transfer.to)].push_back(number);
      }
    }
    for (size_t rank = 0; rank < coming.size(); ++rank) {
      std::stable_sort(coming[rank].begin(), coming[rank].end(),
                       [this](uint32_t a, uint32_t b) { return parts_.pieces[a].order < parts_.pieces[b].order; });
      for (const uint32_t number : coming[rank]) {
        ExecutionParts::Piece& piece = parts_.pieces[number];
        piece.at_receiver = static_cast<uint32_t>(parts_.ranks[rank].expected.size());
        parts_.ranks[rank].expected.push_back({piece.order, piece.transfer.bytes});
        parts_.ranks[rank].bytes_to_receive += piece.transfer.bytes;
      }
    }
  }

  /// A slot of mapped memory, or a message, in pieces where rails carry it. It is gathered in scratch memory first, and
  /// blocks that end at the receiver are copied out, unless it lands as one run of the receive buffer.
  void add_aggregated(size_t index) {
    const Message& message = execution_.schedule.messages[index];
    const CompileOptions& options = this->options(message.from);
    const size_t bytes = execution_.message_bytes[index];
    const bool mapped = schedule::uses_slot(message, options.rule) && bytes <= options.rule.ring_capacity;
    const bool local = phase(message.from, message.to) < 0;
    const bool in_place = schedule::lands_in_place(message, options.rule);
    uint64_t payload = 0;
    uint64_t ends = 0;
    for (const Block& block : message.blocks) {
      payload += execution_.sizes.of(block);
      ends += block.dst == message.to && !in_place ? execution_.sizes.of(block) : 0;
    }
    const size_t most = local || mapped ? 1 : std::max<size_t>(1, options.max_pieces);
    const executor::Cut cut = executor::cut_message(bytes, bytes - payload, most, options.least_piece_bytes);
    const int first = place(message.from, message.to) + number_in_pair(message) * options.place_step;
    for (size_t k = 0; k < cut.count; ++k) {
      const uint64_t copied = local ? 0 : transport_copies(cut.bytes(k));
      parts_.messages[index].pieces.push_back(
          add_piece({.transfer = {.from = message.from,
                                  .to = message.to,
                                  .path = mapped ? Path::kMapped : Path::kMessage,
                                  .step = message.step,
                                  .bytes = cut.bytes(k),
                                  .packed = mapped ? 0 : share(payload, k, cut.count) + copied,
                                  .unpacked = share(ends, k, cut.count) + copied,
                                  .rail = local ? 0 : rail(first + static_cast<int>(k)),
                                  .by_receiver = local && !mapped},
                     .message = static_cast<int>(index)}));
    }
    part(message.to).num_receives += cut.count;
    ++part(message.from).num_messages;
    sends_[static_cast<size_t>(message.from)].push_back(static_cast<uint32_t>(index));
  }

  [[nodiscard]] uint64_t transport_copies(uint64_t bytes) const {
    return bytes * static_cast<uint64_t>(execution_.transport_copies);
  }

  /// What is copied for a message is copied before its first piece, and after its last; here piece by piece.
  static uint64_t share(uint64_t bytes, size_t piece, size_t count) {
    return bytes * (piece + 1) / count - bytes * piece / count;
  }

  int number_in_pair(const Message& message) { return numbers_[{message.from, message.to}]++; }

  /// Which aggregated messages wait for which.
  void link() {
    std::map<std::pair<Block, int>, uint32_t> brought;
    for (size_t index = 0; index < parts_.messages.size(); ++index) {
      for (const Block& block : execution_.schedule.messages[index].blocks) {
        if (!parts_.messages[index].pieces.empty()) {
          brought[{block, execution_.schedule.messages[index].to}] = static_cast<uint32_t>(index);
        }
      }
    }
    for (int rank = 0; rank < execution_.schedule.num_ranks; ++rank) {
      for (const uint32_t index : sends_[static_cast<size_t>(rank)]) {
        link(rank, index, brought);
      }
    }
  }

  void link(int rank, uint32_t index, const std::map<std::pair<Block, int>, uint32_t>& brought) {
    std::vector<uint32_t> feeders;
    for (const Block& block : execution_.schedule.messages[index].blocks) {
      if (block.src != rank) {
        const auto found = brought.find({block, rank});
        if (found == brought.end() && execution_.sizes.of(block) == 0) {
          continue;  // it came in a message without bytes
        }
        feeders.push_back(found == brought.end() ? index : found->second);  // what waits for itself is never sent
      }
    }
    std::sort(feeders.begin(), feeders.end());
    feeders.erase(std::unique(feeders.begin(), feeders.end()), feeders.end());
    for (const uint32_t feeder : feeders) {
      parts_.messages[feeder].feeds.push_back(index);
    }
    parts_.messages[index].missing = static_cast<int>(feeders.size());
    if (feeders.empty()) {
      part(rank).startable.push_back(index);
    }
  }

  const Execution& execution_;
  ExecutionParts parts_;
  std::vector<std::vector<uint32_t>> sends_;    ///< by rank: aggregated, in order
  std::vector<std::vector<DirectPair>> pairs_;  ///< by rank
  std::map<std::pair<int, int>, int> numbers_;  ///< aggregated messages of a pair so far
  executor::ShareOrder order_;
};

}  // namespace

ExecutionParts cut_execution(const Execution& execution) { return Cutter(execution).cut(); }

}  // namespace banyan::simulator
