// SPDX-License-Identifier: Apache-2.0
#include "profiler/uplinks.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "comm/communicator.hpp"
#include "profiler/pattern.hpp"

namespace banyan::profiler {
namespace {

/// Other hosts that a host of a rack exchanges data with when the rack's uplinks are measured.
constexpr size_t kMaxPartners = 32;
/// Capacities that differ by more than this are measured again with loads that fit them.
constexpr double kUneven = 1.2;
constexpr double kLeastShare = 1e-6;

size_t at(int index) { return static_cast<size_t>(index); }

std::string round_name(int round) { return "uplinks, round " + std::to_string(round + 1); }
const char* direction_name(Direction direction) { return direction == Direction::kEgress ? " egress" : " ingress"; }
Direction opposite(Direction direction) {
  return direction == Direction::kEgress ? Direction::kIngress : Direction::kEgress;
}
double rate_of(const HostRate& rate, Direction direction) {
  return direction == Direction::kEgress ? rate.egress_bytes_per_s : rate.ingress_bytes_per_s;
}
double each_way(const HostRate& rate) { return std::min(rate.egress_bytes_per_s, rate.ingress_bytes_per_s); }

}  // namespace

UplinkSurvey::UplinkSurvey(Runner& runner, const Results& results, std::vector<const topology::TreeNode*> hosts,
                           std::function<std::vector<HostRate>()> make_rates)
    : runner_(runner), results_(results), hosts_(std::move(hosts)), make_rates_(std::move(make_rates)) {}

const std::vector<HostRate>& UplinkSurvey::rates() const {
  if (rates_.empty()) {
    rates_ = make_rates_();
  }
  return rates_;
}

bool UplinkSurvey::has(const std::string& probe) const {
  const auto found = results_.find(probe);
  return found != results_.end() && !found->second.empty();
}

int UplinkSurvey::num_rounds() const {
  const bool surveyed = num_hosts() >= RackFinder::kLeastHosts && num_hosts() <= kMostHosts;
  return surveyed ? RackFinder::num_rounds(num_hosts()) : 0;
}

std::vector<Probe> UplinkSurvey::rounds() {
  std::vector<Probe> probes;
  for (int round = 0; round < num_rounds(); ++round) {
    probes.push_back(
        {round_name(round), hosts_.size() / 2, [this, round](double target_s) { return run_round(round, target_s); }});
  }
  return probes;
}

/// With the results of the first `num_rounds` rounds.
const RackFinder& UplinkSurvey::finder(int num_rounds) const {
  if (!finder_ || finder_rounds_ > num_rounds) {
    std::vector<double> slower_way;
    for (const HostRate& rate : rates()) {
      slower_way.push_back(each_way(rate));
    }
    finder_.emplace(std::move(slower_way));
    finder_rounds_ = 0;
  }
  for (; finder_rounds_ < num_rounds; ++finder_rounds_) {
    finder_->add({finder_->next_pairs(), results_.at(round_name(finder_rounds_))});
  }
  return *finder_;
}

/// Both ways at once, so that all links are at work in both directions. Each pair's bytes take its NICs equally long.
std::vector<double> UplinkSurvey::run_round(int round, double target_s) {
  const HostPairs pairs = finder(round).next_pairs();
  std::vector<double> alone;
  Flows flows;
  for (const auto& [a, b] : pairs) {
    const int group = static_cast<int>(alone.size());
    alone.push_back(std::min(each_way(rates()[at(a)]), each_way(rates()[at(b)])));
    add_host_flows(flows, hosts_[at(a)]->ranks, hosts_[at(b)]->ranks, alone.back(), group);
    add_host_flows(flows, hosts_[at(b)]->ranks, hosts_[at(a)]->ranks, alone.back(), group);
  }
  normalise(flows);
  std::vector<double> shares = runner_.rates(flows, target_s);
  for (size_t i = 0; i < shares.size(); ++i) {
    shares[i] = std::max(shares[i] / (2 * alone[i]), kLeastShare);
    if (runner_.engine().communicator().rank() == 0) {
      BANYAN_LOG(kDebug, "profiler", "{}: hosts {} and {} at {:.2f} of their rate {:.3g}", round_name(round),
                 pairs[i].first, pairs[i].second, shares[i], alone[i]);
    }
  }
  return shares;
}

Clusters UplinkSurvey::found() const {
  const bool done = num_rounds() > 0 && has(round_name(num_rounds() - 1));
  return done ? finder(num_rounds()).racks() : Clusters{};
}

std::string UplinkSurvey::uplink_name(const std::vector<int>& rack, Direction direction) const {
  return "uplink of " + hosts_[at(rack.front())]->key + direction_name(direction);
}

std::vector<Probe> UplinkSurvey::next_probes() {
  const Clusters racks = found();
  std::vector<Probe> probes = capacity_probes(racks, false);
  const auto is_done = [&](const Probe& probe) { return has(probe.name); };
  if (std::all_of(probes.begin(), probes.end(), is_done)) {
    probes = capacity_probes(racks, true);
  }
  std::erase_if(probes, is_done);
  return probes;
}

int UplinkSurvey::expected_probes() const { return num_rounds() == 0 ? 0 : std::max(8, num_hosts() / 2); }

/// A host alone in its rack has no uplink that can be told from its NICs.
std::vector<Probe> UplinkSurvey::capacity_probes(const Clusters& racks, bool again) {
  std::vector<Probe> probes;
  for (size_t rack = 0; rack < racks.size(); ++rack) {
    for (const Direction direction : {Direction::kEgress, Direction::kIngress}) {
      if (racks[rack].size() > 1) {
        probes.push_back({uplink_name(racks[rack], direction) + (again ? " again" : ""), 1,
                          [this, racks, rack, direction, again](double target_s) {
                            return std::vector{measure(racks, rack, direction, again, target_s)};
                          }});
      }
    }
  }
  return probes;
}

double UplinkSurvey::nics(const std::vector<int>& rack, Direction direction) const {
  double sum = 0;
  for (const int host : rack) {
    sum += rate_of(rates()[at(host)], direction);
  }
  return sum;
}

double UplinkSurvey::unlimited(const std::vector<int>& rack, Direction direction) const {
  std::vector<int> others;
  for (int host = 0; host < num_hosts(); ++host) {
    if (!std::binary_search(rack.begin(), rack.end(), host)) {
      others.push_back(host);
    }
  }
  return std::min(nics(rack, direction), nics(others, opposite(direction)));
}

/// Of two racks the same flows cross one's way out and the other's way in, and measurements rather fall short than
/// exceed.
double UplinkSurvey::capacity(const Clusters& racks, size_t rack, Direction direction) const {
  const double own = measured(racks[rack], direction);
  const bool twice = racks.size() == 2 && racks[0].size() > 1 && racks[1].size() > 1;
  return twice ? std::max(own, measured(racks[1 - rack], opposite(direction))) : own;
}

double UplinkSurvey::measured(const std::vector<int>& rack, Direction direction) const {
  if (rack.size() == 1) {
    return nics(rack, direction);
  }
  const std::string name = uplink_name(rack, direction);
  const double first = results_.at(name).front();
  return has(name + " again") ? std::max(first, results_.at(name + " again").front()) : first;
}

bool UplinkSurvey::differ(const Clusters& racks) const {
  for (const Direction direction : {Direction::kEgress, Direction::kIngress}) {
    std::vector<double> capacities;
    for (const auto& rack : racks) {
      capacities.push_back(measured(rack, direction));
    }
    const auto [least, most] = std::minmax_element(capacities.begin(), capacities.end());
    if (*most > kUneven * *least) {
      return true;
    }
  }
  return false;
}

/// Weights of the hosts outside the rack, 0 for those inside: 1, or again, if racks differ: such that each other rack
/// gets its max-min fair share of what this one can do, lest the slowest hold the others up.
std::vector<double> UplinkSurvey::weights(const Clusters& racks, size_t rack, Direction direction, bool again) const {
  const Direction back = opposite(direction);
  const bool fitted = again && racks.size() > 2 && differ(racks);
  std::vector<double> limits(racks.size());
  for (size_t other = 0; fitted && other < racks.size(); ++other) {
    limits[other] = other == rack ? 0 : measured(racks[other], back);
  }
  const std::vector<double> shares = fair_shares(nics(racks[rack], direction), limits);
  std::vector<double> weights(hosts_.size());
  for (size_t other = 0; other < racks.size(); ++other) {
    const double weight = other == rack ? 0 : fitted ? shares[other] / nics(racks[other], back) : 1;
    for (const int host : racks[other]) {
      weights[at(host)] = weight;
    }
  }
  return weights;
}

double UplinkSurvey::measure(const Clusters& racks, size_t rack, Direction direction, bool again, double target_s) {
  return group_rate(runner_, hosts_, rates(), weights(racks, rack, direction, again), direction, target_s);
}

std::optional<std::vector<cost::InferredRack>> UplinkSurvey::racks() const {
  if (num_hosts() < 2 || num_hosts() > kMostHosts) {
    return std::nullopt;
  }
  std::vector<cost::InferredRack> racks;
  bool any = false;
  const Clusters clusters = found();
  for (size_t i = 0; i < clusters.size(); ++i) {
    cost::InferredRack& rack = racks.emplace_back();
    rack.hosts = clusters[i];
    const auto limit = [&](Direction direction) {
      const double of_uplink = rack.hosts.size() > 1 ? capacity(clusters, i, direction) : 0;
      return of_uplink < RackFinder::kSlow * unlimited(rack.hosts, direction) ? of_uplink : 0;
    };
    rack.egress_bytes_per_s = limit(Direction::kEgress);
    rack.ingress_bytes_per_s = limit(Direction::kIngress);
    any = any || rack.egress_bytes_per_s > 0 || rack.ingress_bytes_per_s > 0;
  }
  return any ? racks : std::vector<cost::InferredRack>{};
}

double group_rate(Runner& runner, const std::vector<const topology::TreeNode*>& hosts,
                  const std::vector<HostRate>& rates, const std::vector<double>& weights, Direction direction,
                  double target_s) {
  std::vector<size_t> inside;
  std::vector<size_t> outside;
  for (size_t host = 0; host < hosts.size(); ++host) {
    (weights[host] > 0 ? outside : inside).push_back(host);
  }
  const size_t step = (outside.size() + kMaxPartners - 1) / kMaxPartners;
  Flows flows;
  for (const size_t host : inside) {
    // Another offset for each host, so that all outside take part where there are more than partners.
    for (size_t i = host % step; i < outside.size(); i += step) {
      const size_t other = outside[i];
      const double weight =
          rate_of(rates[host], direction) * rate_of(rates[other], opposite(direction)) * weights[other];
      const auto& from = direction == Direction::kEgress ? *hosts[host] : *hosts[other];
      const auto& to = direction == Direction::kEgress ? *hosts[other] : *hosts[host];
      add_host_flows(flows, from.ranks, to.ranks, weight, 0);
    }
  }
  normalise(flows);
  return runner.rates(flows, target_s).front();
}

}  // namespace banyan::profiler
