// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/shares.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "moe/placement/flow.hpp"

namespace banyan::moe {

Demand::Demand(const std::vector<double>& rows, int num_hosts, int num_experts)
    : num_hosts_(num_hosts),
      num_experts_(num_experts),
      units_(rows.size(), 0),
      load_(static_cast<size_t>(num_experts), 0) {
  const double largest = rows.empty() ? 0 : *std::max_element(rows.begin(), rows.end());
  if (largest <= 0) {
    return;
  }
  double sum = 0;  // of rows by the largest, which can't overflow
  for (const double row : rows) {
    sum += row / largest;
  }
  row_per_unit_ = largest * (sum / static_cast<double>(kUnits));
  for (size_t i = 0; i < rows.size(); ++i) {
    units_[i] = std::llround(rows[i] / largest / sum * static_cast<double>(kUnits));
    load_[i % load_.size()] += units_[i];
    total_ += units_[i];
  }
}

int64_t least_max_load(const Demand& demand, const Replicas& replicas, int num_ranks) {
  const auto experts = static_cast<size_t>(demand.num_experts());
  const auto ranks = static_cast<size_t>(num_ranks);
  const size_t source = experts + ranks;
  const size_t sink = source + 1;
  FlowNetwork network(sink + 1);
  for (size_t expert = 0; expert < experts; ++expert) {
    network.add_edge(source, expert, demand.load(static_cast<int>(expert)));
    for (const int rank : replicas[expert]) {
      network.add_edge(expert, experts + static_cast<size_t>(rank), FlowNetwork::kUnlimited);
    }
  }
  std::vector<size_t> into_sink(ranks);
  for (size_t rank = 0; rank < ranks; ++rank) {
    into_sink[rank] = network.add_edge(experts + rank, sink, 0);
  }
  int64_t level = (demand.total() + num_ranks - 1) / num_ranks;
  for (;;) {
    for (const size_t edge : into_sink) {
      network.set_capacity(edge, level);
    }
    network.reset();
    if (network.maximise(source, sink) == demand.total()) {
      return level;
    }
    const auto stuck = network.reachable(source);
    int64_t load = 0;
    for (size_t expert = 0; expert < experts; ++expert) {
      load += stuck[expert] ? demand.load(static_cast<int>(expert)) : 0;
    }
    const auto holders = std::count(stuck.begin() + static_cast<std::ptrdiff_t>(experts),
                                    stuck.begin() + static_cast<std::ptrdiff_t>(source), true);
    level = std::max(level + 1, (load + holders - 1) / std::max<int64_t>(holders, 1));
  }
}

namespace {

/// The part of the network that belongs to one expert with several replicas: host -> own replicas at cost 0, host ->
/// rack -> its replicas at cost 1, rack -> all -> any replica at cost 2. What meets in `rack` or `all` is told apart
/// afterwards by proportion; at least cost none of it returns to where it came from.
struct ExpertPart {
  int expert = 0;
  std::vector<size_t> own;        ///< [replicas]: edges from the replica's host
  std::vector<size_t> from_rack;  ///< [replicas]
  std::vector<size_t> from_all;   ///< [replicas]
  std::vector<size_t> to_rack;    ///< [hosts]
  std::vector<size_t> to_all;     ///< [racks]
};

class ShareNetwork {
 public:
  ShareNetwork(const Demand& demand, const Replicas& replicas, const planner::Hosts& hosts)
      : demand_(demand),
        replicas_(replicas),
        hosts_(hosts),
        num_ranks_(static_cast<size_t>(hosts.num_ranks())),
        network_(num_ranks_ + 2 + shared_experts() * nodes_per_expert()),
        used_(num_ranks_, 0) {
    size_t first = num_ranks_ + 2;
    for (size_t expert = 0; expert < replicas.size(); ++expert) {
      if (replicas[expert].size() > 1) {
        add(static_cast<int>(expert), first);
        first += nodes_per_expert();
      } else {
        used_[static_cast<size_t>(replicas[expert][0])] += demand.load(static_cast<int>(expert));
      }
    }
  }

  void solve(int64_t level) {
    int64_t rows = demand_.total();
    for (size_t rank = 0; rank < num_ranks_; ++rank) {
      network_.add_edge(rank, sink(), level - used_[rank]);
      rows -= used_[rank];
    }
    const int64_t flow = network_.maximise_cheaply(source(), sink());
    BANYAN_CHECK(flow == rows, std::to_string(flow) + " of " + std::to_string(rows) + " units flow");
  }

  [[nodiscard]] std::vector<std::vector<double>> flows() const {
    std::vector<std::vector<double>> all(replicas_.size());
    for (size_t expert = 0; expert < replicas_.size(); ++expert) {
      if (replicas_[expert].size() == 1) {
        for (int host = 0; host < hosts_.count(); ++host) {
          all[expert].push_back(static_cast<double>(demand_.units(host, static_cast<int>(expert))));
        }
      }
    }
    for (const ExpertPart& part : parts_) {
      all[static_cast<size_t>(part.expert)] = flows_of(part);
    }
    return all;
  }

 private:
  [[nodiscard]] size_t source() const { return num_ranks_; }
  [[nodiscard]] size_t sink() const { return num_ranks_ + 1; }
  [[nodiscard]] size_t nodes_per_expert() const {
    return static_cast<size_t>(hosts_.count()) + static_cast<size_t>(hosts_.num_racks()) + 1;
  }
  [[nodiscard]] size_t shared_experts() const {
    return static_cast<size_t>(
        std::count_if(replicas_.begin(), replicas_.end(), [](const auto& ranks) { return ranks.size() > 1; }));
  }

