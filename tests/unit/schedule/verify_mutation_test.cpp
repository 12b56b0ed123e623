// SPDX-License-Identifier: Apache-2.0
// Takes valid schedules, breaks them in every way listed here, and expects verify to notice each break. A second judge,
// a slow simulation that shares no code or idea with verify, decides about random breaks.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>

#include "schedule/verify.hpp"
#include "schedules.hpp"

namespace banyan::schedule {
namespace {

std::vector<Schedule> victims() {
  return {testing::direct(5), testing::ring(4), testing::two_level({{0, 3, 4}, {1}, {2, 5}}),
          testing::two_level({{0, 1}, {2, 3, 4, 5, 6}}), testing::random_paths(5, 3, 11)};
}

bool accepted(const Schedule& schedule) { return verify(schedule, {}).ok(); }

/// Calls body(schedule, k) for every message of every victim, each time on a fresh copy.
template <typename Body>
void for_each_message(Body body) {
  for (const Schedule& victim : victims()) {
    for (size_t k = 0; k < victim.messages.size(); ++k) {
      SCOPED_TRACE(victim.algorithm + " message " + std::to_string(k));
      Schedule copy = victim;
      body(copy, k);
    }
  }
}

std::vector<Message>::difference_type offset(size_t k) { return static_cast<std::vector<Message>::difference_type>(k); }

/// Whether the schedule is an all-to-all, by delivering messages one by one until none is left that can be sent.
bool simulates(const Schedule& schedule) {
  std::vector<std::set<Block>> holds(static_cast<size_t>(schedule.num_ranks));
  for (int src = 0; src < schedule.num_ranks; ++src) {
    for (int dst = 0; dst < schedule.num_ranks; ++dst) {
      if (src != dst) {
        holds[static_cast<size_t>(src)].insert({src, dst});
      }
    }
  }
  std::vector<std::set<Block>> seen = holds;  // all that a rank has or ever had
  std::vector<bool> done(schedule.messages.size(), false);
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t k = 0; k < schedule.messages.size(); ++k) {
      const Message& message = schedule.messages[k];
      auto& sender = holds[static_cast<size_t>(message.from)];
      const bool unique = std::set(message.blocks.begin(), message.blocks.end()).size() == message.blocks.size();
      const bool ready = std::all_of(message.blocks.begin(), message.blocks.end(),
                                     [&](const Block& block) { return sender.contains(block); });
      if (done[k] || !ready || !unique || message.from == message.to || message.blocks.empty()) {
        continue;
      }
      for (const Block& block : message.blocks) {
        sender.erase(block);  // a second send of it can never become ready, unless it comes back, which `seen` forbids
        if (!seen[static_cast<size_t>(message.to)].insert(block).second) {
          return false;
        }
        holds[static_cast<size_t>(message.to)].insert(block);
      }
      done[k] = true;
      progress = true;
    }
  }
  if (std::find(done.begin(), done.end(), false) != done.end()) {
    return false;
  }
  for (int rank = 0; rank < schedule.num_ranks; ++rank) {
    const auto& held = holds[static_cast<size_t>(rank)];
    if (held.size() != static_cast<size_t>(schedule.num_ranks) - 1 ||
        !std::all_of(held.begin(), held.end(), [&](const Block& block) { return block.dst == rank; })) {
      return false;
    }
  }
  return true;
}

TEST(VerifyMutation, UntouchedThenAcceptedByBothJudges) {
  for (const Schedule& victim : victims()) {
    EXPECT_TRUE(accepted(victim)) << victim.algorithm;
    EXPECT_TRUE(simulates(victim)) << victim.algorithm;
  }
}

TEST(VerifyMutation, MessageDroppedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    schedule.messages.erase(schedule.messages.begin() + offset(k));
    EXPECT_FALSE(accepted(schedule));
  });
}

TEST(VerifyMutation, MessageDuplicatedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    const Message copy = schedule.messages[k];
    schedule.messages.insert(schedule.messages.begin() + offset(k), copy);
    EXPECT_FALSE(accepted(schedule));
  });
}

TEST(VerifyMutation, ReceiverChangedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    const int original = schedule.messages[k].to;
    for (int to = -1; to <= schedule.num_ranks; ++to) {
      if (to != original) {
        schedule.messages[k].to = to;
        EXPECT_FALSE(accepted(schedule)) << to;
      }
    }
  });
}

TEST(VerifyMutation, SenderChangedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    const int original = schedule.messages[k].from;
    for (int from = -1; from <= schedule.num_ranks; ++from) {
      if (from != original) {
        Schedule changed = schedule;
        changed.messages[k].from = from;
        testing::sort_messages(changed);
        EXPECT_FALSE(accepted(changed)) << from;
      }
    }
  });
}

TEST(VerifyMutation, BlockRemovedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    for (size_t b = 0; b < schedule.messages[k].blocks.size(); ++b) {
      Schedule changed = schedule;
      changed.messages[k].blocks.erase(changed.messages[k].blocks.begin() + static_cast<std::ptrdiff_t>(b));
      EXPECT_FALSE(accepted(changed)) << b;
    }
  });
}

TEST(VerifyMutation, BlockAddedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    for (int src = 0; src < schedule.num_ranks; ++src) {
      for (int dst = 0; dst < schedule.num_ranks; ++dst) {
        Schedule changed = schedule;
        changed.messages[k].blocks.push_back({src, dst});
        EXPECT_FALSE(accepted(changed)) << src << "->" << dst;
      }
    }
  });
}

