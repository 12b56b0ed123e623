// SPDX-License-Identifier: Apache-2.0
// Many messages at once: outstanding requests, all pairs, reuse, several communicators.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "conformance.hpp"

namespace banyan::conformance {
namespace {

/// Both ends of a pair compute a message's size and content from these numbers.
struct Message {
  int source;
  int destination;
  size_t index;

  [[nodiscard]] uint64_t seed() const {
    return static_cast<uint64_t>(source) * 1000003 + static_cast<uint64_t>(destination) * 10007 + index;
  }
  [[nodiscard]] size_t size() const {
    std::mt19937_64 random(seed());
    const auto bits = std::uniform_int_distribution<unsigned>(0, kSanitized ? 16 : 19)(random);
    return std::uniform_int_distribution<size_t>(0, size_t{1} << bits)(random);
  }
};

/// One round between all pairs, self included, with receives and sends posted in an order of the rank's own.
void random_round(Rank& rank, Member& member, size_t round, size_t messages_per_pair) {
  struct Post {
    Message message;
    bool is_send;
  };
  std::vector<Post> posts;
  for (int peer = 0; peer < rank.size(); ++peer) {
    for (size_t i = 0; i < messages_per_pair; ++i) {
      const size_t index = round * messages_per_pair + i;
      posts.push_back({{rank.rank(), peer, index}, true});
      posts.push_back({{peer, rank.rank(), index}, false});
    }
  }
  std::shuffle(posts.begin(), posts.end(), std::mt19937_64(round * 100 + static_cast<size_t>(rank.rank())));
  std::vector<std::vector<std::byte>> buffers(posts.size());
  std::vector<Request> requests(posts.size());
  for (size_t i = 0; i < posts.size(); ++i) {
    const Message& message = posts[i].message;
    if (posts[i].is_send) {
      buffers[i] = pattern(message.size(), message.seed());
      member.send(message.destination, not_null(buffers[i]), buffers[i].size(), message.index, requests[i]);
    } else {
      buffers[i].resize(message.size());
      member.receive(message.source, not_null(buffers[i]), buffers[i].size(), message.index, requests[i]);
    }
    if (i % 8 == 0) {
      member.progress();
    }
  }
  member.finish_all(requests);
  for (size_t i = 0; i < posts.size(); ++i) {
    const Message& message = posts[i].message;
    require(has_pattern(buffers[i].data(), message.size(), message.seed()),
            fmt::format("wrong bytes: {} -> {} message {} size {}", message.source, message.destination, message.index,
                        message.size()));
  }
}

TEST_P(TransportConformance, RandomTrafficOfFourRanksArrives) {
  ranks(4, [](Rank& rank) {
    const auto member = rank.join();
    for (size_t round = 0; round < 12; ++round) {
      random_round(rank, *member, round, 6);
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, RandomTrafficOfEightRanksArrives) {
  ranks(8, [](Rank& rank) {
    const auto member = rank.join();
    for (size_t round = 0; round < 4; ++round) {
      random_round(rank, *member, round, 3);
    }
    rank.barrier();
  });
}

void outstanding(Rank& rank, size_t count, size_t size) {
  const auto member = rank.join();
  const int peer = 1 - rank.rank();
  const auto outgoing = pattern(size, 17);
  std::vector<std::byte> incoming(size * count);
  std::vector<Request> requests(2 * count);
  for (size_t i = 0; i < count; ++i) {
    member->receive(peer, incoming.data() + i * size, size, i, requests[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    member->send(peer, outgoing.data(), size, i, requests[count + i]);
  }
  member->finish_all(requests);
  for (size_t i = 0; i < count; ++i) {
    require(has_pattern(incoming.data() + i * size, size, 17), fmt::format("message {} of {} is wrong", i, count));
  }
  rank.barrier();
}

TEST_P(TransportConformance, ThousandsOfSmallMessagesMayBeOutstanding) {
  ranks(2, [](Rank& rank) { outstanding(rank, 5000, 100); });
}

TEST_P(TransportConformance, HundredsOfLargeMessagesMayBeOutstanding) {
  ranks(2, [](Rank& rank) { outstanding(rank, 300, 100000); });
}

TEST_P(TransportConformance, RequestIsReusedThousandsOfTimes) {
  ranks(2, [](Rank& rank) {
    const auto member = rank.join();
    Request request{};
    uint64_t value = 0;
    for (uint64_t turn = 0; turn < 3000; ++turn) {
      const bool sends = static_cast<uint64_t>(rank.rank()) == turn % 2;
      if (sends) {
        value = turn;
        member->send(1 - rank.rank(), &value, sizeof(value), 1, request);
      } else {
        member->receive(1 - rank.rank(), &value, sizeof(value), 1, request);
      }
      require(member->finish(request) == BANYAN_OK, "ping-pong failed");
      require(value == turn, fmt::format("turn {} received {}", turn, value));
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, CommunicatorsDoNotMixTheirMessages) {
  ranks(3, [](Rank& rank) {
    constexpr int kCommunicators = 4;
    std::vector<std::unique_ptr<Member>> members;
    for (int c = 0; c < kCommunicators; ++c) {
      members.push_back(rank.join());
    }
    const int next = (rank.rank() + 1) % rank.size();
    const int previous = (rank.rank() + rank.size() - 1) % rank.size();
    std::vector<Request> requests(2 * kCommunicators);
    std::vector<int> sent(kCommunicators);
    std::vector<int> received(kCommunicators, -1);
    for (size_t c = 0; c < kCommunicators; ++c) {
      sent[c] = rank.rank() * 100 + static_cast<int>(c);
      members[c]->send(next, &sent[c], sizeof(int), 1, requests[c]);
    }
    for (size_t c = kCommunicators; c-- > 0;) {
      members[c]->receive(previous, &received[c], sizeof(int), 1, requests[kCommunicators + c]);
    }
    for (size_t c = 0; c < kCommunicators; ++c) {
      require(members[c]->finish(requests[kCommunicators + c]) == BANYAN_OK, "receive failed");
      require(members[c]->finish(requests[c]) == BANYAN_OK, "send failed");
      require(received[c] == previous * 100 + static_cast<int>(c),
              fmt::format("communicator {} got {}", c, received[c]));
    }
    rank.barrier();
  });
}

TEST_P(TransportConformance, CommunicatorsComeAndGo) {
  ranks(3, [](Rank& rank) {
    for (int c = 0; c < 10; ++c) {
      const auto member = rank.join();
      random_round(rank, *member, static_cast<size_t>(c), 2);
      rank.barrier();
    }
  });
}

}  // namespace
}  // namespace banyan::conformance