  void add(int expert, size_t first) {
    const auto racks = first + static_cast<size_t>(hosts_.count());
    const auto all = racks + static_cast<size_t>(hosts_.num_racks());
    ExpertPart part;
    part.expert = expert;
    for (int host = 0; host < hosts_.count(); ++host) {
      const size_t node = first + static_cast<size_t>(host);
      network_.add_edge(source(), node, demand_.units(host, expert));
      part.to_rack.push_back(
          network_.add_edge(node, racks + static_cast<size_t>(hosts_.rack_of_host(host)), FlowNetwork::kUnlimited, 1));
    }
    for (int rack = 0; rack < hosts_.num_racks(); ++rack) {
      part.to_all.push_back(network_.add_edge(racks + static_cast<size_t>(rack), all, FlowNetwork::kUnlimited, 1));
    }
    for (const int rank : replicas_[static_cast<size_t>(expert)]) {
      const auto to = static_cast<size_t>(rank);
      part.own.push_back(
          network_.add_edge(first + static_cast<size_t>(hosts_.host_of(rank)), to, FlowNetwork::kUnlimited));
      part.from_rack.push_back(
          network_.add_edge(racks + static_cast<size_t>(hosts_.rack_of(rank)), to, FlowNetwork::kUnlimited));
      part.from_all.push_back(network_.add_edge(all, to, FlowNetwork::kUnlimited));
    }
    parts_.push_back(std::move(part));
  }

  [[nodiscard]] double flow(size_t edge) const { return static_cast<double>(network_.flow(edge)); }

  [[nodiscard]] double sum(const std::vector<size_t>& edges) const {
    double total = 0;
    for (const size_t edge : edges) {
      total += flow(edge);
    }
    return total;
  }

  /// [hosts, replicas] units.
  [[nodiscard]] std::vector<double> flows_of(const ExpertPart& part) const {
    const std::vector<int>& ranks = replicas_[static_cast<size_t>(part.expert)];
    const double through_all = sum(part.from_all);
    std::vector<double> into_rack(static_cast<size_t>(hosts_.num_racks()), 0);
    for (int host = 0; host < hosts_.count(); ++host) {
      into_rack[static_cast<size_t>(hosts_.rack_of_host(host))] += flow(part.to_rack[static_cast<size_t>(host)]);
    }
    std::vector<double> flows;
    for (int host = 0; host < hosts_.count(); ++host) {
      const auto rack = static_cast<size_t>(hosts_.rack_of_host(host));
      const double leaves = flow(part.to_rack[static_cast<size_t>(host)]);
      const double portion = into_rack[rack] > 0 ? leaves / into_rack[rack] : 0;
      const double beyond = through_all > 0 ? portion * flow(part.to_all[rack]) / through_all : 0;
      for (size_t i = 0; i < ranks.size(); ++i) {
        const bool same_rack = hosts_.rack_of(ranks[i]) == static_cast<int>(rack);
        flows.push_back((hosts_.host_of(ranks[i]) == host ? flow(part.own[i]) : 0) +
                        (same_rack ? portion * flow(part.from_rack[i]) : 0) + beyond * flow(part.from_all[i]));
      }
    }
    return flows;
  }

  const Demand& demand_;
  const Replicas& replicas_;
  const planner::Hosts& hosts_;
  size_t num_ranks_;
  FlowNetwork network_;
  std::vector<int64_t> used_;  ///< [ranks]: units of experts with one replica
  std::vector<ExpertPart> parts_;
};

}  // namespace

Shares share_out(const Demand& demand, const Replicas& replicas, const planner::Hosts& hosts, double slack,
                 int64_t ceiling) {
  Shares shares;
  const int64_t least = least_max_load(demand, replicas, hosts.num_ranks());
  const double loosened = static_cast<double>(least) * (1 + slack);
  shares.max_load = static_cast<int64_t>(std::min(loosened, static_cast<double>(demand.total())));
  if (ceiling > 0) {
    shares.max_load = std::min(shares.max_load, ceiling);
  }
  shares.max_load = std::max(shares.max_load, least);
  ShareNetwork network(demand, replicas, hosts);
  network.solve(shares.max_load);
  shares.flows = network.flows();
  return shares;
}

std::vector<double> normalised(const std::vector<double>& flows, const std::vector<int>& ranks,
                               const planner::Hosts& hosts) {
  const size_t n = ranks.size();
  std::vector<double> totals(n, 0);
  for (size_t i = 0; i < flows.size(); ++i) {
    totals[i % n] += flows[i];
  }
  std::vector<double> shares(flows.size(), 0);
  for (int host = 0; host < hosts.count(); ++host) {
    double* const row = shares.data() + static_cast<size_t>(host) * n;
    std::copy_n(flows.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(host) * n), n, row);
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      sum += row[i];
    }
    for (const int tier : {0, 1, 2}) {
      for (size_t i = 0; i < n && sum == 0; ++i) {
        const bool near = tier == 2 || (tier == 1 ? hosts.rack_of(ranks[i]) == hosts.rack_of_host(host)
                                                  : hosts.host_of(ranks[i]) == host);
        row[i] = near ? totals[i] : 0;
      }
      sum = 0;
      for (size_t i = 0; i < n; ++i) {
        sum += row[i];
      }
    }
    for (size_t i = 0; i < n; ++i) {
      row[i] = sum > 0 ? row[i] / sum : 1.0 / static_cast<double>(n);
    }
  }
  return shares;
}

}  // namespace banyan::moe
