// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cost/cost_model.hpp"
#include "moe/placement/shares.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// See banyan_placement_config. Borrows all.
struct PlacementTerms {
  const topology::LocalityTree& tree;
  const cost::CostModel& model;
  int num_experts = 0;
  std::span<const double> load;       ///< [experts], or empty
  std::span<const double> rank_load;  ///< [ranks, experts], or empty
  int slots_per_rank = 0;             ///< 0: what holds each expert once
  std::span<const int> slots;         ///< [ranks], or empty
  int max_replicas = 0;
  std::span<const int> home;  ///< [experts], or empty
  bool fill_slots = false;
  double balance_slack = 0;
  uint64_t epoch = 0;
};

/// Rows, predicted for the load that a placement was made for.
struct PlacementFigures {
  double mean_load = 0;
  double max_load_before = 0;
  double max_load = 0;
  double remote_rows_before = 0;
  double remote_rows = 0;

  bool operator==(const PlacementFigures&) const = default;
};

/// A map from experts to ranks, with shares. A value, immutable once made.
class Placement {
 public:
  /// See banyan_placement_create.
  [[nodiscard]] static Placement make(const PlacementTerms& terms);
  /// See banyan_placement_from_replicas.
  [[nodiscard]] static Placement from_replicas(const PlacementTerms& terms, const int* num_replicas, const int* ranks);
  [[nodiscard]] Placement with_epoch(uint64_t epoch) const;

  [[nodiscard]] const topology::LocalityTree& tree() const noexcept { return tree_; }
  [[nodiscard]] const cost::CostModel& model() const noexcept { return model_; }
  [[nodiscard]] const planner::Hosts& hosts() const noexcept { return hosts_; }
  [[nodiscard]] int num_experts() const noexcept { return static_cast<int>(replicas_.size()); }
  [[nodiscard]] int num_replicas() const noexcept;
  [[nodiscard]] const Replicas& replicas() const noexcept { return replicas_; }
  /// In order of the expert's replicas; of sum 1. Error{INVALID_ARGUMENT} if there is no such rank or expert.
  [[nodiscard]] std::span<const double> shares(int source_rank, int expert) const;
  /// See banyan_placement_split: [replicas].
  [[nodiscard]] std::vector<size_t> split(int source_rank, int expert, size_t rows) const;
  [[nodiscard]] uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] uint64_t digest() const noexcept;
  [[nodiscard]] const PlacementFigures& figures() const noexcept { return figures_; }

  [[nodiscard]] std::string to_text() const;
  /// "banyan-placement-1", docs/placement.md.
  [[nodiscard]] std::string to_json() const;

 private:
  explicit Placement(const PlacementTerms& terms) : tree_(terms.tree), model_(terms.model), hosts_(tree_) {}
  void adopt(const PlacementTerms& terms, const Demand& demand, Replicas replicas,
             const std::vector<std::vector<double>>& flows);

  topology::LocalityTree tree_;
  cost::CostModel model_;
  planner::Hosts hosts_;
  Replicas replicas_;
  std::vector<std::vector<double>> shares_;  ///< by expert: [hosts, replicas]
  PlacementFigures figures_;
  uint64_t epoch_ = 0;
};

}  // namespace banyan::moe
