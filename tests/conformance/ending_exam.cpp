// SPDX-License-Identifier: Apache-2.0
// How requests end early: cancel, close, a peer that closes, a peer that dies.
#include <fmt/format.h>

#include <memory>

#include "conformance.hpp"

namespace banyan::conformance {
namespace {

TEST_P(TransportConformance, CancelledReceiveEndsAbortedAndTakesNoMessage) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    if (rank.rank() == 0) {
      rank.barrier();
      const int value = 42;
      std::vector<Request> requests(1);
      member->send(1, &value, sizeof(value), 3, requests[0]);
      member->finish_all(requests);
    } else {
      int first = 0;
      int second = 0;
      int third = 0;
      std::vector<Request> requests(3);
      member->receive(0, &first, sizeof(int), 3, requests[0]);
      member->receive(0, &second, sizeof(int), 3, requests[1]);
      member->receive(0, &third, sizeof(int), 4, requests[2]);
      require(member->transport().cancel(&requests[0]) == BANYAN_OK, member->transport().last_error());
      require(member->finish(requests[0]) == BANYAN_ERR_ABORTED, "the cancelled receive did not end with ABORTED");
      rank.barrier();
      require(member->finish(requests[1]) == BANYAN_OK && second == 42, "the next receive did not get the message");
      require(first == 0, "the cancelled receive got bytes");
      require(member->transport().cancel(&requests[2]) == BANYAN_OK, member->transport().last_error());
      require(member->finish(requests[2]) == BANYAN_ERR_ABORTED, "the last receive did not end with ABORTED");
      require(member->transport().cancel(&requests[1]) == BANYAN_OK, "cancel of an ended request failed");
      require(requests[1].status == BANYAN_OK, "cancel changed an ended request");
    }
    rank.barrier();
  });
}

/// Either the cancel took and nobody receives the message, or it did not and the message arrives whole.
void cancel_send(Rank& rank, size_t size) {
  const auto member = rank.join();
  if (rank.rank() == 0) {
    const auto outgoing = pattern(size, 8);
    Request request{};
    member->send(1, outgoing.data(), size, 3, request);
    require(member->transport().cancel(&request) == BANYAN_OK, member->transport().last_error());
    for (int turn = 0; turn < 1000 && request.status == BANYAN_IN_PROGRESS; ++turn) {
      member->progress();
    }
    rank.allgather(request.status == BANYAN_ERR_ABORTED ? "aborted" : "sent");
    const banyan_status status = member->finish(request);
    require(status == BANYAN_OK || status == BANYAN_ERR_ABORTED, "a cancelled send ended with another error");
    rank.allgather(status == BANYAN_ERR_ABORTED ? "aborted" : "sent");
  } else {
    const std::string early = rank.allgather("")[0];
    std::vector<std::byte> incoming(size);
    Request request{};
    member->receive(0, incoming.data(), size, 3, request);
    if (early == "aborted") {
      require(member->transport().cancel(&request) == BANYAN_OK, member->transport().last_error());
      require(member->finish(request) == BANYAN_ERR_ABORTED, "a withdrawn message was received");
      rank.allgather("");
    } else {
      const banyan_status status = member->finish(request);
      const std::string late = rank.allgather("")[0];
      require(late == "aborted" ? status != BANYAN_OK : status == BANYAN_OK && has_pattern(incoming.data(), size, 8),
              fmt::format("send {}, receive ended with {}", late, static_cast<int>(status)));
    }
  }
  rank.barrier();
}

TEST_P(TransportConformance, CancelledSendIsWithdrawnOrArrivesWhole) {
  ranks(2, [](Rank& rank) {
    cancel_send(rank, 100);
    cancel_send(rank, size_t{4} << 20);
  });
}

TEST_P(TransportConformance, MessagesAfterAWithdrawnOneArrive) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    const size_t size = size_t{1} << 20;
    const auto first = pattern(size, 1);
    const auto second = pattern(size, 2);
    std::vector<std::byte> incoming(size);
    Request requests[2] = {};
    if (rank.rank() == 0) {
      member->send(1, first.data(), size, 3, requests[0]);
      member->send(1, second.data(), size, 3, requests[1]);
      require(member->transport().cancel(&requests[0]) == BANYAN_OK, member->transport().last_error());
      rank.barrier();
      const bool withdrawn = member->finish(requests[0]) == BANYAN_ERR_ABORTED;
      require(member->finish(requests[1]) == BANYAN_OK, "the send that was not cancelled failed");
      rank.allgather(withdrawn ? "withdrawn" : "sent");
    } else {
      rank.barrier();
      member->receive(0, incoming.data(), size, 3, requests[0]);
      require(member->finish(requests[0]) == BANYAN_OK, "no message arrived");
      if (has_pattern(incoming.data(), size, 1)) {
        member->receive(0, incoming.data(), size, 3, requests[1]);
        require(member->finish(requests[1]) == BANYAN_OK, "the second message did not arrive");
      }
      require(has_pattern(incoming.data(), size, 2), "wrong bytes");
      rank.allgather("");
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, CloseWithRequestsInProgressReturnsAndLeavesThemAlone) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    const size_t size = size_t{4} << 20;
    const auto outgoing = pattern(size, 1);
    std::vector<std::byte> incoming(size);
    auto requests = std::make_unique<std::vector<Request>>(20);
    for (size_t i = 0; i < requests->size(); i += 2) {
      member->send(1 - rank.rank(), outgoing.data(), i % 4 == 0 ? 64 : size, 1000 + i, (*requests)[i]);
      member->receive(1 - rank.rank(), incoming.data(), size, 5000 + i, (*requests)[i + 1]);
    }
    member->progress();
    rank.barrier();
    requests.reset();  // a sanitizer sees whoever touches them now
    member->close();
    rank.check_deadline();
    require(has_pattern(outgoing.data(), size, 1), "close changed a send buffer");
    rank.barrier();
  });
}

