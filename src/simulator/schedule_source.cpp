// SPDX-License-Identifier: Apache-2.0
#include "simulator/schedule_source.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "schedule/size_list.hpp"

namespace banyan::simulator {
namespace {

using schedule::Block;
using schedule::Message;

/// That a message brings a block to a rank.
struct Arrival {
  Block block;
  int at = 0;
  size_t message = 0;

  auto operator<=>(const Arrival&) const = default;
};

std::vector<Arrival> sorted_arrivals(const schedule::Schedule& schedule) {
  std::vector<Arrival> arrivals;
  for (size_t index = 0; index < schedule.messages.size(); ++index) {
    for (const Block& block : schedule.messages[index].blocks) {
      arrivals.push_back({block, schedule.messages[index].to, index});
    }
  }
  std::sort(arrivals.begin(), arrivals.end());
  return arrivals;
}

/// Whether all its blocks are one run of the receiver's buffer.
bool lands_in_place(const Message& message) {
  if (message.blocks.empty() || message.self_describing || message.path == schedule::Path::kMapped) {
    return false;
  }
  const int first = message.blocks.front().src;
  for (size_t i = 0; i < message.blocks.size(); ++i) {
    if (message.blocks[i].dst != message.to || message.blocks[i].src != first + static_cast<int>(i)) {
      return false;
    }
  }
  return true;
}

bool goes_unpacked(const Message& message) {
  return message.path == schedule::Path::kMapped ||
         (!message.self_describing && message.blocks.size() == 1 && message.blocks[0].src == message.from);
}

}  // namespace

ScheduleSource::ScheduleSource(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes)
    : schedule_(schedule), sizes_(sizes) {
  check();
  const auto ranks = static_cast<size_t>(schedule.num_ranks);
  ready_.resize(ranks);
  ready_mapped_.resize(ranks);
  left_ = schedule.messages.size();
  link();
}

void ScheduleSource::check() const {
  const int ranks = schedule_.num_ranks;
  const auto in_range = [ranks](int rank) { return rank >= 0 && rank < ranks; };
  if (sizes_.num_ranks != ranks || sizes_.bytes.size() != static_cast<size_t>(ranks) * static_cast<size_t>(ranks)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "a schedule of " + std::to_string(ranks) + " ranks needs sizes for as many");
  }
  for (const Message& message : schedule_.messages) {
    bool fits = in_range(message.from) && in_range(message.to) && message.from != message.to;
    for (const Block& block : message.blocks) {
      fits = fits && in_range(block.src) && in_range(block.dst);
    }
    if (!fits) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "a message from " + std::to_string(message.from) + " to " +
                                                   std::to_string(message.to) +
                                                   " has a rank out of range or is to itself; verify the schedule");
    }
  }
}

void ScheduleSource::link() {
  const std::vector<Arrival> arrivals = sorted_arrivals(schedule_);
  missing_.resize(schedule_.messages.size());
  feeds_.resize(schedule_.messages.size());
  std::vector<size_t> feeders;
  std::vector<size_t> startable;
  for (size_t index = 0; index < schedule_.messages.size(); ++index) {
    const Message& message = schedule_.messages[index];
    feeders.clear();
    for (const Block& block : message.blocks) {
      if (block.src == message.from) {
        continue;
      }
      const auto found = std::lower_bound(arrivals.begin(), arrivals.end(), Arrival{block, message.from, 0});
      const bool comes = found != arrivals.end() && found->block == block && found->at == message.from;
      feeders.push_back(comes ? found->message : index);  // a message that waits for itself is never sent
    }
    std::sort(feeders.begin(), feeders.end());
    feeders.erase(std::unique(feeders.begin(), feeders.end()), feeders.end());
    for (const size_t feeder : feeders) {
      feeds_[feeder].push_back(index);
    }
    missing_[index] = static_cast<int>(feeders.size());
    if (feeders.empty()) {
      startable.push_back(index);
    }
  }
  for (const size_t index : startable) {
    make_ready(index);
  }
}

void ScheduleSource::make_ready(size_t first) {
  std::vector<size_t> ready = {first};
  while (!ready.empty()) {
    const size_t index = ready.back();
    ready.pop_back();
    const Message& message = schedule_.messages[index];
    if (transfer(index).bytes > 0) {
      const auto rank = static_cast<size_t>(message.from);
      (message.path == schedule::Path::kMapped ? ready_mapped_ : ready_)[rank].push(index);
      continue;
    }
    --left_;
    for (const size_t fed : feeds_[index]) {
      if (--missing_[fed] == 0) {
        ready.push_back(fed);
      }
    }
  }
}

Transfer ScheduleSource::transfer(size_t index) const {
  const Message& message = schedule_.messages[index];
  Transfer result{.from = message.from, .to = message.to, .path = message.path, .step = message.step, .index = index};
  const bool in_place = lands_in_place(message);
  for (const Block& block : message.blocks) {
    const uint64_t bytes = sizes_.of(block);
    result.bytes += bytes + (message.self_describing ? schedule::listed_bytes(bytes) : 0);
    result.packed += bytes;
    result.unpacked += !in_place && block.dst == message.to ? bytes : 0;
  }
  if (goes_unpacked(message)) {
    result.packed = 0;
  }
  return result;
}

bool ScheduleSource::next(int rank, bool only_mapped, Transfer& send) {
  Ready& mapped = ready_mapped_[static_cast<size_t>(rank)];
  Ready& messages = ready_[static_cast<size_t>(rank)];
  const bool has_message = !only_mapped && !messages.empty();
  if (!has_message && mapped.empty()) {
    return false;
  }
  Ready& from = has_message && (mapped.empty() || messages.top() < mapped.top()) ? messages : mapped;
  send = transfer(from.top());
  from.pop();
  --left_;
  return true;
}

void ScheduleSource::arrived(const Transfer& message) {
  for (const size_t fed : feeds_[message.index]) {
    if (--missing_[fed] == 0) {
      make_ready(fed);
    }
  }
}

}  // namespace banyan::simulator
