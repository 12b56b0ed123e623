// SPDX-License-Identifier: Apache-2.0
#include "simulator/fair_share.hpp"

#include <cmath>
#include <functional>
#include <limits>

namespace banyan::simulator {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Rates that differ by less, relatively, are the same.
constexpr double kSameRate = 1e-12;

}  // namespace

FairShare::FairShare(const std::vector<double>& capacities_bytes_per_s) : links_(capacities_bytes_per_s.size()) {
  for (size_t i = 0; i < links_.size(); ++i) {
    links_[i].capacity = capacities_bytes_per_s[i];
  }
}

int FairShare::open(const Route& route, double limit_bytes_per_s) {
  if (free_.empty()) {
    free_.push_back(static_cast<int>(bundles_.size()));
    bundles_.emplace_back();
  }
  const int number = free_.back();
  free_.pop_back();
  Bundle& bundle = bundles_[static_cast<size_t>(number)];
  bundle.route = route;
  bundle.limit = limit_bytes_per_s > 0 ? limit_bytes_per_s : kInfinity;
  bundle.rate = 0;
  bundle.is_new = true;
  new_.push_back(number);
  for (size_t hop = 0; hop < route.links().size(); ++hop) {
    Link& link = links_[static_cast<size_t>(route.links()[hop])];
    bundle.places[hop] = static_cast<uint32_t>(link.crossings.size());
    link.crossings.push_back({static_cast<uint32_t>(number), static_cast<uint32_t>(hop)});
  }
  return number;
}

void FairShare::close(int number) {
  Bundle& bundle = bundles_[static_cast<size_t>(number)];
  for (size_t hop = 0; hop < bundle.route.links().size(); ++hop) {
    Link& link = links_[static_cast<size_t>(bundle.route.links()[hop])];
    const Crossing last = link.crossings.back();
    link.crossings[bundle.places[hop]] = last;
    bundles_[last.bundle].places[last.hop] = bundle.places[hop];
    link.crossings.pop_back();
    if (link.crossings.empty()) {
      link.limits = 0;  // what rounding left of it
    }
  }
  free_.push_back(number);
}

void FairShare::touch(int link) {
  Link& it = links_[static_cast<size_t>(link)];
  if (!it.touched) {
    it.touched = true;
    touched_.push_back(link);
  }
}

void FairShare::add_flow(int number) {
  Bundle& bundle = bundles_[static_cast<size_t>(number)];
  ++bundle.flows;
  for (const int index : bundle.route.links()) {
    Link& link = links_[static_cast<size_t>(index)];
    link.limits += limit_on(link, bundle);
    touch(index);
  }
}

void FairShare::remove_flow(int number) {
  Bundle& bundle = bundles_[static_cast<size_t>(number)];
  --bundle.flows;
  for (const int index : bundle.route.links()) {
    Link& link = links_[static_cast<size_t>(index)];
    link.limits -= limit_on(link, bundle);
    touch(index);
  }
}

const std::vector<int>& FairShare::settle() {
  changed_.clear();
  if (touched_.empty() && new_.empty()) {
    return changed_;
  }
  collect();
  begin_filling();
  fill();
  for (const uint32_t number : visited_) {
    Bundle& bundle = bundles_[number];
    if (bundle.is_new || std::abs(bundle.new_rate - bundle.rate) > kSameRate * bundle.rate) {
      bundle.rate = bundle.new_rate;
      bundle.is_new = false;
      changed_.push_back(static_cast<int>(number));
    }
  }
  return changed_;
}

void FairShare::visit_bundle(uint32_t number) {
  Bundle& bundle = bundles_[number];
  if (bundle.visit != visit_) {
    bundle.visit = visit_;
    visited_.push_back(number);
  }
}

void FairShare::visit_link(int index) {
  Link& link = links_[static_cast<size_t>(index)];
  if (link.visit == visit_) {
    return;
  }
  link.visit = visit_;
  visited_links_.push_back(index);
  for (const Crossing& crossing : link.crossings) {
    visit_bundle(crossing.bundle);
  }
}

