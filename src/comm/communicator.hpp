// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bootstrap/bootstrap.hpp"
#include "bootstrap/control.hpp"
#include "comm/fabric_builder.hpp"
#include "comm/settings.hpp"
#include "comm/watched_bootstrap.hpp"
#include "cost/cost_model.hpp"
#include "cost/profile.hpp"
#include "topology/graph.hpp"
#include "topology/locality_tree.hpp"
#include "transport/registry.hpp"

namespace banyan::comm {

/// A group of ranks that can exchange data: bootstrap, control plane, topology, model and transports. One thread at a
/// time, but abort() and state() from any.
class Communicator {
 public:
  /// A file of rank 0's, as all ranks have it.
  struct SharedFile {
    std::string path;
    std::string text;
  };

  /// What a communicator is made of; its maker chooses bootstrap and control plane.
  struct Parts {
    std::unique_ptr<bootstrap::Bootstrap> bootstrap;
    std::unique_ptr<bootstrap::Control> control;
    Settings settings;
    std::shared_ptr<transport::InprocHub> hub;  ///< ranks as threads; else null
  };

  /// Collective: discovers and merges the topology, agrees on settings, connects. Error on all ranks within the
  /// bootstrap deadline.
  explicit Communicator(Parts parts);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] int rank() const noexcept { return bootstrap_->rank(); }
  [[nodiscard]] int size() const noexcept { return bootstrap_->size(); }
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] const topology::Graph& graph() const noexcept { return graph_; }
  [[nodiscard]] const topology::LocalityTree& tree() const noexcept { return tree_; }
  [[nodiscard]] const cost::CostModel& model() const noexcept { return model_; }
  [[nodiscard]] const std::optional<cost::Profile>& profile() const noexcept { return profile_; }
  /// Not parsed: its rules are the planner's. nullopt: none was given.
  [[nodiscard]] const std::optional<SharedFile>& tuning_file() const noexcept { return tuning_file_; }
  [[nodiscard]] transport::Fabric& fabric() noexcept { return fabric_->fabric(); }
  [[nodiscard]] const std::string& transports() const noexcept { return fabric_->description(); }
  [[nodiscard]] bool in_process() const noexcept { return hub_ != nullptr; }
  /// Whether ranks of a domain have rings; equal on all ranks.
  [[nodiscard]] bool mapped() noexcept { return fabric().ring_capacity > 0; }
  /// Waits should yield the core at once: more ranks than cores on this host, or BANYAN_SPIN=0.
  [[nodiscard]] bool yields() const noexcept { return yields_; }
  /// After a split: the parent's other ranks want these cores too, in groups of their own.
  void share_cores_with(const Communicator& parent) noexcept { yields_ = yields_ || parent.yields_; }

  [[nodiscard]] bootstrap::Bootstrap& bootstrap() noexcept { return watched_; }
  [[nodiscard]] bootstrap::Control& control() noexcept { return *control_; }

  /// Collective: rank 0's profile (none: nominal) replaces the model everywhere. Racks that it inferred come and go
  /// with it: graph() and tree() change too.
  void set_profile(const std::optional<cost::Profile>& profile);

  /// Throws the cause if the communicator was aborted.
  void check_usable();
  /// Ends everything that is posted and closes the transports; after an error, when cancelling did not drain them.
  void close_transports() noexcept { fabric_->close(); }
  /// Collective goodbye of a healthy communicator, bounded by the deadline; failures are ignored.
  void say_goodbye() noexcept;

 private:
  void make_topology(Deadline deadline);
  /// Derives tree and model from what was discovered and the profile.
  void derive();
  void agree_on_settings(Deadline deadline);
  void share_tuning_file(Deadline deadline);

  std::unique_ptr<bootstrap::Bootstrap> bootstrap_;
  std::unique_ptr<bootstrap::Control> control_;
  WatchedBootstrap watched_;
  Settings settings_;
  std::shared_ptr<transport::InprocHub> hub_;
  topology::Graph discovered_;  ///< with a topology file's switches, if any
  topology::Graph graph_;       ///< and with the racks that the profile inferred
  topology::LocalityTree tree_;
  std::optional<cost::Profile> profile_;
  cost::CostModel model_;
  std::optional<SharedFile> tuning_file_;
  bool yields_ = false;
  std::unique_ptr<FabricOwner> fabric_;
};

}  // namespace banyan::comm
