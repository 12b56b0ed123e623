// SPDX-License-Identifier: Apache-2.0
#include "simulator/network.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace banyan::simulator {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kArity = 4;
/// Rates that differ by less, relatively, are the same.
constexpr double kSameRate = 1e-12;

}  // namespace

Network::Network(const std::vector<double>& capacities_bytes_per_s) : links_(capacities_bytes_per_s.size()) {
  for (size_t i = 0; i < links_.size(); ++i) {
    links_[i].capacity = capacities_bytes_per_s[i];
  }
}

void Network::touch(int link) {
  Link& it = links_[static_cast<size_t>(link)];
  if (!it.touched) {
    it.touched = true;
    touched_.push_back(link);
  }
}

int Network::start(const Route& route, double bytes, double limit_bytes_per_s, double now_s, int label) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(flows_.size()));
    flows_.emplace_back();
    index_of_.push_back(0);
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  Flow& flow = flows_[number];
  flow = {.left = bytes,
          .since = now_s,
          .limit = limit_bytes_per_s > 0 ? limit_bytes_per_s : kInfinity,
          .label = label,
          .visit = flow.visit,
          .num_links = static_cast<uint8_t>(route.links().size())};
  for (size_t hop = 0; hop < route.links().size(); ++hop) {
    const int index = route.links()[hop];
    Link& link = links_[static_cast<size_t>(index)];
    if (link.crossings.empty()) {
      link.busy_since = now_s;
      link.limits = 0;
    }
    flow.links[hop] = index;
    flow.places[hop] = static_cast<uint32_t>(link.crossings.size());
    link.crossings.push_back({number, static_cast<uint32_t>(hop)});
    link.limits += limit_on(link, flow);
    link.bytes += bytes;
    touch(index);
  }
  started_.push_back(number);
  return static_cast<int>(number);
}

void Network::detach(Flow& flow, double now_s) {
  for (size_t hop = 0; hop < flow.num_links; ++hop) {
    Link& link = links_[static_cast<size_t>(flow.links[hop])];
    const Crossing last = link.crossings.back();
    link.crossings[flow.places[hop]] = last;
    flows_[last.flow].places[last.hop] = flow.places[hop];
    link.crossings.pop_back();
    link.limits -= limit_on(link, flow);
    if (link.crossings.empty()) {
      link.busy_s += std::max(0.0, now_s - link.busy_since);
    }
    touch(flow.links[hop]);
  }
}

double Network::next_end_s() const noexcept { return by_end_.empty() ? kInfinity : flows_[by_end_.front()].end; }

int Network::end_next(double now_s) {
  const uint32_t number = by_end_.front();
  pop_first();
  detach(flows_[number], now_s);
  free_.push_back(number);
  return flows_[number].label;
}

void Network::settle(double now_s) {
  if (touched_.empty() && started_.empty()) {
    return;
  }
  collect();
  fill();
  apply_rates(now_s);
}

void Network::visit_flow(uint32_t flow) {
  if (flows_[flow].visit != visit_) {
    flows_[flow].visit = visit_;
    index_of_[flow] = static_cast<uint32_t>(visited_.size());
    visited_.push_back(flow);
  }
}

void Network::visit_link(int index) {
  Link& link = links_[static_cast<size_t>(index)];
  if (link.visit == visit_) {
    return;
  }
  link.visit = visit_;
  visited_links_.push_back(index);
  for (const Crossing& crossing : link.crossings) {
    visit_flow(crossing.flow);
  }
}

/// Flows whose rates may change: those that are new, those on touched links that are or were tight, and from there on
/// over tight links. A link that its flows cannot fill does not tie their rates to each other.
void Network::collect() {
  ++visit_;
  visited_.clear();
  visited_links_.clear();
  for (const uint32_t flow : started_) {
    visit_flow(flow);
  }
  started_.clear();
  for (const int index : touched_) {
    Link& link = links_[static_cast<size_t>(index)];
    const bool tight = can_fill(link);
    if (tight || link.tight) {
      for (const Crossing& crossing : link.crossings) {
        visit_flow(crossing.flow);
      }
    }
    link.tight = tight;
    link.touched = false;
  }
  touched_.clear();
  for (size_t i = 0; i < visited_.size(); ++i) {
    const Flow& flow = flows_[visited_[i]];
    for (size_t hop = 0; hop < flow.num_links; ++hop) {
      if (links_[static_cast<size_t>(flow.links[hop])].tight) {
        visit_link(flow.links[hop]);
      }
    }
  }
}

void Network::push_share(int index) {
  const Link& link = links_[static_cast<size_t>(index)];
  shares_.push_back({std::max(0.0, link.left) / static_cast<double>(link.unsettled), index});
  std::push_heap(shares_.begin(), shares_.end(), std::greater<>());
}

