// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "moe/targets/shape.hpp"
#include "planner/predict.hpp"

namespace banyan::moe {
namespace {

using topology::LocalityTree;
using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

/// Of the tokens that a rank sends, and receives, at some tiers.
struct RankLimit {
  int first_tier, end_tier;
  int family;
  const char* what;
};
constexpr RankLimit kWithinHost = {kDomainTier, kRackTier, 0, "within its host"};
constexpr RankLimit kBetweenDomains = {kNodeTier, kRackTier, 2, "other domains of its host"};
constexpr RankLimit kOtherHosts = {kRackTier, kTargetTiers, 4, "other hosts"};
constexpr int kHostFamily = 6;
constexpr int kRackFamily = 8;

/// Collects limits; those without a rate are none.
class Limits {
 public:
  Limits(const Shape& shape, double total_bytes) : shape_(shape), total_bytes_(total_bytes) {}

  void add_rank(size_t c, const RankLimit& kind, double bytes_per_s) {
    const RankClass& of = shape_.classes()[c];
    Limit limit;
    limit.first_tier = kind.first_tier;
    limit.end_tier = kind.end_tier;
    limit.first_class = static_cast<int>(c);
    limit.end_class = limit.first_class + 1;
    limit.copies = of.copies;
    const std::string name = "rank " + std::to_string(of.example) + ", " + kind.what;
    add(limit, true, bytes_per_s, kind.family, name + ", out");
    add(limit, false, bytes_per_s, kind.family + 1, name + ", in");
  }
  void add_branch(int index, const cost::SubtreeCapacity& capacity, int family, const std::string& name) {
    const Branch& branch = shape_.branches()[at(index)];
    Limit limit;
    limit.first_tier = branch.tier + 1;
    limit.end_tier = kTargetTiers;
    limit.first_class = branch.first;
    limit.end_class = branch.end;
    limit.branch = index;
    limit.copies = branch.copies;
    add(limit, true, capacity.egress_bytes_per_s, family, name + " egress");
    add(limit, false, capacity.ingress_bytes_per_s, family + 1, name + " ingress");
  }
  [[nodiscard]] std::vector<Limit> take() { return std::move(limits_); }

 private:
  void add(Limit limit, bool out, double bytes_per_s, int family, const std::string& name) {
    if (bytes_per_s > 0) {
      limit.out = out;
      limit.rate = bytes_per_s / total_bytes_;
      limit.family = family;
      limit.name = name;
      limits_.push_back(limit);
    }
  }

  const Shape& shape_;
  double total_bytes_;
  std::vector<Limit> limits_;
};

/// What a rank copies of what stays on its host, each byte twice: on its core, and in its even share of the memory.
double local_rate(const cost::CostModel& model, size_t ranks_of_host) {
  const double core = model.copy_bytes_per_s / 2;
  const double memory = model.host_copy_bytes_per_s / 2 / static_cast<double>(ranks_of_host);
  return core > 0 && memory > 0 ? std::min(core, memory) : std::max(core, memory);
}

}  // namespace

std::vector<Limit> make_limits(const Shape& shape, const LocalityTree& tree, const cost::CostModel& model,
                               double total_bytes) {
  Limits limits(shape, total_bytes);
  for (size_t c = 0; c < shape.classes().size(); ++c) {
    const int host = tree.ancestor(shape.classes()[c].example, Tier::kNode);
    limits.add_rank(c, kWithinHost, local_rate(model, tree.node(host).ranks.size()));
    limits.add_rank(c, kBetweenDomains, model.tiers[static_cast<size_t>(Tier::kNode)].flow_bytes_per_s);
    limits.add_rank(c, kOtherHosts, planner::remote_tier(tree, model).flow_bytes_per_s);
  }
  for (size_t b = 0; b < shape.branches().size(); ++b) {
    const Branch& branch = shape.branches()[b];
    if (branch.tier == kNodeTier || branch.tier == kRackTier) {
      limits.add_branch(static_cast<int>(b), model.subtrees[at(branch.tree_node)],
                        branch.tier == kNodeTier ? kHostFamily : kRackFamily, tree.node(branch.tree_node).name);
    }
  }
  return limits.take();
}

}  // namespace banyan::moe