/// Waits for every request to end with PEER_FAILED within the subject's limit.
void require_peer_failed(Rank& rank, Member& member, std::vector<Request>& requests) {
  const Deadline deadline = Deadline::in(rank.subject().failure_deadline_s);
  for (size_t i = 0; i < requests.size(); ++i) {
    while (requests[i].status == BANYAN_IN_PROGRESS) {
      member.progress();
      require(!deadline.passed(), fmt::format("request {} did not end within {} s of its peer's end", i,
                                              rank.subject().failure_deadline_s));
    }
    require(requests[i].status == BANYAN_ERR_PEER_FAILED,
            fmt::format("request {} ended with {}", i, static_cast<int>(requests[i].status)));
  }
  require(*member.transport().last_error() != '\0', "a failed peer left no text");
}

/// Posts to a failed peer: refused at once, or taken and ended with PEER_FAILED.
void require_later_posts_fail(Rank& rank, Member& member, int peer) {
  std::byte buffer[64] = {};
  const Deadline deadline = Deadline::in(rank.subject().failure_deadline_s);
  for (const bool is_send : {true, false}) {
    Request request{};
    const banyan_status taken = is_send ? member.transport().post_send(peer, buffer, 64, 99, &request)
                                        : member.transport().post_recv(peer, buffer, 64, 99, &request);
    require(taken == BANYAN_OK || taken == request.status, "a refused post left another status in its request");
    while (request.status == BANYAN_IN_PROGRESS) {
      member.progress();
      require(!deadline.passed(), "a post to a failed peer did not end");
    }
    require(request.status == BANYAN_ERR_PEER_FAILED,
            fmt::format("a later post ended with {}", static_cast<int>(request.status)));
  }
}

/// Rank 0 ends in the way of `end`, with requests of all others to it in progress; the others go on without it.
void survive(Rank& rank, const std::function<void(Member&)>& end) {
  const auto member = rank.join();
  const size_t size = size_t{4} << 20;
  const auto outgoing = pattern(size, 5);
  std::vector<std::byte> incoming(size);
  int last_words = 7;
  std::vector<Request> requests(4);
  if (rank.rank() == 0) {
    for (int peer = 1; peer < rank.size(); ++peer) {
      std::vector<Request> request(1);
      member->send(peer, &last_words, sizeof(int), 50, request[0]);
      member->finish_all(request);
    }
    rank.barrier();
    end(*member);
    return;
  }
  std::vector<Request> words(1);
  last_words = 0;
  member->receive(0, &last_words, sizeof(int), 50, words[0]);
  member->finish_all(words);
  member->receive(0, incoming.data(), size, 1, requests[0]);
  member->receive(0, incoming.data(), 16, 2, requests[1]);
  member->send(0, outgoing.data(), size, 3, requests[2]);
  member->send(0, outgoing.data(), size, 4, requests[3]);
  rank.barrier();
  require_peer_failed(rank, *member, requests);
  require_later_posts_fail(rank, *member, 0);
  require(last_words == 7, "a message sent before the end was lost");
  const int peer = rank.size() - rank.rank();  // 1 <-> 2
  std::vector<Request> others(2);
  member->receive(peer, incoming.data(), size, 1, others[0]);
  member->send(peer, outgoing.data(), size, 1, others[1]);
  member->finish_all(others);
  require(has_pattern(incoming.data(), size, 5), "traffic between survivors is damaged");
  rank.barrier();
}

TEST_P(TransportConformance, PeerThatClosesEndsRequestsWithPeerFailed) {
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE);
  ranks(3, [](Rank& rank) {
    survive(rank, [&](Member& member) {
      rank.exchange().leave(rank.rank());
      member.close();
    });
  });
}

TEST_P(TransportConformance, PeerThatIsKilledEndsRequestsWithPeerFailed) {
  if (GetParam().ranks == Ranks::kThreads) {
    GTEST_SKIP() << "a thread cannot be killed; the exam with processes covers it";
  }
  BANYAN_LEAVE_OUT_UNLESS(BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE);
  ranks(3, [](Rank& rank) { survive(rank, [&](Member&) { rank.die(); }); });
}

TEST_P(TransportConformance, MessageSentBeforeAPeerClosedIsReceived) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    int value = 1234 + rank.rank();
    std::vector<Request> requests(1);
    if (rank.rank() == 0) {
      member->send(1, &value, sizeof(value), 1, requests[0]);
      rank.barrier();
      member->finish_all(requests);
      member->close();
      rank.barrier();
    } else {
      rank.barrier();
      int received = 0;
      member->receive(0, &received, sizeof(received), 1, requests[0]);
      member->finish_all(requests);
      require(received == 1234, "the message was lost");
      rank.barrier();
    }
  });
}

}  // namespace
}  // namespace banyan::conformance
