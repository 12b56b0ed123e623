// SPDX-License-Identifier: Apache-2.0
#include "simulator/network.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace banyan::simulator {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kArity = 4;

}  // namespace

size_t Network::KeyHash::operator()(const Key& key) const noexcept {
  auto hash = std::bit_cast<uint64_t>(key.limit);
  for (const int link : key.route.links()) {
    hash = (hash ^ static_cast<uint64_t>(link)) * 0x9e3779b97f4a7c15ULL;  // 2^64 over the golden ratio
    hash ^= hash >> 32;
  }
  return hash;
}

Network::Network(const std::vector<double>& capacities_bytes_per_s)
    : shares_(capacities_bytes_per_s), use_(capacities_bytes_per_s.size()) {}

double Network::served_at(const Progress& progress, double now_s) noexcept {
  const double elapsed_s = now_s - progress.since;
  return elapsed_s > 0 ? progress.served + progress.rate * elapsed_s : progress.served;
}

void Network::begin_use(const Route& route, double bytes, double now_s) {
  for (const int link : route.links()) {
    Use& use = use_[static_cast<size_t>(link)];
    use.since = use.flows == 0 ? now_s : use.since;
    use.bytes += bytes;
    ++use.flows;
  }
}

void Network::end_use(const Route& route, double now_s) {
  for (const int link : route.links()) {
    Use& use = use_[static_cast<size_t>(link)];
    --use.flows;
    use.busy_s += use.flows == 0 ? std::max(0.0, now_s - use.since) : 0;
  }
}

int Network::start(const Route& route, double bytes, double limit_bytes_per_s, double now_s, int label) {
  const Key key{route, limit_bytes_per_s};
  const auto [found, is_new] = bundles_.try_emplace(key, 0);
  if (is_new) {
    found->second = shares_.open(route, limit_bytes_per_s);
    progress_.resize(std::max(progress_.size(), static_cast<size_t>(found->second) + 1));
    Progress& progress = progress_[static_cast<size_t>(found->second)];
    progress.key = key;
    progress.rate = 0;
    progress.served = 0;
    progress.since = now_s;
  }
  const int bundle = found->second;
  shares_.add_flow(bundle);
  begin_use(route, bytes, now_s);
  Progress& progress = progress_[static_cast<size_t>(bundle)];
  progress.goals.push_back({served_at(progress, now_s) + bytes, next_order_++, label});
  std::push_heap(progress.goals.begin(), progress.goals.end(), std::greater<>());
  if (progress.place != kNowhere) {
    find_end(static_cast<uint32_t>(bundle));
  }
  return bundle;
}

void Network::settle(double now_s) {
  const std::vector<int>& changed = shares_.settle();
  const bool many = changed.size() > by_end_.size() / 4;  // then the heap is built anew, in linear time
  for (const int bundle : changed) {
    // A bundle's rate changes from now on; what is new had its rate from its beginning.
    Progress& progress = progress_[static_cast<size_t>(bundle)];
    if (progress.place == kNowhere) {
      by_end_.push_back(static_cast<uint32_t>(bundle));
      progress.place = static_cast<uint32_t>(by_end_.size() - 1);
    } else {
      progress.served = served_at(progress, now_s);
      progress.since = std::max(progress.since, now_s);
    }
    progress.rate = shares_.rate_bytes_per_s(bundle);
    update_end(progress);
    if (!many) {
      sift(progress.place);
    }
  }
  for (size_t place = many ? by_end_.size() / kArity + 1 : 0; place-- > 0;) {
    if (place < by_end_.size()) {
      sift_down(place);
    }
  }
}

double Network::next_s() const noexcept { return by_end_.empty() ? kInfinity : progress_[by_end_.front()].end; }

int Network::advance(double now_s) {
  const uint32_t bundle = by_end_.front();
  Progress& progress = progress_[bundle];
  const int label = progress.goals.front().label;
  std::pop_heap(progress.goals.begin(), progress.goals.end(), std::greater<>());
  progress.goals.pop_back();
  const auto number = static_cast<int>(bundle);
  end_use(progress.key.route, now_s);
  shares_.remove_flow(number);
  if (!progress.goals.empty()) {
    find_end(bundle);
    return label;
  }
  pop_first();
  bundles_.erase(progress.key);
  shares_.close(number);
  return label;
}

void Network::update_end(Progress& progress) noexcept {
  const double left = std::max(0.0, progress.goals.front().served - progress.served);
  progress.end = progress.since + (left > 0 ? left / progress.rate : 0);
}

void Network::find_end(uint32_t bundle) {
  update_end(progress_[bundle]);
  sift(progress_[bundle].place);
}

void Network::sift(size_t place) noexcept {
  const uint32_t bundle = by_end_[place];
  sift_up(place);
  sift_down(progress_[bundle].place);
}

bool Network::before(uint32_t a, uint32_t b) const noexcept {
  return progress_[a].end != progress_[b].end ? progress_[a].end < progress_[b].end : a < b;
}

void Network::put(size_t place, uint32_t bundle) noexcept {
  by_end_[place] = bundle;
  progress_[bundle].place = static_cast<uint32_t>(place);
}

void Network::sift_up(size_t place) noexcept {
  const uint32_t bundle = by_end_[place];
  while (place > 0 && before(bundle, by_end_[(place - 1) / kArity])) {
    put(place, by_end_[(place - 1) / kArity]);
    place = (place - 1) / kArity;
  }
  put(place, bundle);
}

void Network::sift_down(size_t place) noexcept {
  const uint32_t bundle = by_end_[place];
  while (true) {
    const size_t first = place * kArity + 1;
    if (first >= by_end_.size()) {
      break;
    }
    size_t least = first;
    for (size_t child = first + 1; child < std::min(first + kArity, by_end_.size()); ++child) {
      least = before(by_end_[child], by_end_[least]) ? child : least;
    }
    if (!before(by_end_[least], bundle)) {
      break;
    }
    put(place, by_end_[least]);
    place = least;
  }
  put(place, bundle);
}

void Network::pop_first() {
  progress_[by_end_.front()].place = kNowhere;
  const uint32_t last = by_end_.back();
  by_end_.pop_back();
  if (!by_end_.empty()) {
    put(0, last);
    sift_down(0);
  }
}

}  // namespace banyan::simulator
