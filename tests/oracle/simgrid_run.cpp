// SPDX-License-Identifier: Apache-2.0
#include "simgrid_run.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <map>
#include <simgrid/s4u.hpp>
#include <stdexcept>
#include <string>

namespace banyan::oracle {
namespace {

namespace sg = simgrid::s4u;
using schedule::Message;
using topology::LocalityTree;
using topology::Tier;

/// The engine and its machines: a host of SimGrid for each of the tree's.
class Platform {
 public:
  Platform(const LocalityTree& tree, const cost::CostModel& model) : tree_(tree), model_(model) {
    std::array<std::string, 9> arguments = {"oracle",
                                            "--log=root.thres:critical",
                                            "--cfg=network/model:CM02",
                                            "--cfg=network/crosstraffic:0",
                                            "--cfg=network/TCP-gamma:0",
                                            "--cfg=network/weight-S:0",
                                            "--cfg=network/latency-factor:1",
                                            "--cfg=network/bandwidth-factor:1",
                                            "--cfg=maxmin/concurrency-limit:-1"};
    std::array<char*, 10> argv{};
    for (size_t i = 0; i < arguments.size(); ++i) {
      argv[i] = arguments[i].data();
    }
    int argc = static_cast<int>(arguments.size());
    engine_ = std::make_unique<sg::Engine>(&argc, argv.data());
    zone_ = sg::create_full_zone("cluster");
    const std::vector<int> hosts = tree.at_tier(Tier::kNode);
    for (const int host : hosts) {
      hosts_[host] = zone_->create_host("host" + std::to_string(host), 1e9)->seal();
    }
    for (const int from : hosts) {
      for (const int to : hosts) {
        if (from != to) {
          add_route(from, to);
        }
      }
    }
    zone_->seal();
  }

  [[nodiscard]] sg::Host* host_of(int rank) const { return hosts_.at(tree_.ancestor(rank, Tier::kNode)); }
  void run() { engine_->run(); }

 private:
  /// One direction of a subtree's boundary; nullptr: no limit.
  sg::Link* link(int subtree, bool egress) {
    const auto& capacity = model_.subtrees[static_cast<size_t>(subtree)];
    const double rate = egress ? capacity.egress_bytes_per_s : capacity.ingress_bytes_per_s;
    if (rate <= 0) {
      return nullptr;
    }
    sg::Link*& found = links_[{subtree, egress}];
    if (found == nullptr) {
      found = zone_->create_link("link" + std::to_string(subtree) + (egress ? "out" : "in"), rate)->seal();
    }
    return found;
  }

  /// A link that each flow has to itself, for latency and flow limit (SimGrid 3.32 ignores Comm::set_rate here).
  sg::Link* own_link(int from, int to, const cost::TierCost& tier) {
    constexpr double kNoLimit = 1e15;
    const double rate = tier.flow_bytes_per_s > 0 ? tier.flow_bytes_per_s : kNoLimit;
    sg::Link* made = zone_->create_link("own" + std::to_string(from) + "-" + std::to_string(to), rate);
    return made->set_sharing_policy(sg::Link::SharingPolicy::FATPIPE)->set_latency(tier.alpha_s)->seal();
  }

  void add_route(int from, int to) {
    const int from_rack = tree_.node(from).parent;
    const int to_rack = tree_.node(to).parent;
    const Tier tier = from_rack == to_rack ? Tier::kRack : Tier::kCluster;
    std::vector<sg::LinkInRoute> route;
    const auto add = [&](sg::Link* part) {
      if (part != nullptr) {
        route.emplace_back(part);
      }
    };
    add(own_link(from, to, model_.tiers[static_cast<size_t>(tier)]));
    add(link(from, true));
    if (from_rack != to_rack) {
      add(link(from_rack, true));
      add(link(to_rack, false));
    }
    add(link(to, false));
    zone_->add_route(hosts_[from]->get_netpoint(), hosts_[to]->get_netpoint(), nullptr, nullptr, route, false);
  }

