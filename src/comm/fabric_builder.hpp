// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bootstrap/bootstrap.hpp"
#include "comm/rail_trial.hpp"
#include "comm/rails.hpp"
#include "comm/settings.hpp"
#include "topology/locality_tree.hpp"
#include "transport/fabric.hpp"
#include "transport/registry.hpp"

namespace banyan::comm {

/// Payload bytes of a slot in the rings of a communicator with this tree, if its domains have mapped memory.
[[nodiscard]] size_t ring_capacity(const topology::LocalityTree& tree);

/// Owns the open transports, windows and rings of a communicator. Destroyed in the right order, at any time.
class FabricOwner {
 public:
  /// Collective: finds the networks that join all hosts (rails.hpp), opens the transports, exchanges addresses, picks
  /// one transport inside domains and one between them (the first in order that reaches all such peers on all ranks;
  /// with several hosts, first of those that are made for it), and maps the rings of domain peers where it can. Error
  /// on all ranks alike: NOT_FOUND for a named transport that does not exist, NOT_SUPPORTED when peers cannot be
  /// reached.
  FabricOwner(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, const Settings& settings,
              std::shared_ptr<transport::InprocHub> hub, uint64_t comm_id, Deadline deadline);
  ~FabricOwner();
  FabricOwner(const FabricOwner&) = delete;
  FabricOwner& operator=(const FabricOwner&) = delete;

  [[nodiscard]] transport::Fabric& fabric() noexcept { return fabric_; }
  /// E.g. "shm,ucx": inside domains, between them.
  [[nodiscard]] const std::string& description() const noexcept { return description_; }
  /// Closes the transports now, which ends everything posted. The fabric is empty afterwards.
  void close() noexcept;

 private:
  [[nodiscard]] std::unique_ptr<transport::Transport> open_one(const std::string& name, const std::string& interfaces);
  void agree_on_rails(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline);
  void open(bootstrap::Bootstrap& bootstrap, Deadline deadline);
  void connect(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline);
  /// Bit t: transport t may be used by all ranks for their peers inside (outside) their domains.
  struct Reach {
    unsigned inside = 0xff;
    unsigned outside = 0xff;
  };
  [[nodiscard]] Reach agree_on_reach(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree,
                                     const std::vector<std::vector<std::string>>& addresses, Deadline deadline);
  [[nodiscard]] transport::Transport* first_of(unsigned mask, const char* where) const;
  void link_peers(const topology::LocalityTree& tree, const std::vector<std::vector<std::string>>& addresses);
  void add_rails(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline);
  void try_rails(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline);
  void keep_only(const std::vector<bool>& keep);
  void map_rings(bootstrap::Bootstrap& bootstrap, const topology::LocalityTree& tree, Deadline deadline);

  Settings settings_;
  uint64_t comm_id_;
  std::shared_ptr<transport::InprocHub> hub_;
  Rails rails_;
  std::vector<std::string> rail_interfaces_;  ///< this rank's, by rail; empty: not to be chosen
  transport::TransportRegistry registry_;
  std::vector<std::unique_ptr<RailTrial>> trials_;  ///< while the rails are tried; must outlive them
  std::vector<std::unique_ptr<transport::Transport>> transports_;
  std::unique_ptr<transport::Transport::Window> window_;
  std::vector<std::unique_ptr<transport::Transport::Mapping>> mappings_;
  std::vector<std::unique_ptr<transport::RingSender>> senders_;
  std::vector<std::unique_ptr<transport::RingReceiver>> receivers_;
  transport::Transport* local_ = nullptr;
  transport::Transport* remote_ = nullptr;
  transport::Fabric fabric_;
  std::string description_;
};

}  // namespace banyan::comm