void Network::fix(uint32_t number, double rate) {
  Flow& flow = flows_[number];
  flow.settled = true;
  new_rates_[index_of_[number]] = rate;
  for (size_t hop = 0; hop < flow.num_links; ++hop) {
    Link& link = links_[static_cast<size_t>(flow.links[hop])];
    if (link.visit == visit_) {
      link.left -= rate;
      --link.unsettled;
    }
  }
}

/// Progressive filling. The shares of links only grow while flows are fixed, so an old share is too small at worst and
/// is put back when it comes up.
void Network::fill() {
  const auto less_limit = [this](uint32_t a, uint32_t b) { return flows_[a].limit < flows_[b].limit; };
  if (!std::is_sorted(visited_.begin(), visited_.end(), less_limit)) {
    std::stable_sort(visited_.begin(), visited_.end(), less_limit);
    for (size_t i = 0; i < visited_.size(); ++i) {
      index_of_[visited_[i]] = static_cast<uint32_t>(i);
    }
  }
  new_rates_.assign(visited_.size(), kInfinity);
  for (const uint32_t flow : visited_) {
    flows_[flow].settled = false;
  }
  shares_.clear();
  for (const int index : visited_links_) {
    Link& link = links_[static_cast<size_t>(index)];
    link.left = link.capacity;
    link.unsettled = link.crossings.size();
    push_share(index);
  }
  size_t next_limited = 0;
  while (!shares_.empty()) {
    const Share share = shares_.front();
    while (next_limited < visited_.size() && flows_[visited_[next_limited]].limit <= share.rate) {
      const uint32_t flow = visited_[next_limited++];
      if (!flows_[flow].settled) {
        fix(flow, flows_[flow].limit);
      }
    }
    std::pop_heap(shares_.begin(), shares_.end(), std::greater<>());
    shares_.pop_back();
    const Link& link = links_[static_cast<size_t>(share.link)];
    if (link.unsettled == 0) {
      continue;
    }
    if (link.left > share.rate * static_cast<double>(link.unsettled) * (1 + kSameRate)) {
      push_share(share.link);
      continue;
    }
    for (const Crossing& crossing : link.crossings) {
      if (!flows_[crossing.flow].settled) {
        fix(crossing.flow, share.rate);
      }
    }
  }
  for (; next_limited < visited_.size(); ++next_limited) {
    if (!flows_[visited_[next_limited]].settled) {
      new_rates_[next_limited] = flows_[visited_[next_limited]].limit;
    }
  }
}

void Network::apply_rates(double now_s) {
  for (size_t i = 0; i < visited_.size(); ++i) {
    Flow& flow = flows_[visited_[i]];
    const double rate = new_rates_[i];
    const bool is_new = flow.place == kNowhere;
    if (!is_new && std::abs(rate - flow.rate) <= kSameRate * flow.rate) {
      continue;
    }
    if (!is_new && now_s > flow.since) {  // what is new has its rate from its start on
      flow.left = std::max(0.0, flow.left - flow.rate * (now_s - flow.since));
      flow.since = now_s;
    }
    flow.rate = rate;
    flow.end = flow.since + (flow.left > 0 ? flow.left / rate : 0);
    reorder(visited_[i]);
  }
}

bool Network::before(uint32_t a, uint32_t b) const noexcept {
  return flows_[a].end != flows_[b].end ? flows_[a].end < flows_[b].end : a < b;
}

void Network::put(size_t place, uint32_t flow) noexcept {
  by_end_[place] = flow;
  flows_[flow].place = static_cast<uint32_t>(place);
}

void Network::sift_up(size_t place) noexcept {
  const uint32_t flow = by_end_[place];
  while (place > 0 && before(flow, by_end_[(place - 1) / kArity])) {
    put(place, by_end_[(place - 1) / kArity]);
    place = (place - 1) / kArity;
  }
  put(place, flow);
}

void Network::sift_down(size_t place) noexcept {
  const uint32_t flow = by_end_[place];
  while (true) {
    const size_t first = place * kArity + 1;
    if (first >= by_end_.size()) {
      break;
    }
    size_t least = first;
    for (size_t child = first + 1; child < std::min(first + kArity, by_end_.size()); ++child) {
      least = before(by_end_[child], by_end_[least]) ? child : least;
    }
    if (!before(by_end_[least], flow)) {
      break;
    }
    put(place, by_end_[least]);
    place = least;
  }
  put(place, flow);
}

void Network::reorder(uint32_t flow) {
  if (flows_[flow].place == kNowhere) {
    by_end_.push_back(flow);
    flows_[flow].place = static_cast<uint32_t>(by_end_.size() - 1);
  }
  sift_up(flows_[flow].place);
  sift_down(flows_[flow].place);
}

void Network::pop_first() {
  flows_[by_end_.front()].place = kNowhere;
  const uint32_t last = by_end_.back();
  by_end_.pop_back();
  if (!by_end_.empty()) {
    put(0, last);
    sift_down(0);
  }
}

}  // namespace banyan::simulator
