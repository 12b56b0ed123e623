// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/star_exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "bootstrap/bootstrap.hpp"

namespace banyan::bootstrap {
namespace {

/// The root may hold a piece for every rank at a time.
constexpr size_t kPieceBytes = size_t{16} << 10;
static_assert(kPieceBytes <= Channel::kMaxPayloadBytes);

constexpr uint16_t frame_type(StarFrame type) { return static_cast<uint16_t>(type); }

Error ended(int rank) {
  return {BANYAN_ERR_PEER_FAILED, fmt::format("rank {} ended or gave up in the middle of the bootstrap", rank)};
}

Error out_of_order(int rank, uint16_t type) {
  return {BANYAN_ERR_FORMAT,
          fmt::format("rank {} sent a message of type {} where the bootstrap expects none", rank, type)};
}

/// poll_until, ended by the state's cause: a rank that knows it does not come to this exchange any more. Not at once:
/// the exchange may be over, and what it brings, which may be a better cause, on its way.
int poll_heeding(std::span<pollfd> fds, Deadline deadline, const AbortState* state) {
  constexpr int kLookMs = 20;
  constexpr double kPatienceS = 0.5;
  if (state == nullptr) {
    return poll_until(fds, deadline);
  }
  std::optional<Deadline> patience;
  while (true) {
    const int ready = poll_until(fds, deadline, kLookMs);
    if (ready > 0 || deadline.passed()) {
      return ready;
    }
    if (patience && patience->passed()) {
      throw Error(state->status(), state->text());
    }
    if (!patience && state->raised()) {
      patience = Deadline::in(kPatienceS);
    }
  }
}

/// Queues the next piece of `bytes` as a data frame; `queued` counts.
void queue_piece(Channel& channel, Bytes bytes, size_t& queued) {
  const size_t piece = std::min(kPieceBytes, bytes.size() - queued);
  channel.queue(frame_type(StarFrame::kData), bytes.subspan(queued, piece));
  queued += piece;
}

}  // namespace

struct StarRoot::Operation {
  std::span<unsigned char> all;
  std::span<const size_t> sizes;
  double total_s;
  Deadline deadline;
  struct Peer {
    size_t begin = 0;  // of its part
    bool opened = false;
    size_t moved = 0;
  };
  std::vector<Peer> peers;
  int open = 0;  // peers that are not done with the present half
};

void StarRoot::allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) {
  if (failure_) {
    throw *failure_;
  }
  try {
    Operation operation = {.all = {static_cast<unsigned char*>(all), total_size(sizes)},
                           .sizes = sizes,
                           .total_s = deadline.total_s(),
                           .deadline = answer_deadline(deadline),
                           .peers = std::vector<Operation::Peer>(channels_.size())};
    for (size_t rank = 1; rank < sizes.size(); ++rank) {
      operation.peers[rank].begin = operation.peers[rank - 1].begin + sizes[rank - 1];
    }
    if (sizes[0] > 0) {
      std::memcpy(all, mine, sizes[0]);
    }
    collect(operation);
    hand_out(operation);
  } catch (const Error& error) {
    failure_.emplace(error);
    tell_failure(channels_, error);
    throw;
  }
}

void StarRoot::collect(Operation& operation) {
  operation.open = static_cast<int>(channels_.size()) - 1;
  for (int rank = 1; rank < static_cast<int>(channels_.size()); ++rank) {
    take_frames(operation, rank);  // what came together with the frames of the exchange before
  }
  std::vector<pollfd> fds(channels_.size(), {.fd = -1, .events = POLLIN, .revents = 0});
  while (operation.open > 0) {
    for (size_t rank = 1; rank < channels_.size(); ++rank) {
      const Operation::Peer& peer = operation.peers[rank];
      // A rank that is done is watched as well, for its end.
      fds[rank].fd = channels_[rank]->fd();
      fds[rank].events = static_cast<short>(peer.opened && peer.moved == operation.sizes[rank] ? POLLRDHUP : POLLIN);
    }
    if (poll_heeding(fds, operation.deadline, heeded_) == 0) {
      throw missing(operation);
    }
    for (size_t rank = 1; rank < channels_.size(); ++rank) {
      if (fds[rank].revents != 0) {
        Channel& channel = *channels_[rank];
        const IoResult result = channel.receive();
        take_frames(operation, static_cast<int>(rank));
        if (result == IoResult::kClosed) {
          channel.close();
          throw ended(static_cast<int>(rank));
        }
      }
    }
  }
}

void StarRoot::take_frames(Operation& operation, int rank) {
  Operation::Peer& peer = operation.peers[static_cast<size_t>(rank)];
  Channel& channel = *channels_[static_cast<size_t>(rank)];
  const size_t bytes = operation.sizes[static_cast<size_t>(rank)];
  while (!peer.opened || peer.moved < bytes) {
    const auto frame = channel.next();
    if (!frame) {
      return;
    }
    if (frame->type == frame_type(StarFrame::kContribution) && !peer.opened) {
      take_contribution(operation, rank, frame->payload);
    } else if (frame->type == frame_type(StarFrame::kData) && peer.opened &&
               frame->payload.size() <= bytes - peer.moved) {
      const size_t offset = peer.begin + peer.moved;
      std::ranges::copy(frame->payload, operation.all.begin() + static_cast<std::ptrdiff_t>(offset));
      peer.moved += frame->payload.size();
    } else {
      throw out_of_order(rank, frame->type);
    }
    if (peer.opened && peer.moved == bytes) {
      --operation.open;
    }
  }
}

