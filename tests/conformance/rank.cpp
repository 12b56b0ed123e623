// SPDX-License-Identifier: Apache-2.0
#include "rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <thread>

namespace banyan::conformance {
namespace {

constexpr uint64_t kCommIdBase = UINT64_C(0x5eed000000000000);

}  // namespace

void require(bool condition, const std::string& what, std::source_location where) {
  if (!condition) {
    throw RankFailure(fmt::format("{}:{}: {}", where.file_name(), where.line(), what));
  }
}

Member::Member(Rank& rank, int communicator) : rank_(rank) {
  transport_ = std::make_unique<transport::Transport>(rank.ops(), rank.config(communicator));
  const auto addresses = rank.allgather(transport_->address());
  for (int peer = 0; peer < rank.size(); ++peer) {
    const std::string& address = addresses[static_cast<size_t>(peer)];
    require(transport_->is_reachable(peer, address),
            fmt::format("peer {} is not reachable: {}", peer, transport_->last_error()));
    transport_->connect(peer, address);
  }
  rank_.members_.push_back(this);
}

Member::~Member() {
  std::erase(rank_.members_, this);
  if (std::uncaught_exceptions() > 0) {
    // The exam failed and its buffers are gone; closing could use them and hide the failure behind a crash.
    (void)transport_.release();
  }
}

void Member::send(int peer, const void* buffer, size_t size, uint64_t tag, Request& request) {
  request = Request{};
  const banyan_status status = transport_->post_send(peer, buffer, size, tag, &request);
  require(status == BANYAN_OK, fmt::format("post_send to {} size {}: {}", peer, size, transport_->last_error()));
}

void Member::receive(int peer, void* buffer, size_t size, uint64_t tag, Request& request) {
  request = Request{};
  const banyan_status status = transport_->post_recv(peer, buffer, size, tag, &request);
  require(status == BANYAN_OK, fmt::format("post_recv from {} size {}: {}", peer, size, transport_->last_error()));
}

void Member::progress() {
  int events = -1;
  const banyan_status status = transport_->progress(&events);
  require(status == BANYAN_OK, fmt::format("progress: {}", transport_->last_error()));
  require(events >= 0, "progress did not set its number of events");
  if (events == 0) {
    std::this_thread::yield();
  }
}

banyan_status Member::finish(Request& request, std::source_location where) {
  while (request.status == BANYAN_IN_PROGRESS) {
    progress();
    rank_.check_deadline(where);
  }
  return request.status;
}

void Member::finish_all(std::vector<Request>& requests, std::source_location where) {
  for (Request& request : requests) {
    const banyan_status status = finish(request, where);
    require(status == BANYAN_OK,
            fmt::format("request with peer {} ended with {}: {}", request.peer, static_cast<int>(status),
                        transport_->last_error()),
            where);
  }
}

Rank::Rank(const TransportUnderTest& subject, Exchange& exchange, int rank, std::function<void*(int)> host_context)
    : subject_(subject),
      exchange_(exchange),
      rank_(rank),
      host_context_(std::move(host_context)),
      ops_(subject.table()),
      deadline_(Deadline::in(kExamSeconds)) {}

banyan_transport_config Rank::config(int communicator) const {
  banyan_transport_config config{};
  config.struct_size = sizeof(config);
  config.rank = rank_;
  config.size = size();
  config.comm_id = kCommIdBase + static_cast<uint64_t>(communicator);
  config.timeout_s = 10;
  config.host_context = host_context_(communicator);
  return config;
}

std::unique_ptr<Member> Rank::join() { return std::make_unique<Member>(*this, communicators_++); }

void Rank::idle() {
  check_deadline();
  for (Member* member : members_) {
    if (member->transport_ != nullptr) {
      member->progress();
    }
  }
  std::this_thread::yield();
}

void Rank::barrier() {
  exchange_.barrier(rank_, [this] { idle(); });
}

std::vector<std::string> Rank::allgather(const std::string& bytes) {
  return exchange_.allgather(rank_, bytes, [this] { idle(); });
}

void Rank::check_deadline(std::source_location where) const {
  require(!exchange_.any_failed(), "another rank failed", where);
  require(!deadline_.passed(), fmt::format("not finished after {} s", kExamSeconds), where);
}

void Rank::die() {
  exchange_.leave(rank_);
  std::raise(SIGKILL);
  std::abort();
}

}  // namespace banyan::conformance
