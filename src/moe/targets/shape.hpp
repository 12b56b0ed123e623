// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cost/cost_model.hpp"
#include "moe/targets/demand.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::moe {

/// Tiers as targets see them: domain (a rank's own tokens are of it too), node, rack, cluster.
inline constexpr int kTargetTiers = 4;
inline constexpr int kDomainTier = 0, kNodeTier = 1, kRackTier = 2, kClusterTier = 3;
using PerTier = std::array<double, kTargetTiers>;

/// Ranks that no exchange could tell apart: equal tokens, equal experts, and places that an automorphism of the tree
/// maps to each other. By convexity there is a solution that treats them alike, and the least KL divergence, being
/// strictly convex, has only that one.
struct RankClass {
  double sent = 0;                         ///< by one of them, as a part of all token copies
  double received = 0;                     ///< by one of them
  double copies = 0;                       ///< how many they are
  int example = 0;                         ///< the smallest rank
  std::array<int, kTargetTiers> branch{};  ///< index of the subtree that holds it, by tier
};
/// A figure for each class and tier.
using PerClass = std::vector<PerTier>;

/// Subtrees that an automorphism maps to each other, once.
struct Branch {
  int tier = 0;
  int parent = -1;
  std::vector<int> children;  ///< branches; of a domain: none
  double in_parent = 1;       ///< how many of them one parent has
  double copies = 1;          ///< in the whole tree
  int first = 0, end = 0;     ///< its classes
  int tree_node = 0;          ///< an example, in LocalityTree::nodes()
};

/// The locality tree with equal subtrees merged: figures that are alike on like ranks take memory and time O(classes).
/// A value.
class Shape {
 public:
  Shape(const topology::LocalityTree& tree, const cost::CostModel& model, const TokenDemand& demand);

  [[nodiscard]] const std::vector<RankClass>& classes() const noexcept { return classes_; }
  [[nodiscard]] const std::vector<Branch>& branches() const noexcept { return branches_; }  ///< 0 is the root
  [[nodiscard]] int class_of(int rank) const { return class_of_[static_cast<size_t>(rank)]; }
  /// How many ranks of the class one copy of the branch, an ancestor, has.
  [[nodiscard]] double copies_in(int rank_class, int branch) const {
    return classes_[static_cast<size_t>(rank_class)].copies / branches_[static_cast<size_t>(branch)].copies;
  }
  /// How many ranks of the class `to` a rank of `from` meets at this tier; itself it meets at the domain's.
  [[nodiscard]] double partners(int from, int to, int tier) const;
  /// For each class and tier: the sum of the figures of that tier over all ranks that one rank of the class meets at
  /// it. No differences are taken, so no digits are lost.
  [[nodiscard]] PerClass sum_partners(const PerClass& figures) const;

 private:
  struct Kinds;
  /// Adds the parts of a branch, and theirs.
  void expand(const topology::LocalityTree& tree, const Kinds& kinds, int branch);
  void add_class(const Kinds& kinds, int domain, int rank, int count);

  std::vector<RankClass> classes_;
  std::vector<Branch> branches_;
  std::vector<int> class_of_;
};

/// A link, or what else bounds a rate, of one copy of a branch or class: tokens in one direction, met at some tiers.
struct Limit {
  bool out = true;                   ///< what its ranks send; else what they receive
  int first_tier = 0, end_tier = 0;  ///< of the pairs that count
  int first_class = 0, end_class = 0;
  int branch = -1;  ///< -1: of each rank of the class
  double rate = 0;  ///< token copies per second as a part of all
  double copies = 1;
  int family = 0;  ///< limits of one family have no pair in common
  std::string name;
};
inline constexpr int kLimitFamilies = 10;

/// Links of the model: what all ranks of a host, or of a rack, send to or receive from others shares its capacity; a
/// rank alone does not exceed one flow of the remote tier; what stays on a host is copied twice, by the rank's core and
/// by its even share of the host's memory (planner::predict_direct); between domains of a host, one flow of tier node.
[[nodiscard]] std::vector<Limit> make_limits(const Shape& shape, const topology::LocalityTree& tree,
                                             const cost::CostModel& model, double total_bytes);

}  // namespace banyan::moe