  const LocalityTree& tree_;
  const cost::CostModel& model_;
  std::unique_ptr<sg::Engine> engine_;
  sg::NetZone* zone_ = nullptr;
  std::map<int, sg::Host*> hosts_;  ///< by node of the tree
  std::map<std::pair<int, bool>, sg::Link*> links_;
};

/// Issues the messages of all ranks as they become ready.
class Driver {
 public:
  Driver(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes, const Platform& platform)
      : schedule_(schedule), sizes_(sizes), platform_(platform), in_flight_(static_cast<size_t>(schedule.num_ranks)) {
    for (const Message& message : schedule.messages) {
      size_t missing = 0;
      for (const auto& block : message.blocks) {
        missing += block.src != message.from ? 1 : 0;
      }
      missing_blocks_.push_back(missing);
      issued_.push_back(false);
    }
  }

  void operator()() {
    issue();
    while (!flying_.empty()) {
      const auto place = static_cast<size_t>(sg::Comm::wait_any(flying_));
      const size_t done = numbers_[place];
      flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(place));
      numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(place));
      complete(schedule_.messages[done]);
      issue();
    }
    end_s_ = sg::Engine::get_clock();
    complete_ = std::find(issued_.begin(), issued_.end(), false) == issued_.end();
  }

  [[nodiscard]] double end_s() const { return complete_ ? end_s_ : -1; }

 private:
  /// In the order of the schedule, which is each rank's.
  void issue() {
    for (size_t i = 0; i < schedule_.messages.size(); ++i) {
      const Message& message = schedule_.messages[i];
      int& in_flight = in_flight_[static_cast<size_t>(message.from)];
      if (issued_[i] || missing_blocks_[i] > 0 || (schedule_.window > 0 && in_flight >= schedule_.window)) {
        continue;
      }
      uint64_t bytes = 0;
      for (const auto& block : message.blocks) {
        bytes += sizes_.of(block);
      }
      flying_.push_back(sg::Comm::sendto_async(platform_.host_of(message.from), platform_.host_of(message.to), bytes));
      numbers_.push_back(i);
      issued_[i] = true;
      ++in_flight;
    }
  }

  void complete(const Message& message) {
    --in_flight_[static_cast<size_t>(message.from)];
    for (size_t i = 0; i < schedule_.messages.size(); ++i) {
      for (const auto& block : schedule_.messages[i].blocks) {
        const bool here = schedule_.messages[i].from == message.to && block.src != message.to;
        const auto& blocks = message.blocks;
        missing_blocks_[i] -= here && std::find(blocks.begin(), blocks.end(), block) != blocks.end() ? 1 : 0;
      }
    }
  }

  const schedule::Schedule& schedule_;
  schedule::BlockSizes sizes_;
  const Platform& platform_;
  std::vector<int> in_flight_;          ///< by rank
  std::vector<size_t> missing_blocks_;  ///< by message
  std::vector<bool> issued_;            ///< by message
  std::vector<sg::CommPtr> flying_;
  std::vector<size_t> numbers_;  ///< of the messages in flying_
  double end_s_ = 0;
  bool complete_ = false;
};

double run_here(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes, const LocalityTree& tree,
                const cost::CostModel& model) {
  Platform platform(tree, model);
  Driver driver(schedule, sizes, platform);
  sg::Actor::create("driver", platform.host_of(0), std::ref(driver));
  platform.run();
  return driver.end_s();
}

}  // namespace

double simgrid_time_s(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes, const LocalityTree& tree,
                      const cost::CostModel& model) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) {
    throw std::runtime_error("pipe failed");
  }
  const pid_t child = fork();
  if (child == 0) {
    const double time_s = run_here(schedule, sizes, tree, model);
    const bool written = write(ends[1], &time_s, sizeof time_s) == sizeof time_s;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  double time_s = -1;
  const bool got = read(ends[0], &time_s, sizeof time_s) == sizeof time_s;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!got || status != 0 || time_s < 0) {
    throw std::runtime_error("SimGrid did not finish the schedule");
  }
  return time_s;
}

}  // namespace banyan::oracle
