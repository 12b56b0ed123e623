// SPDX-License-Identifier: Apache-2.0
#include "comm/rail_trial.hpp"

#include <algorithm>

namespace banyan::comm {
namespace {

constexpr uint64_t kTag = 1;

}  // namespace

RailTrial::RailTrial(transport::Transport& transport, int rank, const topology::LocalityTree& tree)
    : transport_(transport) {
  const auto hosts = tree.at_tier(topology::Tier::kNode);
  const auto own = std::find(hosts.begin(), hosts.end(), tree.ancestor(rank, topology::Tier::kNode));
  const auto place = static_cast<size_t>(own - hosts.begin());
  const auto ranks_of = [&](size_t host) -> const std::vector<int>& {
    return tree.node(hosts[host % hosts.size()]).ranks;
  };
  // Rank number i of a host sends to number i of the next, round its ranks.
  const auto target = [&](size_t host, size_t index) {
    const auto& next = ranks_of(host + 1);
    return next[index % next.size()];
  };
  const auto& mine = ranks_of(place);
  const auto& before = ranks_of(place + hosts.size() - 1);
  for (size_t index = 0; index < before.size(); ++index) {
    if (target(place + hosts.size() - 1, index) == rank) {
      post(before[index], false);
    }
  }
  post(target(place, static_cast<size_t>(std::find(mine.begin(), mine.end(), rank) - mine.begin())), true);
}

void RailTrial::post(int peer, bool send) {
  banyan_transport_request& request = requests_.emplace_back();
  const banyan_status status = send ? transport_.post_send(peer, &sent_, 1, kTag, &request)
                                    : transport_.post_recv(peer, &received_, 1, kTag, &request);
  state_ = status == BANYAN_OK ? state_ : State::kFailed;
}

RailTrial::State RailTrial::advance() noexcept {
  int events = 0;
  if (state_ == State::kWaiting && transport_.progress(&events) != BANYAN_OK) {
    state_ = State::kFailed;
  }
  bool all = true;
  for (const banyan_transport_request& request : requests_) {
    const bool failed = request.status != BANYAN_OK && request.status != BANYAN_IN_PROGRESS;
    state_ = failed ? State::kFailed : state_;
    all = all && request.status == BANYAN_OK;
  }
  if (state_ == State::kWaiting && all && transport_.flush() == BANYAN_OK) {
    state_ = State::kPassed;
  }
  return state_;
}

}  // namespace banyan::comm
