// SPDX-License-Identifier: Apache-2.0
#include "profiler/survey.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "comm/communicator.hpp"
#include "cost/inferred_racks.hpp"
#include "profiler/copy_rate.hpp"
#include "profiler/domain.hpp"
#include "topology/racks.hpp"

namespace banyan::profiler {
namespace {

using topology::Tier;
using topology::TreeNode;

constexpr const char* kCopy = "copy";
constexpr const char* kDomain = "domain";
constexpr const char* kLocalMessage = "local_message";
/// Other hosts that take part when one host's NIC is measured; more of them cannot make it faster.
constexpr int kMaxPartners = 32;
/// Messages per rank up to which the per-message time is measured: past it, windows and queues change the picture.
constexpr int kMaxMessages = 16;
/// Partners whose rates differ by more than this get shares that fit them in a second run.
constexpr double kUneven = 1.2;

std::string round_name(size_t round, bool back) {
  return "host pairs, round " + std::to_string(round + 1) + (back ? ", back" : "");
}
std::string latency_name(const std::string& tier) { return tier + " latency"; }
std::string flow_name(const std::string& tier) { return tier + " flow"; }

/// At each end; 0 if it cannot be told.
double per_message(double extra_s, int messages) { return messages > 0 ? extra_s / (2.0 * messages) : 0; }

std::vector<const TreeNode*> nodes_at(const topology::LocalityTree& tree, Tier tier) {
  std::vector<const TreeNode*> nodes;
  for (const int index : tree.at_tier(tier)) {
    nodes.push_back(&tree.node(index));
  }
  return nodes;
}

Flows reversed(Flows flows) {
  for (Flow& flow : flows) {
    std::swap(flow.from, flow.to);
  }
  return flows;
}

}  // namespace

Survey::Survey(Runner& runner, const Results& results)
    : runner_(runner),
      results_(results),
      comm_(runner.engine().communicator()),
      tree_(comm_.tree()),
      hosts_(nodes_at(tree_, Tier::kNode)),
      racks_(nodes_at(tree_, Tier::kRack)),
      rounds_(tournament(static_cast<int>(hosts_.size()))),
      infers_(racks_.size() == 1 && racks_.front()->key == topology::kFabricKey),
      uplinks_(runner, results, hosts_, [this] { return nic_rates(); }) {
  find_targets();
}

void Survey::find_targets() {
  for (const int index : tree_.at_tier(Tier::kDomain)) {
    const auto& members = tree_.node(index).ranks;
    if (members.size() > 1) {
      targets_.push_back({.name = kLocalMessage, .tier = Tier::kDomain, .a = members[0], .b = members[1]});
      break;
    }
  }
  for (const Tier tier : {Tier::kNode, Tier::kRack, Tier::kCluster}) {
    add_target(topology::tier_name(tier), tier);
  }
}

void Survey::add_target(const char* name, Tier tier) {
  for (const int index : tree_.at_tier(tier)) {
    const auto& children = tree_.node(index).children;
    if (children.size() > 1) {
      targets_.push_back({.name = name,
                          .tier = tier,
                          .a = tree_.node(children[0]).ranks.front(),
                          .b = tree_.node(children[1]).ranks.front()});
      return;
    }
  }
}

std::vector<Probe> Survey::probes() {
  std::vector<Probe> probes;
  probes.push_back({kCopy, 2, [this](double target_s) {
                      const CopyRates rates = measure_copies(runner_, target_s);
                      return std::vector{rates.one_core, rates.whole_host};
                    }});
  if (has_mapped_domain(comm_)) {
    probes.push_back({kDomain, 3, [this](double target_s) {
                        const cost::TierCost cost = measure_domain(runner_, target_s);
                        return std::vector{cost.alpha_s, cost.overhead_s, cost.flow_bytes_per_s};
                      }});
  }
  for (const Target& target : targets_) {
    probes.push_back({latency_name(target.name), size_t{target.tier >= Tier::kRack ? 3U : 2U},
                      [this, target](double target_s) { return message_costs(target, target_s); }});
  }
  add_pair_probes(probes);
  for (const Target& target : targets_) {
    probes.push_back({flow_name(target.name), 1,
                      [this, target](double target_s) { return std::vector{flow_rate(target, target_s)}; }});
  }
  add_capacity_probes(probes);
  if (infers_ && num_hosts() > UplinkSurvey::kMostHosts && comm_.rank() == 0) {
    BANYAN_LOG(kWarn, "profiler", "{} hosts: shared uplinks are looked for among at most {}", num_hosts(),
               UplinkSurvey::kMostHosts);
  }
  if (infers_) {
    const auto rounds = uplinks_.rounds();
    probes.insert(probes.end(), rounds.begin(), rounds.end());
  }
  return probes;
}

std::vector<Probe> Survey::next_probes() { return infers_ ? uplinks_.next_probes() : std::vector<Probe>{}; }

void Survey::add_pair_probes(std::vector<Probe>& probes) {
  for (size_t round = 0; round < rounds_.size(); ++round) {
    for (const bool back : {false, true}) {
      probes.push_back({round_name(round, back), rounds_[round].size(), [this, round, back](double target_s) {
                          Flows flows;
                          int group = 0;
                          for (const auto& [from, to] : round_pairs(round, back)) {
                            add_host_flows(flows, ranks(from), ranks(to), 1, group++);
                          }
                          normalise(flows);
                          return runner_.rates(flows, target_s);
                        }});
    }
  }
}

void Survey::add_capacity_probes(std::vector<Probe>& probes) {
  const auto add = [&](const std::string& name, double (Survey::*rate)(int, Direction, double), int index,
                       Direction direction) {
    probes.push_back({name + (direction == Direction::kEgress ? " egress" : " ingress"), 1,
                      [this, rate, index, direction](double target_s) {
                        return std::vector{(this->*rate)(index, direction, target_s)};
                      }});
  };
  constexpr std::array kBoth = {Direction::kEgress, Direction::kIngress};
  for (const Direction direction : kBoth) {
    // Of two hosts, the pair's rates say all.
    for (int host = 0; num_hosts() > 2 && host < num_hosts(); ++host) {
      add("host " + hosts_[static_cast<size_t>(host)]->key, &Survey::host_rate, host, direction);
    }
  }
  // Racks after all hosts: how a rack is loaded follows from what its hosts and the others can do.
  for (const Direction direction : kBoth) {
    for (size_t rack = 0; racks_.size() > 1 && rack < racks_.size(); ++rack) {
      add("rack " + racks_[rack]->key, &Survey::rack_rate, static_cast<int>(rack), direction);
    }
  }
}

std::vector<std::pair<int, int>> Survey::round_pairs(size_t round, bool back) const {
  auto pairs = rounds_[round];
  for (auto& [from, to] : pairs) {
    if (back) {
      std::swap(from, to);
    }
  }
  return pairs;
}

std::vector<double> Survey::host_pairs() const {
  std::vector<double> rates(hosts_.size() * hosts_.size());
  for (size_t round = 0; round < rounds_.size(); ++round) {
    for (const bool back : {false, true}) {
      size_t index = 0;
      for (const auto& [from, to] : round_pairs(round, back)) {
        rates[static_cast<size_t>(from) * hosts_.size() + static_cast<size_t>(to)] =
            number(round_name(round, back), index++);
      }
    }
  }
  return rates;
}

/// Alpha, o and g. Messages between hosts pass through what the ranks of a host share, so o is that of one rank with
/// all others idle, and g that of a host with all ranks at work; inside a host o is that of ranks all at work.
std::vector<double> Survey::message_costs(const Target& target, double target_s) {
  const bool between_hosts = target.tier >= Tier::kRack;
  const double part_s = target_s / (between_hosts ? 3 : 2);
  const double alpha_s = runner_.one_way_s(target.a, target.b, part_s);
  const auto all = message_patterns(tree_, target.tier, kMaxMessages);
  const double all_s = runner_.extra_s(all, part_s);
  double overhead_s = per_message(all_s, all.extra().rank);
  if (overhead_s == 0) {
    overhead_s = runner_.stream_s(target.a, target.b);
  }
  if (!between_hosts) {
    return {alpha_s, overhead_s};
  }
  // Where ranks share cores, those that wait delay the one at work: no slower than among ranks that all work.
  const auto one = one_rank_patterns(tree_, target.tier, target.a, kMaxMessages);
  const double one_s = per_message(runner_.extra_s(one, part_s), one.extra().rank);
  overhead_s = one_s > 0 ? std::min(one_s, overhead_s) : overhead_s;
  // With one rank a host g is o. Where noise hides it o is its bound: no rank passes faster what its host passes.
  const double gap_s = per_message(all_s, all.extra().host);
  return {alpha_s, overhead_s, gap_s > 0 ? gap_s : overhead_s};
}

/// One flow alone: of hosts, between the pair that was the fastest, since slow NICs are capacities of their hosts.
double Survey::flow_rate(const Target& target, double target_s) {
  int a = target.a;
  int b = target.b;
  const std::vector<double> pairs = host_pairs();
  double fastest = 0;
  for (int from = 0; target.tier >= Tier::kRack && from < num_hosts(); ++from) {
    for (int to = 0; to < num_hosts(); ++to) {
      const double rate = pairs[static_cast<size_t>(from) * hosts_.size() + static_cast<size_t>(to)];
      if (rate > fastest && tree_.common_tier(ranks(from).front(), ranks(to).front()) == target.tier) {
        fastest = rate;
        a = ranks(from).front();
        b = ranks(to).front();
      }
    }
  }
  return runner_.rates({{.from = a, .to = b}}, target_s).front();
}

double Survey::host_rate(int host, Direction direction, double target_s) {
  const bool egress = direction == Direction::kEgress;
  const std::vector<int> others = partners(num_hosts(), host, kMaxPartners);
  const std::vector<double> pairs = host_pairs();
  std::vector<double> limits;
  for (const int other : others) {
    const auto from = static_cast<size_t>(egress ? host : other);
    const auto to = static_cast<size_t>(egress ? other : host);
    limits.push_back(pairs[from * hosts_.size() + to]);
  }
  const auto measure = [&](const std::vector<double>& shares, double time_s) {
    Flows flows;
    for (size_t i = 0; i < others.size(); ++i) {
      add_host_flows(flows, ranks(host), ranks(others[i]), shares[i], 0);
    }
    normalise(flows);
    return runner_.rates(egress ? flows : reversed(flows), time_s).front();
  };
  const auto [slowest, fastest] = std::minmax_element(limits.begin(), limits.end());
  // What a partner got alone was the host's too, so no rate is below it.
  if (*fastest <= kUneven * *slowest) {
    return std::max(measure(limits, target_s), *fastest);
  }
  // Shares in proportion to what partners take leave the fast ones behind if the host is the limit; max-min fair
  // shares of what the first run reached do not.
  const double first = measure(limits, target_s / 2);
  const double second = measure(fair_shares(first, limits), target_s / 2);
  return std::max({first, second, *fastest});
}

double Survey::host_capacity(int host, Direction direction) const {
  if (num_hosts() > 2) {
    return number("host " + hosts_[static_cast<size_t>(host)]->key +
                  (direction == Direction::kEgress ? " egress" : " ingress"));
  }
  const std::vector<double> pairs = host_pairs();
  const int other = 1 - host;
  return direction == Direction::kEgress ? pairs[static_cast<size_t>(host * 2 + other)]
                                         : pairs[static_cast<size_t>(other * 2 + host)];
}

/// All hosts of a rack with hosts of the others, each pair in proportion to what both can do.
double Survey::rack_rate(int rack, Direction direction, double target_s) {
  std::vector<double> outside(hosts_.size());
  for (int host = 0; host < num_hosts(); ++host) {
    const bool inside = tree_.ancestor(ranks(host).front(), Tier::kRack) ==
                        tree_.ancestor(racks_[static_cast<size_t>(rack)]->ranks.front(), Tier::kRack);
    outside[static_cast<size_t>(host)] = inside ? 0 : 1;
  }
  return group_rate(runner_, hosts_, host_capacities(), outside, direction, target_s);
}

std::vector<HostRate> Survey::host_capacities() const {
  std::vector<HostRate> rates;
  for (int host = 0; host < num_hosts(); ++host) {
    rates.push_back({host_capacity(host, Direction::kEgress), host_capacity(host, Direction::kIngress)});
  }
  return rates;
}

/// The most that was seen of each host: with a slow uplink, what its neighbours in the rack got or gave.
std::vector<HostRate> Survey::nic_rates() const {
  std::vector<HostRate> rates = host_capacities();
  const std::vector<double> pairs = host_pairs();
  for (size_t from = 0; from < hosts_.size(); ++from) {
    for (size_t to = 0; to < hosts_.size(); ++to) {
      const double rate = pairs[from * hosts_.size() + to];
      rates[from].egress_bytes_per_s = std::max(rates[from].egress_bytes_per_s, rate);
      rates[to].ingress_bytes_per_s = std::max(rates[to].ingress_bytes_per_s, rate);
    }
  }
  return rates;
}

cost::TierCost Survey::tier_cost(const Target& target) const {
  return {.alpha_s = number(latency_name(target.name), 0),
          .overhead_s = number(latency_name(target.name), 1),
          .gap_s = target.tier >= Tier::kRack ? number(latency_name(target.name), 2) : 0,
          .flow_bytes_per_s = number(flow_name(target.name)),
          .measured = true};
}

/// The racks that the profile in use inferred, with what was measured of them now.
std::vector<cost::InferredRack> Survey::known_racks() const {
  std::vector<cost::InferredRack> racks;
  for (const TreeNode* rack : racks_) {
    if (racks_.size() == 1) {
      break;  // a part of one rack: its uplinks have no other end here
    }
    cost::InferredRack& known = racks.emplace_back();
    for (int host = 0; host < num_hosts(); ++host) {
      if (std::binary_search(rack->ranks.begin(), rack->ranks.end(), ranks(host).front())) {
        known.hosts.push_back(host);
      }
    }
    known.egress_bytes_per_s = number("rack " + rack->key + " egress");
    known.ingress_bytes_per_s = number("rack " + rack->key + " ingress");
  }
  return racks;
}

cost::Profile Survey::profile() const {
  cost::Profile profile;
  profile.transport = comm_.transports();
  profile.num_ranks = comm_.size();
  profile.copy_bytes_per_s = number(kCopy, 0);
  profile.host_copy_bytes_per_s = number(kCopy, 1);
  profile.tiers[static_cast<size_t>(Tier::kSelf)] = {.flow_bytes_per_s = profile.copy_bytes_per_s, .measured = true};
  if (results_.count(kDomain) > 0) {
    profile.tiers[static_cast<size_t>(Tier::kDomain)] = {.alpha_s = number(kDomain, 0),
                                                         .overhead_s = number(kDomain, 1),
                                                         .flow_bytes_per_s = number(kDomain, 2),
                                                         .measured = true};
  }
  for (const Target& target : targets_) {
    (target.name == kLocalMessage ? profile.local_message : profile.tiers[static_cast<size_t>(target.tier)]) =
        tier_cost(target);
  }
  const auto describe = [](const TreeNode& node, double egress, double ingress) {
    return cost::HostProfile{node.key, node.name, static_cast<int>(node.ranks.size()), egress, ingress};
  };
  for (int host = 0; host < num_hosts(); ++host) {
    const bool several = num_hosts() > 1;
    profile.hosts.push_back(describe(*hosts_[static_cast<size_t>(host)],
                                     several ? host_capacity(host, Direction::kEgress) : 0,
                                     several ? host_capacity(host, Direction::kIngress) : 0));
  }
  if (infers_) {
    profile.inferred_racks = uplinks_.racks();
  } else if (cost::is_inferred_rack_key(racks_.front()->key)) {
    profile.inferred_racks = known_racks();
  }
  for (const TreeNode* rack : racks_) {
    if (racks_.size() > 1 && !profile.inferred_racks) {
      profile.racks.push_back(
          describe(*rack, number("rack " + rack->key + " egress"), number("rack " + rack->key + " ingress")));
    }
  }
  if (num_hosts() > 1) {
    profile.host_pair_bytes_per_s = host_pairs();
  }
  return profile;
}

}  // namespace banyan::profiler
