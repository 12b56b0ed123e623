// SPDX-License-Identifier: Apache-2.0
// What arrives where: sizes, tags, order, truncation, loopback.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "conformance.hpp"

namespace banyan::conformance {
namespace {

constexpr std::byte kGuard{0xa5};

/// Receives `size` bytes of pattern(size, seed) from `peer` into a guarded buffer and checks them.
struct GuardedReceive {
  GuardedReceive(size_t room_bytes, uint64_t pattern_seed)
      : room(room_bytes), seed(pattern_seed), buffer(room_bytes + 64, kGuard) {}

  void check(const Request& request, size_t size) const {
    require(request.received == size, fmt::format("received {} of {} bytes", request.received, size));
    require(has_pattern(buffer.data(), size, seed), fmt::format("wrong bytes in a message of {}", size));
    check_guard();
  }
  void check_guard() const {
    require(std::all_of(buffer.begin() + static_cast<ptrdiff_t>(room), buffer.end(),
                        [](std::byte b) { return b == kGuard; }),
            fmt::format("bytes behind a receive buffer of {} were written", room));
  }

  size_t room;
  uint64_t seed;
  std::vector<std::byte> buffer;
};

void exchange_size(Member& member, int self, int peer, size_t size) {
  const auto outgoing = pattern(size, size + static_cast<uint64_t>(self));
  GuardedReceive incoming(size, size + static_cast<uint64_t>(peer));
  std::vector<Request> requests(2);
  member.receive(peer, incoming.buffer.data(), size, 5, requests[0]);
  member.send(peer, outgoing.data(), size, 5, requests[1]);
  member.finish_all(requests);
  incoming.check(requests[0], size);
}

TEST_P(TransportConformance, EverySizeArrivesWhole) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    for (const size_t size : exam_sizes(rank.subject())) {
      exchange_size(*member, rank.rank(), 1 - rank.rank(), size);
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, EverySizeArrivesWholeOverLoopback) {
  ranks(1, [](Rank& rank) {
    const auto member = rank.join();
    for (const size_t size : exam_sizes(rank.subject())) {
      exchange_size(*member, 0, 0, size);
    }
  });
}

TEST_P(TransportConformance, LoopbackMatchesWhenSentBeforePosted) {
  ranks(1, [](Rank& rank) {
    const auto member = rank.join();
    for (const size_t size : exam_sizes(rank.subject())) {
      const auto outgoing = pattern(size, 3);
      GuardedReceive incoming(size, 3);
      std::vector<Request> requests(2);
      member->send(0, outgoing.data(), size, 1, requests[0]);
      member->progress();
      member->receive(0, incoming.buffer.data(), size, 1, requests[1]);
      member->finish_all(requests);
      incoming.check(requests[1], size);
    }
  });
}

TEST_P(TransportConformance, SizeZeroWithNullBuffersMatches) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    std::vector<Request> requests(2);
    member->receive(1 - rank.rank(), nullptr, 0, 9, requests[0]);
    member->send(1 - rank.rank(), nullptr, 0, 9, requests[1]);
    member->finish_all(requests);
    require(requests[0].received == 0, "a message of size 0 has bytes");
    rank.barrier();
  });
}

TEST_P(TransportConformance, ShorterMessageThanTheReceiveReportsItsSize) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    for (const size_t size : exam_sizes(rank.subject())) {
      if (rank.rank() == 0) {
        const auto outgoing = pattern(size, 4);
        std::vector<Request> requests(1);
        member->send(1, outgoing.data(), size, 1, requests[0]);
        member->finish_all(requests);
      } else {
        GuardedReceive incoming(size + 1000, 4);
        std::vector<Request> requests(1);
        member->receive(0, incoming.buffer.data(), size + 1000, 1, requests[0]);
        member->finish_all(requests);
        incoming.check(requests[0], size);
      }
    }
    rank.barrier();
  });
}

/// Sends `count` messages with tags 0.. and sizes of `size_of`, receives them in the order `receive_order`.
void exchange_tags(Rank& rank, size_t count, const std::function<size_t(size_t)>& size_of,
                   const std::vector<size_t>& receive_order, bool receive_late) {
  const auto member = rank.join();
  const int peer = 1 - rank.rank();
  std::vector<std::vector<std::byte>> outgoing;
  std::vector<GuardedReceive> incoming;
  for (size_t i = 0; i < count; ++i) {
    outgoing.push_back(pattern(size_of(i), i));
    incoming.emplace_back(size_of(i), i);
  }
  std::vector<Request> sends(count);
  std::vector<Request> receives(count);
  if (receive_late) {
    for (size_t i = 0; i < count; ++i) {
      member->send(peer, outgoing[i].data(), outgoing[i].size(), i, sends[i]);
    }
    rank.barrier();  // lets messages arrive before a receive exists
  }
  for (const size_t i : receive_order) {
    member->receive(peer, incoming[i].buffer.data(), incoming[i].room, i, receives[i]);
  }
  if (!receive_late) {
    for (size_t i = 0; i < count; ++i) {
      member->send(peer, outgoing[i].data(), outgoing[i].size(), i, sends[i]);
    }
  }
  member->finish_all(receives);
  member->finish_all(sends);
  for (size_t i = 0; i < count; ++i) {
    incoming[i].check(receives[i], size_of(i));
  }
  rank.barrier();
}

std::vector<size_t> shuffled(size_t count) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(7));
  return order;
}

TEST_P(TransportConformance, TagsMatchInAnyOrderOfReceives) {
  ranks(2, [](Rank& rank) {
    const auto sizes = exam_sizes(rank.subject());
    exchange_tags(
        rank, sizes.size(), [&](size_t i) { return sizes[i]; }, shuffled(sizes.size()), false);
  });
}