void StarRoot::take_contribution(Operation& operation, int rank, Bytes payload) {
  WireReader reader(payload);
  const uint64_t bytes = reader.u64();
  const uint32_t patience_ms = reader.u32();
  if (!reader.complete()) {
    throw out_of_order(rank, frame_type(StarFrame::kContribution));
  }
  const size_t expected = operation.sizes[static_cast<size_t>(rank)];
  if (bytes != expected) {
    throw Error(BANYAN_ERR_MISMATCH,
                fmt::format("rank {} gives {} bytes to an exchange where rank 0 expects {}", rank, bytes, expected));
  }
  operation.peers[static_cast<size_t>(rank)].opened = true;
  operation.deadline = earlier(operation.deadline, answer_deadline(Deadline::in(patience_ms * 1e-3)));
}

void StarRoot::hand_out(Operation& operation) {
  WireWriter header;
  header.u64(operation.all.size());
  operation.open = static_cast<int>(channels_.size()) - 1;
  for (int rank = 1; rank < static_cast<int>(channels_.size()); ++rank) {
    operation.peers[static_cast<size_t>(rank)].moved = 0;
    channels_[static_cast<size_t>(rank)]->queue(frame_type(StarFrame::kResult), header.result());
    feed(operation, rank);
  }
  std::vector<pollfd> fds(channels_.size(), {.fd = -1, .events = POLLOUT, .revents = 0});
  while (operation.open > 0) {
    for (size_t rank = 1; rank < channels_.size(); ++rank) {
      fds[rank].fd = channels_[rank]->has_output() ? channels_[rank]->fd() : -1;
    }
    if (poll_heeding(fds, operation.deadline, heeded_) == 0) {
      throw missing(operation);
    }
    for (size_t rank = 1; rank < channels_.size(); ++rank) {
      if (fds[rank].revents != 0) {
        feed(operation, static_cast<int>(rank));
      }
    }
  }
}

void StarRoot::feed(Operation& operation, int rank) {
  Operation::Peer& peer = operation.peers[static_cast<size_t>(rank)];
  Channel& channel = *channels_[static_cast<size_t>(rank)];
  while (true) {
    const IoResult result = channel.flush();
    if (result == IoResult::kClosed) {
      channel.close();
      throw ended(rank);
    }
    if (result == IoResult::kBlocked) {
      return;
    }
    if (peer.moved == operation.all.size()) {
      --operation.open;
      return;
    }
    queue_piece(channel, operation.all, peer.moved);
  }
}

Error StarRoot::missing(const Operation& operation) const {
  std::vector<int> absent;
  for (size_t rank = 1; rank < channels_.size(); ++rank) {
    const Operation::Peer& peer = operation.peers[rank];
    if (!peer.opened || channels_[rank]->has_output() || peer.moved < operation.sizes[rank]) {
      absent.push_back(static_cast<int>(rank));
    }
  }
  return {BANYAN_ERR_TIMEOUT, fmt::format("{} of {} did not take part in the bootstrap's exchange within {}",
                                          name_ranks(absent), channels_.size(), name_seconds(operation.total_s))};
}

void StarMember::allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline) {
  if (failure_) {
    throw *failure_;
  }
  try {
    const size_t whole = total_size(sizes);
    contribute({static_cast<const unsigned char*>(mine), sizes[static_cast<size_t>(rank_)]}, deadline);
    take_result({static_cast<unsigned char*>(all), whole}, deadline);
  } catch (const Error& error) {
    failure_.emplace(error);
    channel_.close();  // tells the root
    throw;
  }
}

void StarMember::contribute(Bytes mine, Deadline deadline) {
  WireWriter header;
  header.u64(mine.size()).u32(static_cast<uint32_t>(deadline.remaining_ms()));
  channel_.queue(frame_type(StarFrame::kContribution), header.result());
  size_t queued = 0;
  while (true) {
    const IoResult result = channel_.flush();
    if (result == IoResult::kDone) {
      if (queued == mine.size()) {
        return;
      }
      queue_piece(channel_, mine, queued);
      continue;
    }
    if (result == IoResult::kBlocked) {
      wait(POLLOUT | POLLIN, deadline);
    }
    // The root has nothing to say yet, unless why it ended.
    const IoResult input = channel_.receive();
    if (const auto frame = channel_.next()) {
      throw frame->type == frame_type(StarFrame::kFailure) ? read_failure(frame->payload)
                                                           : out_of_order(0, frame->type);
    }
    if (result == IoResult::kClosed || input == IoResult::kClosed) {
      throw ended(0);
    }
  }
}

void StarMember::take_result(std::span<unsigned char> all, Deadline deadline) {
  bool opened = false;
  size_t received = 0;
  while (!opened || received < all.size()) {
    const auto frame = channel_.next();
    if (!frame) {
      wait(POLLIN, deadline);
      if (channel_.receive() == IoResult::kClosed) {
        throw ended(0);
      }
      continue;
    }
    if (frame->type == frame_type(StarFrame::kFailure)) {
      throw read_failure(frame->payload);
    }
    if (frame->type == frame_type(StarFrame::kResult) && !opened && WireReader(frame->payload).u64() == all.size()) {
      opened = true;
    } else if (frame->type == frame_type(StarFrame::kData) && opened &&
               frame->payload.size() <= all.size() - received) {
      std::ranges::copy(frame->payload, all.begin() + static_cast<std::ptrdiff_t>(received));
      received += frame->payload.size();
    } else {
      throw out_of_order(0, frame->type);
    }
  }
}

void StarMember::wait(short events, Deadline deadline) {
  pollfd one = {.fd = channel_.fd(), .events = events, .revents = 0};
  if (poll_heeding({&one, 1}, deadline, heeded_) == 0) {
    throw Error(BANYAN_ERR_TIMEOUT, fmt::format("rank 0 did not finish the bootstrap's exchange with rank {} within {}",
                                                rank_, name_seconds(deadline.total_s())));
  }
}

}  // namespace banyan::bootstrap
