// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/least_time.hpp"

#include <bit>
#include <cmath>

#include "moe/targets/max_flow.hpp"

namespace banyan::moe {
namespace {

/// All flow is 1, so this is no limit.
constexpr double kUnlimited = 4;
/// Of the flow, what is rounding: an arc's 1e-15 times many arcs.
constexpr double kRounding = 1e-11;
constexpr int kMaxCuts = 200;

size_t at(int index) { return static_cast<size_t>(index); }

/// The nodes of one direction: what ranks send climbs, what they receive descends along the same ones.
struct Side {
  std::vector<int> local, between_domains, remote;  ///< of classes: after the limit of that name
  std::vector<int> reach;                           ///< of branches: what leaves or enters them, within their links
};

class Network {
 public:
  Network(const Shape& shape, const std::vector<Limit>& limits) : shape_(shape) {
    source_ = network_.add_node();
    sink_ = network_.add_node();
    const Side out = add_side(true, limits);
    const Side in = add_side(false, limits);
    for (size_t b = 0; b < shape.branches().size(); ++b) {
      join(shape.branches()[b], out, in);
    }
  }

  double least_time() {
    double seconds = 0;
    for (int cuts = 0; cuts < kMaxCuts; ++cuts) {
      const CutNetwork::Cut cut = network_.minimum_cut(source_, sink_, seconds);
      if (cut.flow >= 1 - kRounding || cut.per_second <= 0) {
        break;
      }
      const double next = (1 - cut.fixed) / cut.per_second;
      if (next <= seconds * (1 + kRounding)) {
        break;
      }
      seconds = next;
    }
    return seconds;
  }

 private:
  void arc(bool out, int lower, int upper, double fixed, double per_second) {
    network_.add_arc(out ? lower : upper, out ? upper : lower, fixed, per_second);
  }

  /// From a class or branch to a new node behind the limit that counts these tiers; unlimited if there is none.
  int behind(int lower, const Limit* limit, bool out) {
    const int node = network_.add_node();
    arc(out, lower, node, limit == nullptr ? kUnlimited : 0, limit == nullptr ? 0 : limit->copies * limit->rate);
    return node;
  }

  Side add_side(bool out, const std::vector<Limit>& limits) {
    const auto& classes = shape_.classes();
    std::vector<std::array<const Limit*, 3>> of_class(classes.size(), {nullptr, nullptr, nullptr});
    std::vector<const Limit*> of_branch(shape_.branches().size(), nullptr);
    for (const Limit& limit : limits) {
      if (limit.out == out && limit.branch >= 0) {
        of_branch[at(limit.branch)] = &limit;
      } else if (limit.out == out) {
        of_class[at(limit.first_class)][at(limit.first_tier)] = &limit;
      }
    }
    Side side;
    for (size_t c = 0; c < classes.size(); ++c) {
      const int rank = network_.add_node();
      const double tokens = classes[c].copies * (out ? classes[c].sent : classes[c].received);
      arc(out, out ? source_ : sink_, rank, tokens, 0);
      side.local.push_back(behind(rank, of_class[c][kDomainTier], out));
      side.between_domains.push_back(behind(side.local.back(), of_class[c][kNodeTier], out));
      side.remote.push_back(behind(rank, of_class[c][kRackTier], out));
    }
    add_branches(side, of_branch, out);
    return side;
  }

  /// reach of a domain: what its ranks send to other domains; of a host: to other hosts; of a rack: to other racks.
  void add_branches(Side& side, const std::vector<const Limit*>& of_branch, bool out) {
    side.reach.assign(shape_.branches().size(), -1);
    for (size_t b = 1; b < shape_.branches().size(); ++b) {  // a parent comes before its children
      const Branch& branch = shape_.branches()[b];
      const int gathered = network_.add_node();
      side.reach[b] = behind(gathered, of_branch[b], out);
      if (branch.tier == kRackTier) {
        gathered_rack_.resize(shape_.branches().size(), {-1, -1});
        gathered_rack_[b][out ? 0 : 1] = gathered;
        continue;
      }
      if (branch.tier == kNodeTier) {
        arc(out, side.reach[b], gathered_rack_[at(branch.parent)][out ? 0 : 1], kUnlimited, 0);
      }
      for (int c = branch.first; c < branch.end; ++c) {
        arc(out, at_tier(side, branch.tier, c), gathered, kUnlimited, 0);
      }
    }
  }

  static int at_tier(const Side& side, int tier, int c) {
    return tier == kDomainTier ? side.between_domains[at(c)] : side.remote[at(c)];
  }

  /// Where paths turn: from each part of the branch into each other part. Two parts differ in some bit of their
  /// numbers, so log(parts) nodes do for what would be parts^2 arcs.
  void join(const Branch& branch, const Side& out, const Side& in) {
    if (branch.tier == kDomainTier) {
      const int hub = network_.add_node();
      for (int c = branch.first; c < branch.end; ++c) {
        network_.add_arc(out.local[at(c)], hub, kUnlimited, 0);
        network_.add_arc(hub, in.local[at(c)], kUnlimited, 0);
      }
      return;
    }
    const auto bits = static_cast<int>(std::bit_width(branch.children.size() - 1));
    for (int bit = 0; bit < bits; ++bit) {
      const int hubs[2] = {network_.add_node(), network_.add_node()};
      for (size_t k = 0; k < branch.children.size(); ++k) {
        network_.add_arc(out.reach[at(branch.children[k])], hubs[k >> bit & 1], kUnlimited, 0);
        network_.add_arc(hubs[1 - (k >> bit & 1)], in.reach[at(branch.children[k])], kUnlimited, 0);
      }
    }
    for (const int child : branch.children) {
      if (shape_.branches()[at(child)].in_parent > 1) {
        network_.add_arc(out.reach[at(child)], in.reach[at(child)], kUnlimited, 0);
      }
    }
  }

  const Shape& shape_;
  CutNetwork network_;
  int source_ = 0;
  int sink_ = 0;
  std::vector<std::array<int, 2>> gathered_rack_;
};

}  // namespace

double least_time_s(const Shape& shape, const std::vector<Limit>& limits) {
  return Network(shape, limits).least_time();
}

}  // namespace banyan::moe
