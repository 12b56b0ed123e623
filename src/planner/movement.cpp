// SPDX-License-Identifier: Apache-2.0
#include "planner/movement.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::planner {
namespace {

using schedule::Message;
using schedule::Path;
using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

double over(double amount, double rate) { return rate > 0 ? amount / rate : 0; }

double largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

void add_to(uint64_t& sum, uint64_t bytes) {
  const auto result = checked::add(sum, bytes);
  if (!result) {
    throw Error(BANYAN_ERR_LIMIT, "the exchange moves more than 2^64 - 1 bytes, forwarding and headers included");
  }
  sum = *result;
}

/// Sums of one direction.
struct Flow {
  uint64_t bytes = 0;
  uint64_t messages = 0;

  void add(uint64_t more) {
    add_to(bytes, more);
    ++messages;
  }
};

/// Both directions of a rank, a host, or a subtree's boundary.
struct Both {
  Flow out;
  Flow in;

  [[nodiscard]] double messages() const { return static_cast<double>(std::max(out.messages, in.messages)); }
  [[nodiscard]] double bytes() const { return static_cast<double>(std::max(out.bytes, in.bytes)); }
};

const cost::TierCost& cost_of(const cost::CostModel& model, const Message& message, Tier tier) {
  if (message.path == Path::kMapped) {
    return model.tiers[static_cast<size_t>(Tier::kDomain)];
  }
  return tier <= Tier::kDomain ? model.local_message : model.tiers[static_cast<size_t>(tier)];
}

/// Counts the messages of one step.
class StepCounter {
 public:
  StepCounter(const Situation& situation, const schedule::StagingRule& rule, int step)
      : tree_(situation.tree),
        hosts_(situation.hosts),
        model_(situation.model),
        rule_(rule),
        ranks_(at(tree_.num_ranks())),
        local_s_(ranks_.size()),
        local_copied_(ranks_.size()),
        remote_copied_(ranks_.size()),
        boundaries_(tree_.nodes().size()) {
    load_.step = step;
  }

  void add(const Message& message, uint64_t bytes) {
    const Tier tier = tree_.common_tier(message.from, message.to);
    const cost::TierCost& cost = cost_of(model_, message, tier);
    load_.prediction.latency_s = std::max(load_.prediction.latency_s, cost.alpha_s);
    if (tier > Tier::kNode) {
      slowest_ = cost.overhead_s >= slowest_.overhead_s ? cost : slowest_;
      add_remote(message, bytes);
    } else {
      ++load_.local_messages;
      load_.mapped_messages += message.path == Path::kMapped ? 1 : 0;
      add_to(load_.local_bytes, bytes);
      local_s_[at(message.from)] += cost.overhead_s;
      local_s_[at(message.to)] += cost.overhead_s;
    }
    add_copies(message, bytes, tier > Tier::kNode);
  }

  /// What the step takes alone; adds what crosses boundaries to `links`.
  StepLoad finish(std::vector<LinkLoad>& links) {
    double rank_messages = 0;
    double rank_bytes = 0;
    for (const Both& rank : ranks_) {
      rank_messages = std::max(rank_messages, rank.messages());
      rank_bytes = std::max(rank_bytes, rank.bytes());
    }
    double host_messages = 0;
    for (int host = 0; host < hosts_.count(); ++host) {
      host_messages = std::max(host_messages, boundaries_[at(hosts_.tree_node(host))].messages());
    }
    Prediction& p = load_.prediction;
    p.overhead_s = largest(local_s_);
    if (rank_messages > 0) {
      // Beside messages to other hosts, copies inside the host are work of the same cores, which wires hide.
      p.overhead_s +=
          copy_time(local_copied_) + 2 * std::max(slowest_.overhead_s * (rank_messages - Prediction::kInLatency),
                                                  slowest_.gap_s * (host_messages - Prediction::kInLatency));
      p.copy_s = Prediction::kCopiesNotOverlapped * copy_time(remote_copied_);
    } else {
      p.copy_s = copy_time(local_copied_);
    }
    find_wire(links, over(rank_bytes, slowest_.flow_bytes_per_s));
    return load_;
  }

 private:
  void add_copies(const Message& message, uint64_t bytes, bool remote) {
    std::vector<double>& copied = remote ? remote_copied_ : local_copied_;
    const bool direct = schedule::is_direct(message, rule_);
    if (!direct) {
      copied[at(message.from)] += static_cast<double>(bytes);
    }
    // Inside a host even a direct message is a copy: from the sender's buffer into the receiver's.
    if (direct ? !remote : !schedule::lands_in_place(message, rule_)) {
      copied[at(message.to)] += static_cast<double>(bytes);
    }
  }