TEST(VerifyMutation, BlockReplacedThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    for (Block& block : schedule.messages[k].blocks) {
      const Block original = block;
      std::swap(block.src, block.dst);
      EXPECT_FALSE(accepted(schedule));
      block = original;
    }
  });
}

TEST(VerifyMutation, MessagesOfOneSenderReorderedThenAccepted) {
  for_each_message([](Schedule& schedule, size_t k) {
    if (k > 0 && schedule.messages[k].from == schedule.messages[k - 1].from &&
        schedule.messages[k].step == schedule.messages[k - 1].step) {
      std::swap(schedule.messages[k], schedule.messages[k - 1]);
      EXPECT_TRUE(accepted(schedule));
    }
  });
}

TEST(VerifyMutation, MessagesListedOutOfOrderThenRejected) {
  for_each_message([](Schedule& schedule, size_t k) {
    if (k > 0 && (schedule.messages[k].from != schedule.messages[k - 1].from ||
                  schedule.messages[k].step != schedule.messages[k - 1].step)) {
      std::swap(schedule.messages[k], schedule.messages[k - 1]);
      EXPECT_FALSE(accepted(schedule));
    }
  });
}

TEST(VerifyMutation, PathHeaderOrStepChangedThenAccepted) {
  // The proof holds for both ways to travel, with and without headers, and readiness alone decides when a send goes.
  for_each_message([](Schedule& schedule, size_t k) {
    Message& message = schedule.messages[k];
    message.path = message.path == Path::kMessage ? Path::kMapped : Path::kMessage;
    message.self_describing = !message.self_describing;
    message.step = 7 - message.step;
    testing::sort_messages(schedule);
    EXPECT_TRUE(accepted(schedule));
  });
}

TEST(VerifyMutation, StepsOfARingMergedThenDeadlock) {
  for (int n = 3; n <= 8; ++n) {
    Schedule schedule = testing::ring(n);
    std::map<int, Message> merged;
    for (const Message& message : schedule.messages) {
      Message& whole = merged[message.from];
      whole.from = message.from;
      whole.to = message.to;
      whole.blocks.insert(whole.blocks.end(), message.blocks.begin(), message.blocks.end());
    }
    schedule.messages.clear();
    for (const auto& [from, message] : merged) {
      schedule.messages.push_back(message);
    }
    EXPECT_TRUE(verify(schedule, {}).problem.starts_with("deadlock: message")) << n;
  }
}

/// One random change of a random message; may be none.
void mutate(Schedule& schedule) {
  auto& messages = schedule.messages;
  if (messages.empty()) {
    return;
  }
  const auto any_rank = rc::gen::inRange(0, schedule.num_ranks);
  const auto k = *rc::gen::inRange<size_t>(0, messages.size());
  const auto other = *rc::gen::inRange<size_t>(0, messages.size());
  switch (*rc::gen::inRange(0, 7)) {
    case 0:
      messages.erase(messages.begin() + offset(k));
      break;
    case 1:
      messages[k].to = *any_rank;
      break;
    case 2:
      messages[k].from = *any_rank;
      break;
    case 3:
      std::swap(messages[k].blocks, messages[other].blocks);
      break;
    case 4:  // merge, which may close a cycle
      if (k != other) {
        messages[other].blocks.insert(messages[other].blocks.end(), messages[k].blocks.begin(),
                                      messages[k].blocks.end());
        messages[k].blocks.clear();
        messages.erase(messages.begin() + offset(k));
      }
      break;
    case 5:  // split
      if (messages[k].blocks.size() > 1) {
        Message half = messages[k];
        half.blocks = {messages[k].blocks.back()};
        messages[k].blocks.pop_back();
        messages.push_back(half);
      }
      break;
    default:
      std::swap(messages[k].to, messages[other].to);
  }
}

TEST(VerifyMutation, RandomChangesThenVerifyAgreesWithSimulation) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(2, 7);
    Schedule schedule = testing::random_paths(n, 4, *rc::gen::arbitrary<uint64_t>());
    const int changes = *rc::gen::inRange(0, 4);
    for (int change = 0; change < changes; ++change) {
      mutate(schedule);
    }
    testing::sort_messages(schedule);
    RC_ASSERT(accepted(schedule) == simulates(schedule));
  }));
}

/// Merges two messages between the same ranks, the change that is sometimes right and sometimes a deadlock.
TEST(VerifyMutation, RandomMergesOfPairsThenVerifyAgreesWithSimulation) {
  EXPECT_TRUE(rc::check([] {
    Schedule schedule = testing::random_paths(*rc::gen::inRange(3, 7), 4, *rc::gen::arbitrary<uint64_t>());
    for (size_t k = 0; k < schedule.messages.size(); ++k) {
      for (size_t other = schedule.messages.size() - 1; other > k; --other) {
        if (schedule.messages[k].from == schedule.messages[other].from &&
            schedule.messages[k].to == schedule.messages[other].to && *rc::gen::inRange(0, 8) == 0) {
          auto& blocks = schedule.messages[k].blocks;
          blocks.insert(blocks.end(), schedule.messages[other].blocks.begin(), schedule.messages[other].blocks.end());
          schedule.messages.erase(schedule.messages.begin() + offset(other));
        }
      }
    }
    const bool is_valid = simulates(schedule);
    RC_TAG(is_valid ? "valid" : "deadlock");
    RC_ASSERT(accepted(schedule) == is_valid);
  }));
}

}  // namespace
}  // namespace banyan::schedule
