// SPDX-License-Identifier: Apache-2.0
// What has been flushed arrives although its sender makes no further call.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "conformance.hpp"

namespace banyan::conformance {
namespace {

/// A collective wait in which this rank does not progress its transports, nor takes the others' processors.
void wait_without_progress(Rank& rank) {
  rank.exchange().barrier(rank.rank(), [&rank] {
    rank.check_deadline();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  });
}

/// Progresses until the sends are done and flush has answered OK, at most `turns` times. Returns whether that was so.
bool flush(Member& member, const std::vector<Request>& sends, int turns) {
  for (int turn = 0; turn < turns; ++turn) {
    bool done = true;
    for (const Request& send : sends) {
      require(send.status == BANYAN_OK || send.status == BANYAN_IN_PROGRESS, member.transport().last_error());
      done = done && send.status == BANYAN_OK;
    }
    if (done) {
      const banyan_status status = member.transport().flush();
      require(status == BANYAN_OK || status == BANYAN_IN_PROGRESS,
              fmt::format("flush gave {}: {}", static_cast<int>(status), member.transport().last_error()));
      if (status == BANYAN_OK) {
        return true;
      }
    }
    member.progress();
  }
  return false;
}

/// Rank 0 sends `count` messages to each other rank, flushes, and is then busy elsewhere. The others begin to receive
/// when it has flushed; or when it can't without them, because the messages are longer than what lies in between.
void send_and_leave(Rank& rank, size_t size, size_t count) {
  const auto member = rank.join();
  const auto peers = static_cast<size_t>(rank.size() - 1);
  const auto outgoing = pattern(size, 11);
  std::vector<std::vector<std::byte>> incoming(count, std::vector<std::byte>(size));
  std::vector<Request> requests(rank.rank() == 0 ? count * peers : count);
  rank.barrier();
  if (rank.rank() == 0) {
    for (size_t i = 0; i < requests.size(); ++i) {
      member->send(static_cast<int>(1 + i % peers), outgoing.data(), size, 1, requests[i]);
    }
    constexpr int kTurnsAlone = 5000;
    const bool alone = flush(*member, requests, kTurnsAlone);
    wait_without_progress(rank);
    while (!alone && !flush(*member, requests, kTurnsAlone)) {
      rank.check_deadline();
    }
  } else {
    wait_without_progress(rank);
    for (size_t i = 0; i < count; ++i) {
      member->receive(0, incoming[i].data(), size, 1, requests[i]);
    }
    member->finish_all(requests);
    for (const auto& bytes : incoming) {
      require(has_pattern(bytes.data(), size, 11), "wrong bytes");
    }
  }
  wait_without_progress(rank);
}

TEST_P(TransportConformance, FlushedMessagesArriveWhileTheirSenderIsElsewhere) {
  ranks(3, [](Rank& rank) {
    send_and_leave(rank, 8, 1);
    send_and_leave(rank, 8, 100);
    send_and_leave(rank, 5000, 50);
    // More than sockets hold, less than a rendezvous over TCP. Where a message is cut into pieces, the last piece must
    // be long for something to be left behind: several sizes.
    for (const size_t size : {size_t{100000}, size_t{777777}, size_t{1000000}, size_t{1} << 20}) {
      send_and_leave(rank, size, 20);
    }
    send_and_leave(rank, size_t{8} << 20, 2);
  });
}

TEST_P(TransportConformance, FlushWithoutSendsIsDoneAtOnce) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    require(member->transport().flush() == BANYAN_OK, "nothing was sent, yet flush is not done");
    rank.barrier();
  });
}

}  // namespace
}  // namespace banyan::conformance