  void add_remote(const Message& message, uint64_t bytes) {
    ++load_.remote_messages;
    add_to(load_.remote_bytes, bytes);
    ranks_[at(message.from)].out.add(bytes);
    ranks_[at(message.to)].in.add(bytes);
    for (const Tier tier : {Tier::kNode, Tier::kRack}) {
      const int a = tree_.ancestor(message.from, tier);
      const int b = tree_.ancestor(message.to, tier);
      if (a != b) {
        boundaries_[at(a)].out.add(bytes);
        boundaries_[at(b)].in.add(bytes);
      }
    }
  }

  /// On a rank's core, or on its host's memory, whichever is slower.
  [[nodiscard]] double copy_time(const std::vector<double>& copied) const {
    double of_host = 0;
    for (int host = 0; host < hosts_.count(); ++host) {
      double sum = 0;
      for (const int rank : hosts_.ranks(host)) {
        sum += copied[at(rank)];
      }
      of_host = std::max(of_host, sum);
    }
    return std::max(over(largest(copied), model_.copy_bytes_per_s), over(of_host, model_.host_copy_bytes_per_s));
  }

  void find_wire(std::vector<LinkLoad>& links, double flow_s) {
    Prediction& p = load_.prediction;
    for (LinkLoad& link : links) {
      const Both& boundary = boundaries_[at(link.node)];
      const Flow& flow = link.egress ? boundary.out : boundary.in;
      const double time = over(static_cast<double>(flow.bytes), link.capacity_bytes_per_s);
      if (time > p.wire_s) {
        p.wire_s = time;
        p.busiest = link.name;
      }
      link.messages += flow.messages;
      add_to(link.bytes, flow.bytes);
    }
    if (flow_s > p.wire_s) {
      p.wire_s = flow_s;
      p.busiest = "one rank's flow";
    }
  }

  const topology::LocalityTree& tree_;
  const Hosts& hosts_;
  const cost::CostModel& model_;
  const schedule::StagingRule& rule_;
  StepLoad load_;
  cost::TierCost slowest_{};          ///< of the tiers that the step's messages between hosts are on
  std::vector<Both> ranks_;           ///< to and from other hosts
  std::vector<double> local_s_;       ///< by rank: overhead of messages inside the host
  std::vector<double> local_copied_;  ///< by rank: bytes packed, unpacked or written into mapped memory
  std::vector<double> remote_copied_;
  std::vector<Both> boundaries_;  ///< by tree node: hosts and racks
};

/// The directed boundaries of hosts and racks that something can cross.
std::vector<LinkLoad> links_of(const Situation& situation) {
  std::vector<LinkLoad> links;
  for (size_t i = 0; i < situation.tree.nodes().size(); ++i) {
    const topology::TreeNode& node = situation.tree.nodes()[i];
    const bool crossed =
        (node.tier == Tier::kNode || node.tier == Tier::kRack) && node.ranks.size() < at(situation.tree.num_ranks());
    for (const bool egress : {true, false}) {
      if (crossed) {
        const cost::SubtreeCapacity& capacity = situation.model.subtrees.at(i);
        links.push_back({.node = static_cast<int>(i),
                         .egress = egress,
                         .name = node.name + (egress ? " egress" : " ingress"),
                         .capacity_bytes_per_s = egress ? capacity.egress_bytes_per_s : capacity.ingress_bytes_per_s});
      }
    }
  }
  return links;
}

}  // namespace

Movement count_movement(const Situation& situation, const schedule::Schedule& schedule,
                        std::span<const uint64_t> message_bytes, const schedule::StagingRule& rule) {
  BANYAN_CHECK(message_bytes.size() == schedule.messages.size(), "a size for each message");
  Movement movement;
  movement.links = links_of(situation);
  for (size_t i = 0; i < schedule.messages.size();) {
    const int step = schedule.messages[i].step;
    StepCounter counter(situation, rule, step);
    for (; i < schedule.messages.size() && schedule.messages[i].step == step; ++i) {
      counter.add(schedule.messages[i], message_bytes[i]);
    }
    movement.steps.push_back(counter.finish(movement.links));
  }
  double slowest = 0;
  for (LinkLoad& link : movement.links) {
    link.time_s = over(static_cast<double>(link.bytes), link.capacity_bytes_per_s);
    slowest = std::max(slowest, link.time_s);
  }
  for (LinkLoad& link : movement.links) {
    link.share = over(link.time_s, slowest);
  }
  return movement;
}

std::vector<LinkLoad> busiest_links(const Movement& movement, size_t most) {
  std::vector<LinkLoad> links = movement.links;
  std::erase_if(links, [](const LinkLoad& link) { return link.time_s <= 0; });
  std::stable_sort(links.begin(), links.end(),
                   [](const LinkLoad& a, const LinkLoad& b) { return a.time_s > b.time_s; });
  links.resize(std::min(links.size(), most));
  return links;
}

}  // namespace banyan::planner
