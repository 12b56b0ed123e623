// SPDX-License-Identifier: Apache-2.0
#include "schedule/schedule.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "schedule/text.hpp"

namespace banyan::schedule {
namespace {

constexpr size_t kMaxDescription = 160;

/// The message's line of text, cut for an error text.
std::string describe(const Message& message) {
  std::string text = print(message);
  if (text.size() > kMaxDescription) {
    text.resize(kMaxDescription);
    text += " ...";
  }
  return "\"" + text + "\"";
}

std::string name_of(int rank) { return "rank " + std::to_string(rank); }

[[noreturn]] void fail(const std::string& text) { throw Error(BANYAN_ERR_INTERNAL, "parts do not join: " + text); }

void check_send(const Message& message, const RankSchedule& part, int num_ranks) {
  if (message.from != part.rank) {
    fail(name_of(part.rank) + " lists as its own the send " + describe(message));
  }
  if (message.to < 0 || message.to >= num_ranks) {
    fail(name_of(part.rank) + " sends to a rank outside 0.." + std::to_string(num_ranks - 1) + ": " +
         describe(message));
  }
}

void check_receive(const Message& message, const RankSchedule& part, int num_ranks) {
  if (message.to != part.rank) {
    fail(name_of(part.rank) + " lists as its own the receive " + describe(message));
  }
  if (message.from < 0 || message.from >= num_ranks) {
    fail(name_of(part.rank) + " receives from a rank outside 0.." + std::to_string(num_ranks - 1) + ": " +
         describe(message));
  }
}

void check_part(const RankSchedule& part, int expected_rank, int num_ranks) {
  if (part.rank != expected_rank) {
    fail("part " + std::to_string(expected_rank) + " is of " + name_of(part.rank));
  }
  for (size_t k = 0; k < part.sends.size(); ++k) {
    check_send(part.sends[k], part, num_ranks);
    if (k > 0 && part.sends[k].step < part.sends[k - 1].step) {
      fail(name_of(part.rank) + " sends out of order of step: " + describe(part.sends[k]) + " follows " +
           describe(part.sends[k - 1]));
    }
  }
  for (const Message& message : part.receives) {
    check_receive(message, part, num_ranks);
  }
}

[[noreturn]] void fail_send(const Message& send) {
  fail(name_of(send.from) + " sends " + describe(send) + ", for which " + name_of(send.to) + " has no equal receive");
}

[[noreturn]] void fail_receive(const Message& receive) {
  fail(name_of(receive.to) + " receives " + describe(receive) + ", for which " + name_of(receive.from) +
       " has no equal send");
}

/// Both lists are of messages to one rank, ordered by sender and, for each sender, in the order in which it sends
/// (receives: in which they are posted). Both ends number the messages of a pair in that order, so it must agree.
void match(const std::vector<const Message*>& sends, const std::vector<const Message*>& receives) {
  const size_t common = std::min(sends.size(), receives.size());
  for (size_t k = 0; k < common; ++k) {
    const Message& send = *sends[k];
    const Message& receive = *receives[k];
    if (send == receive) {
      continue;
    }
    const bool has_receive = std::any_of(receives.begin() + static_cast<std::ptrdiff_t>(k), receives.end(),
                                         [&](const Message* other) { return *other == send; });
    if (!has_receive && send.from <= receive.from) {
      fail_send(send);
    }
    const bool has_send = std::any_of(sends.begin() + static_cast<std::ptrdiff_t>(k), sends.end(),
                                      [&](const Message* other) { return *other == receive; });
    if (!has_send) {
      fail_receive(receive);
    }
    fail(name_of(send.to) + " expects " + describe(receive) + " where " + name_of(send.from) + " sends " +
         describe(send) + ": the messages of a pair must be received in the order in which they are sent");
  }
  if (sends.size() > common) {
    fail_send(*sends[common]);
  }
  if (receives.size() > common) {
    fail_receive(*receives[common]);
  }
}

}  // namespace

RankSchedule part_of(const Schedule& schedule, int rank) {
  RankSchedule part;
  part.rank = rank;
  for (const Message& message : schedule.messages) {
    if (message.from == rank) {
      part.sends.push_back(message);
    }
    if (message.to == rank) {
      part.receives.push_back(message);
    }
  }
  const auto by_step = [](const Message& a, const Message& b) { return a.step < b.step; };
  std::stable_sort(part.sends.begin(), part.sends.end(), by_step);
  std::stable_sort(part.receives.begin(), part.receives.end(), by_step);
  return part;
}

Schedule join(const std::vector<RankSchedule>& parts, std::string algorithm, int window) {
  Schedule schedule;
  schedule.algorithm = std::move(algorithm);
  schedule.num_ranks = static_cast<int>(parts.size());
  schedule.window = window;
  std::vector<std::vector<const Message*>> sends_to(parts.size());
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    check_part(parts[rank], static_cast<int>(rank), schedule.num_ranks);
    for (const Message& send : parts[rank].sends) {
      sends_to[static_cast<size_t>(send.to)].push_back(&send);
    }
  }
  for (const RankSchedule& part : parts) {
    std::vector<const Message*> receives;
    receives.reserve(part.receives.size());
    for (const Message& receive : part.receives) {
      receives.push_back(&receive);
    }
    std::stable_sort(receives.begin(), receives.end(),
                     [](const Message* a, const Message* b) { return a->from < b->from; });
    match(sends_to[static_cast<size_t>(part.rank)], receives);
    schedule.messages.insert(schedule.messages.end(), part.sends.begin(), part.sends.end());
  }
  std::stable_sort(schedule.messages.begin(), schedule.messages.end(), [](const Message& a, const Message& b) {
    return std::pair(a.step, a.from) < std::pair(b.step, b.from);
  });
  return schedule;
}

}  // namespace banyan::schedule