TEST_P(TransportConformance, MessagesBeforeTheirReceivesAreKept) {
  ranks(2, [](Rank& rank) {
    const auto sizes = exam_sizes(rank.subject());
    exchange_tags(
        rank, sizes.size(), [&](size_t i) { return sizes[i]; }, shuffled(sizes.size()), true);
  });
}

TEST_P(TransportConformance, ManyUnexpectedMessagesAreKept) {
  ranks(2, [](Rank& rank) {
    exchange_tags(
        rank, 3000, [](size_t i) { return i % 500; }, shuffled(3000), true);
  });
}

TEST_P(TransportConformance, EqualTagsMatchInPostingOrder) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    auto sizes = exam_sizes(rank.subject());
    std::shuffle(sizes.begin(), sizes.end(), std::mt19937_64(11));  // small ones must not overtake large ones
    std::vector<Request> requests(sizes.size());
    std::vector<std::vector<std::byte>> outgoing;
    std::vector<GuardedReceive> incoming;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (rank.rank() == 0) {
        outgoing.push_back(pattern(sizes[i], i));
        member->send(1, outgoing[i].data(), sizes[i], 77, requests[i]);
      } else {
        incoming.emplace_back(sizes[i], i);
      }
    }
    for (size_t i = 0; i < incoming.size(); ++i) {
      member->receive(0, incoming[i].buffer.data(), incoming[i].room, 77, requests[i]);
    }
    member->finish_all(requests);
    for (size_t i = 0; i < incoming.size(); ++i) {
      incoming[i].check(requests[i], sizes[i]);
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, EveryBitOfATagMatches) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    const int bits = rank.subject().tag_bits;
    const auto count = static_cast<size_t>(bits) + 1;
    std::vector<uint64_t> values(count);
    std::vector<uint64_t> received(count);
    std::vector<Request> requests(count);
    const auto tag_of = [](size_t i) { return i == 0 ? 0 : uint64_t{1} << (i - 1); };
    for (size_t i = 0; i < count; ++i) {
      values[i] = 1000 + i;
      if (rank.rank() == 0) {
        member->send(1, &values[i], sizeof(uint64_t), tag_of(i), requests[i]);
      } else {
        member->receive(0, &received[count - 1 - i], sizeof(uint64_t), tag_of(count - 1 - i), requests[i]);
      }
    }
    member->finish_all(requests);
    require(rank.rank() == 0 || received == values, "tags that differ in one bit were confused");
    if (bits < 64) {
      Request request{};
      const banyan_status status =
          member->transport().post_recv(1 - rank.rank(), received.data(), 8, uint64_t{1} << bits, &request);
      require(status == BANYAN_ERR_INVALID_ARGUMENT, "a tag of more bits than the transport matches was taken");
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, SendersAreToldApartByRank) {
  ranks(4, [](Rank& rank) {
    const auto member = rank.join();
    const auto count = static_cast<size_t>(rank.size());
    std::vector<int> values(count, -1);
    std::vector<Request> requests(2 * count);
    const int mine = rank.rank();
    for (int peer = rank.size() - 1; peer >= 0; --peer) {
      const auto at = static_cast<size_t>(peer);
      member->receive(peer, &values[at], sizeof(int), 1, requests[at]);
      member->send(peer, &mine, sizeof(int), 1, requests[count + at]);
    }
    member->finish_all(requests);
    for (int peer = 0; peer < rank.size(); ++peer) {
      require(values[static_cast<size_t>(peer)] == peer,
              fmt::format("the message of peer {} came from {}", peer, values[static_cast<size_t>(peer)]));
    }
    rank.barrier();
  });
}

void truncate(Rank& rank, size_t size, size_t room, bool receive_late) {
  const auto member = rank.join();
  const auto outgoing = pattern(size, 1);
  GuardedReceive incoming(room, 1);
  Request request{};
  if (rank.rank() == 0) {
    member->send(1, outgoing.data(), size, 6, request);
    if (receive_late) {
      rank.barrier();
    }
    const banyan_status status = member->finish(request);
    require(status == BANYAN_OK || status == BANYAN_ERR_MISMATCH,
            fmt::format("the sender of a truncated message ended with {}", static_cast<int>(status)));
  } else {
    if (receive_late) {
      rank.barrier();
    }
    member->receive(0, incoming.buffer.data(), room, 6, request);
    const banyan_status status = member->finish(request);
    require(status == BANYAN_ERR_MISMATCH, fmt::format("truncated receive ended with {}", static_cast<int>(status)));
    const std::string text = member->transport().last_error();
    require(
        text.find(std::to_string(size)) != std::string::npos && text.find(std::to_string(room)) != std::string::npos,
        fmt::format("the text does not name both sizes {} and {}: {}", size, room, text));
    incoming.check_guard();
  }
  exchange_size(*member, rank.rank(), 1 - rank.rank(), size);  // the connection lives on
  rank.barrier();
}

TEST_P(TransportConformance, TooLongMessageEndsTheReceiveWithMismatch) {
  ranks(2, [](Rank& rank) {
    truncate(rank, 48, 17, false);
    truncate(rank, 3000, 2999, false);
    truncate(rank, size_t{2} << 20, 4096, false);
  });
}

TEST_P(TransportConformance, TooLongUnexpectedMessageEndsTheReceiveWithMismatch) {
  ranks(2, [](Rank& rank) {
    truncate(rank, 48, 17, true);
    truncate(rank, size_t{2} << 20, 4096, true);
  });
}

}  // namespace
}  // namespace banyan::conformance
