// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/shape.hpp"

#include <algorithm>
#include <map>

namespace banyan::moe {
namespace {

using topology::LocalityTree;
using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

Tier tier_of(int tier) { return static_cast<Tier>(tier + 1); }

}  // namespace

/// Equal numbers stand for subtrees, or ranks, that are alike.
struct Shape::Kinds {
  std::vector<int> of_rank;
  std::vector<int> of_node;
  const TokenDemand& demand;

  Kinds(const LocalityTree& tree, const cost::CostModel& model, const TokenDemand& tokens) : demand(tokens) {
    std::map<std::vector<double>, int> numbers;
    const auto number = [&numbers](std::vector<double> description) {
      return numbers.emplace(std::move(description), static_cast<int>(numbers.size())).first->second;
    };
    for (size_t rank = 0; rank < demand.tokens.size(); ++rank) {
      of_rank.push_back(number({-1, demand.sent(rank), static_cast<double>(demand.num_experts[rank])}));
    }
    of_node.assign(tree.nodes().size(), -1);
    for (int tier = 0; tier < kTargetTiers; ++tier) {
      for (const int index : tree.at_tier(tier_of(tier))) {
        const auto& node = tree.node(index);
        std::vector<double> parts;
        for (const int rank : tier == kDomainTier ? node.ranks : node.children) {
          parts.push_back(tier == kDomainTier ? of_rank[at(rank)] : of_node[at(rank)]);
        }
        std::sort(parts.begin(), parts.end());
        const auto& capacity = model.subtrees.at(at(index));
        parts.insert(parts.begin(),
                     {static_cast<double>(tier), capacity.egress_bytes_per_s, capacity.ingress_bytes_per_s});
        of_node[at(index)] = number(std::move(parts));
      }
    }
  }
};

Shape::Shape(const LocalityTree& tree, const cost::CostModel& model, const TokenDemand& demand)
    : class_of_(demand.tokens.size(), -1) {
  const Kinds kinds(tree, model, demand);
  branches_.push_back({});
  branches_[0].tier = kClusterTier;
  branches_[0].tree_node = tree.root();
  expand(tree, kinds, 0);
  std::map<std::pair<int, int>, int> child;  // of branch and kind
  std::map<std::pair<int, int>, int> leaf;   // of domain and kind
  for (size_t b = 1; b < branches_.size(); ++b) {
    child[{branches_[b].parent, kinds.of_node[at(branches_[b].tree_node)]}] = static_cast<int>(b);
  }
  for (size_t c = 0; c < classes_.size(); ++c) {
    leaf[{classes_[c].branch[kDomainTier], kinds.of_rank[at(classes_[c].example)]}] = static_cast<int>(c);
    classes_[c].example = tree.num_ranks();
  }
  for (int rank = 0; rank < tree.num_ranks(); ++rank) {
    int branch = 0;
    for (int tier = kRackTier; tier >= kDomainTier; --tier) {
      branch = child.at({branch, kinds.of_node[at(tree.ancestor(rank, tier_of(tier)))]});
    }
    class_of_[at(rank)] = leaf.at({branch, kinds.of_rank[at(rank)]});
    int& example = classes_[at(class_of_[at(rank)])].example;
    example = std::min(example, rank);
  }
}

void Shape::expand(const LocalityTree& tree, const Kinds& kinds, int branch) {
  const int tier = branches_[at(branch)].tier;
  const auto& node = tree.node(branches_[at(branch)].tree_node);
  std::map<int, size_t> place;             // of a kind among the parts that follow
  std::vector<std::pair<int, int>> parts;  // an example and how many there are
  for (const int part : tier == kDomainTier ? node.ranks : node.children) {
    const int kind = tier == kDomainTier ? kinds.of_rank[at(part)] : kinds.of_node[at(part)];
    const auto [found, is_new] = place.emplace(kind, parts.size());
    if (is_new) {
      parts.emplace_back(part, 0);
    }
    ++parts[found->second].second;
  }
  branches_[at(branch)].first = static_cast<int>(classes_.size());
  for (const auto& [part, count] : parts) {
    if (tier == kDomainTier) {
      add_class(kinds, branch, part, count);
      continue;
    }
    Branch below;
    below.tier = tier - 1;
    below.parent = branch;
    below.in_parent = count;
    below.copies = branches_[at(branch)].copies * count;
    below.tree_node = part;
    const int index = static_cast<int>(branches_.size());
    branches_.push_back(below);
    branches_[at(branch)].children.push_back(index);
    expand(tree, kinds, index);
  }
  branches_[at(branch)].end = static_cast<int>(classes_.size());
}

void Shape::add_class(const Kinds& kinds, int domain, int rank, int count) {
  RankClass ranks;
  ranks.sent = kinds.demand.sent(at(rank)) / kinds.demand.total;
  ranks.received = kinds.demand.received(at(rank)) / kinds.demand.total;
  ranks.copies = branches_[at(domain)].copies * count;
  ranks.example = rank;
  for (int up = domain; up >= 0; up = branches_[at(up)].parent) {
    ranks.branch[at(branches_[at(up)].tier)] = up;
  }
  classes_.push_back(ranks);
}

double Shape::partners(int from, int to, int tier) const {
  const auto& a = classes_[at(from)].branch;
  const auto& b = classes_[at(to)].branch;
  if (a[at(tier)] != b[at(tier)]) {
    return 0;
  }
  const bool may_be_nearer = tier > kDomainTier && a[at(tier - 1)] == b[at(tier - 1)];
  return copies_in(to, a[at(tier)]) - (may_be_nearer ? copies_in(to, a[at(tier - 1)]) : 0);
}

PerClass Shape::sum_partners(const PerClass& figures) const {
  PerClass sums(classes_.size(), PerTier{});
  for (size_t b = 0; b < branches_.size(); ++b) {
    const Branch& branch = branches_[b];
    const auto tier = at(branch.tier);
    const auto inside = [&](const Branch& part, int index) {
      double sum = 0;
      for (int c = part.first; c < part.end; ++c) {
        sum += copies_in(c, index) * figures[at(c)][tier];
      }
      return sum;
    };
    if (branch.tier == kDomainTier) {
      const double all = inside(branch, static_cast<int>(b));
      for (int c = branch.first; c < branch.end; ++c) {
        sums[at(c)][tier] = all;
      }
      continue;
    }
    std::vector<double> own(branch.children.size());
    std::vector<double> after(branch.children.size() + 1, 0);
    for (size_t k = branch.children.size(); k-- > 0;) {
      const Branch& part = branches_[at(branch.children[k])];
      own[k] = inside(part, branch.children[k]);
      after[k] = after[k + 1] + part.in_parent * own[k];
    }
    double before = 0;
    for (size_t k = 0; k < branch.children.size(); ++k) {
      const Branch& part = branches_[at(branch.children[k])];
      const double others = before + (part.in_parent - 1) * own[k] + after[k + 1];
      for (int c = part.first; c < part.end; ++c) {
        sums[at(c)][tier] = others;
      }
      before += part.in_parent * own[k];
    }
  }
  return sums;
}

}  // namespace banyan::moe
