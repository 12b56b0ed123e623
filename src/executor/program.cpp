// SPDX-License-Identifier: Apache-2.0
#include "executor/program.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"

namespace banyan::executor {

static_assert(schedule::kMappedSlots <= transport::kRingSlots, "the verifier's proof takes it that there are as many");
static_assert(schedule::kStagingAlignment == transport::kCacheLine);

namespace {

/// Numbers the next aggregated message of a pair.
int next_number(std::vector<int>& numbers, const schedule::Message& message, int peer) {
  int& next = numbers[static_cast<size_t>(peer)];
  if (next == static_cast<int>(schedule::kMaxMessagesPerPair)) {
    throw Error(BANYAN_ERR_LIMIT, "the schedule has more than " + std::to_string(next) + " messages from rank " +
                                      std::to_string(message.from) + " to rank " + std::to_string(message.to));
  }
  return next++;
}

RemotePieces remote_of(const std::vector<DirectTransfer>& transfers) {
  RemotePieces remote;
  for (const DirectTransfer& transfer : transfers) {
    remote.count += transfer.remote ? 1 : 0;
    remote.bytes += transfer.remote ? transfer.bytes : 0;
  }
  return remote;
}

}  // namespace

size_t Program::most_pieces(int peer, bool mapped) const {
  const bool remote = options_.send_phase[static_cast<size_t>(peer)] >= 0;
  return remote && !mapped ? options_.max_pieces : 1;
}

DirectPair Program::pair_to(int peer, size_t bytes) const {
  const auto at = static_cast<size_t>(peer);
  return {.peer = peer, .phase = options_.send_phase[at], .place = options_.send_place[at], .bytes = bytes};
}

DirectPair Program::pair_from(int peer, size_t bytes) const {
  const auto at = static_cast<size_t>(peer);
  return {.peer = peer, .phase = options_.receive_phase[at], .place = options_.receive_place[at], .bytes = bytes};
}

Program::Program(const schedule::RankSchedule& part, const CompileOptions& options)
    : rank_(part.rank), options_(options) {
  options_.send_phase.resize(static_cast<size_t>(options_.num_ranks), -1);
  options_.receive_phase.resize(static_cast<size_t>(options_.num_ranks), -1);
  options_.send_place.resize(static_cast<size_t>(options_.num_ranks));
  options_.receive_place.resize(static_cast<size_t>(options_.num_ranks));
  ring_sent_.resize(static_cast<size_t>(options_.num_ranks));
  std::vector<int> numbers(ring_sent_.size());
  for (const auto& message : part.sends) {
    add_send(message, numbers);
  }
  std::fill(numbers.begin(), numbers.end(), 0);
  ring_order_.resize(static_cast<size_t>(options_.num_ranks));
  ring_next_.resize(ring_order_.size());
  for (const auto& message : part.receives) {
    add_receive(message, numbers);
  }
  remote_sends_ = remote_of(direct_sends_);
  remote_receives_ = remote_of(direct_receives_);
  link_sources(part);
  if (options_.rule.uniform) {
    lay_out_uniform();
  }
  allocate_staging();
  direct_sends_.reserve(static_cast<size_t>(options_.num_ranks));
  direct_receives_.reserve(static_cast<size_t>(options_.num_ranks));
}

void Program::add_send(const schedule::Message& message, std::vector<int>& numbers) {
  if (schedule::is_direct(message, options_.rule)) {
    append_in_phases(direct_sends_, pair_to(message.to, options_.rule.block_bytes), options_);
    return;
  }
  AggregatedSend send;
  send.to = message.to;
  send.number = next_number(numbers, message, message.to);
  send.place = options_.send_place[static_cast<size_t>(message.to)] + send.number * options_.place_step;
  send.mapped = schedule::uses_slot(message, options_.rule);
  send.ring_index = send.mapped ? ring_sent_[static_cast<size_t>(message.to)]++ : 0;
  send.self_describing = message.self_describing;
  send.staging_bytes = schedule::staged_at_sender(message, options_.rule);
  send.pieces.resize(most_pieces(message.to, send.mapped));
  sends_.push_back(std::move(send));
}

void Program::add_receive(const schedule::Message& message, std::vector<int>& numbers) {
  if (schedule::is_direct(message, options_.rule)) {
    append_in_phases(direct_receives_, pair_from(message.from, options_.rule.block_bytes), options_);
    return;
  }
  AggregatedReceive receive;
  receive.from = message.from;
  receive.number = next_number(numbers, message, message.from);
  receive.place = options_.receive_place[static_cast<size_t>(message.from)] + receive.number * options_.place_step;
  receive.mapped = schedule::uses_slot(message, options_.rule);
  receive.self_describing = message.self_describing;
  receive.blocks = message.blocks;
  receive.listed.resize(message.self_describing ? message.blocks.size() : 0);
  receive.notes.resize(receive.listed.size());
  receive.sizes.resize(message.blocks.size());
  receive.offsets.resize(message.blocks.size());
  for (size_t i = 0; i < message.blocks.size(); ++i) {
    if (message.blocks[i].dst == rank_) {
      receive.finals.push_back(static_cast<int>(i));
    }
  }
  receive.in_place = schedule::lands_in_place(message, options_.rule);
  receive.staging_bytes = schedule::staged_at_receiver(message, options_.rule);
  if (receive.mapped) {
    auto& order = ring_order_[static_cast<size_t>(message.from)];
    if (order.empty()) {
      ring_peers_.push_back(message.from);
    }
    order.push_back(static_cast<int>(receives_.size()));
  }
  receive.pieces.resize(most_pieces(message.from, receive.mapped));
  receives_.push_back(std::move(receive));
}

void Program::link_sources(const schedule::RankSchedule& part) {
  std::map<schedule::Block, std::pair<int, int>> brought;  // block -> receive, index
  for (size_t r = 0; r < receives_.size(); ++r) {
    for (size_t i = 0; i < receives_[r].blocks.size(); ++i) {
      brought[receives_[r].blocks[i]] = {static_cast<int>(r), static_cast<int>(i)};
    }
  }
  size_t next = 0;
  for (const auto& message : part.sends) {
    if (schedule::is_direct(message, options_.rule)) {
      continue;
    }
    AggregatedSend& send = sends_[next];
    for (const auto& block : message.blocks) {
      BlockSource source{.receive = -1, .index = 0, .destination = block.dst};
      if (block.src != rank_) {
        const auto found = brought.find(block);
        BANYAN_CHECK(found != brought.end(), "block " + std::to_string(block.src) + "->" + std::to_string(block.dst) +
                                                 " is sent by rank " + std::to_string(rank_) + " but never arrives");
        source.receive = found->second.first;
        source.index = found->second.second;
        send.needs.push_back(source.receive);
      }
      send.blocks.push_back(source);
    }
    std::sort(send.needs.begin(), send.needs.end());
    send.needs.erase(std::unique(send.needs.begin(), send.needs.end()), send.needs.end());
    for (const int receive : send.needs) {
      receives_[static_cast<size_t>(receive)].feeds.push_back(static_cast<int>(next));
    }
    ++next;
  }
}

void Program::lay_out_uniform() {
  for (auto& receive : receives_) {
    for (size_t i = 0; i < receive.blocks.size(); ++i) {
      receive.sizes[i] = options_.rule.block_bytes;
      receive.offsets[i] = i * options_.rule.block_bytes;
    }
  }
}

void Program::allocate_staging() {
  size_t total = 0;
  const auto place = [&](size_t& offset, size_t bytes) {
    offset = total;
    total = schedule::add_staged(total, bytes);
  };
  for (auto& send : sends_) {
    place(send.staging_offset, send.staging_bytes);
  }
  for (auto& receive : receives_) {
    place(receive.staging_offset, receive.staging_bytes);
  }
  staging_.resize(total);
}

}  // namespace banyan::executor