/// Bundles whose rates may change: those that are new, those on touched links that are or were tight, and from there on
/// over tight links. A link that its flows cannot fill does not tie their rates to each other.
void FairShare::collect() {
  ++visit_;
  visited_.clear();
  visited_links_.clear();
  for (const int bundle : new_) {
    if (bundles_[static_cast<size_t>(bundle)].flows > 0) {
      visit_bundle(static_cast<uint32_t>(bundle));
    }
  }
  new_.clear();
  for (const int index : touched_) {
    Link& link = links_[static_cast<size_t>(index)];
    const bool tight = can_fill(link);
    for (size_t i = 0; (tight || link.tight) && i < link.crossings.size(); ++i) {
      visit_bundle(link.crossings[i].bundle);
    }
    link.tight = tight;
    link.touched = false;
  }
  touched_.clear();
  for (size_t i = 0; i < visited_.size(); ++i) {
    for (const int link : bundles_[visited_[i]].route.links()) {
      if (links_[static_cast<size_t>(link)].tight) {
        visit_link(link);
      }
    }
  }
}

void FairShare::begin_filling() {
  const auto less_limit = [this](uint32_t a, uint32_t b) { return bundles_[a].limit < bundles_[b].limit; };
  if (!std::is_sorted(visited_.begin(), visited_.end(), less_limit)) {
    std::stable_sort(visited_.begin(), visited_.end(), less_limit);
  }
  for (const int index : visited_links_) {
    links_[static_cast<size_t>(index)].left = links_[static_cast<size_t>(index)].capacity;
    links_[static_cast<size_t>(index)].unsettled = 0;
  }
  for (const uint32_t number : visited_) {
    Bundle& bundle = bundles_[number];
    bundle.settled = false;
    for (const int index : bundle.route.links()) {
      links_[static_cast<size_t>(index)].unsettled += bundle.flows;
    }
  }
  shares_.clear();
  for (const int index : visited_links_) {
    push_share(index);
  }
}

void FairShare::push_share(int index) {
  const Link& link = links_[static_cast<size_t>(index)];
  shares_.push_back({std::max(0.0, link.left) / static_cast<double>(link.unsettled), index});
  std::push_heap(shares_.begin(), shares_.end(), std::greater<>());
}

void FairShare::fix(uint32_t number, double rate) {
  Bundle& bundle = bundles_[number];
  bundle.settled = true;
  bundle.new_rate = rate;
  for (const int index : bundle.route.links()) {
    Link& link = links_[static_cast<size_t>(index)];
    link.left -= rate * static_cast<double>(bundle.flows);
    link.unsettled -= bundle.flows;
  }
}

/// Progressive filling. The shares of links only grow while bundles are fixed, so an old share is too small at worst
/// and is put back when it comes up.
void FairShare::fill() {
  size_t next_limited = 0;
  const auto fix_limited = [&](double up_to) {
    for (; next_limited < visited_.size() && bundles_[visited_[next_limited]].limit <= up_to; ++next_limited) {
      if (!bundles_[visited_[next_limited]].settled) {
        fix(visited_[next_limited], bundles_[visited_[next_limited]].limit);
      }
    }
  };
  while (!shares_.empty()) {
    const Share share = shares_.front();
    fix_limited(share.rate);
    std::pop_heap(shares_.begin(), shares_.end(), std::greater<>());
    shares_.pop_back();
    fill_link(share);
  }
  fix_limited(kInfinity);
}

void FairShare::fill_link(const Share& share) {
  const Link& link = links_[static_cast<size_t>(share.link)];
  if (link.unsettled == 0) {
    return;
  }
  if (link.left > share.rate * static_cast<double>(link.unsettled) * (1 + kSameRate)) {
    push_share(share.link);
    return;
  }
  for (const Crossing& crossing : link.crossings) {
    if (!bundles_[crossing.bundle].settled) {
      fix(crossing.bundle, share.rate);
    }
  }
}

}  // namespace banyan::simulator
