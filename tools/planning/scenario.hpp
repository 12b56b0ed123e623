// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "cost/profile.hpp"
#include "planner/plan.hpp"
#include "planner/traffic_matrix.hpp"

/// What tools that need no cluster are asked about: machines, their speeds, and traffic.
namespace banyan::tool {

/// The options that describe it, as typed.
struct ScenarioRequest {
  std::string topology_file;
  std::string synthetic;
  std::string profile_file;
  std::optional<size_t> bytes_per_pair;  ///< a uniform all-to-all
  std::string matrix_file;               ///< or an all-to-all-v of this matrix
  std::string generator;                 ///< or of a generated one
  uint64_t seed = 1;                     ///< where the generator's words have none
  bool algorithm_named = false;          ///< by --algorithm
  std::string tuning_file;               ///< --tuning, else BANYAN_TUNING_FILE; empty: none
  planner::Wish wish;
};

/// --topology, --synthetic, --profile; --bytes, --matrix, --gen, --seed; --algorithm, --aggregate-limit, --chunk-bytes,
/// --window, --tuning.
[[nodiscard]] boost::program_options::options_description scenario_options();
/// Throws UsageError unless there is exactly one topology and one traffic.
[[nodiscard]] ScenarioRequest scenario_request(const boost::program_options::variables_map& chosen);

/// The lines of --help about traffic generators.
[[nodiscard]] std::string scenario_help();

/// Machines, speeds and traffic, loaded and checked. Not copied: its parts refer to each other.
class Scenario {
 public:
  /// Error{NOT_FOUND, IO, FORMAT} names the file, line and column; Error{INVALID_ARGUMENT} if the topology has no ranks
  /// or the matrix is of another number of ranks.
  explicit Scenario(const ScenarioRequest& request);
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  [[nodiscard]] planner::Situation situation() const { return {tree_, hosts_, model_, planner::usual_rails(tree_)}; }
  /// What the request wishes, with the algorithm that its tuning file names where it names none itself.
  [[nodiscard]] const planner::Wish& wish() const noexcept { return wish_; }
  [[nodiscard]] planner::Demand demand() const { return {bytes_per_pair_, matrix_.bytes}; }
  [[nodiscard]] const topology::LocalityTree& tree() const noexcept { return tree_; }
  [[nodiscard]] const cost::CostModel& model() const noexcept { return model_; }
  /// Bytes of every pair; of a uniform exchange all equal. [num_ranks, num_ranks].
  [[nodiscard]] std::vector<uint64_t> sizes() const;

 private:
  topology::LocalityTree tree_;
  planner::Hosts hosts_;
  cost::CostModel model_;
  planner::TrafficMatrix matrix_;  ///< without bytes if uniform
  size_t bytes_per_pair_ = 0;
  planner::Wish wish_;
};

/// Payload of a slot of mapped memory, as a communicator has it whose domains have up to 16 ranks (with more, a slot is
/// smaller and large messages inside a host may need more scratch memory than the plan says).
inline constexpr size_t kSlotBytes = (size_t{128} << 10) - 64;

}  // namespace banyan::tool
