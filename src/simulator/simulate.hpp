// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "cost/cost_model.hpp"
#include "schedule/schedule.hpp"
#include "schedule/verify.hpp"
#include "simulator/message_source.hpp"
#include "simulator/queued_network.hpp"
#include "simulator/timeline.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::simulator {

struct Options {
  std::optional<int> window{};  ///< instead of the source's
  bool keep_messages = true;    ///< fill Timeline::messages
  /// Hosts' cards that messages choose from (Transfer::rail), each with its share of its host's capacity; together 1.
  /// Empty: all cards of a host are one link.
  std::vector<double> rail_shares{};
  /// The part of the overheads at both ends that alpha of a message between hosts holds: all by its definition, or
  /// cost::kInLatency.
  double in_latency = 1;
  /// A message's g of both ends is spent at its sender's host: in a lab of network namespaces the core that sends also
  /// runs the kernel's part of receiving.
  bool gap_at_sender = false;
  /// Links serve packets in order of arrival, instead of all messages at once by max-min fairness.
  std::optional<Queues> queues{};
  /// Max-min fairness: rates are computed again at most this often; 0: whenever a message starts or ends.
  double resolution_s = 0;
  /// Called now and then with the number of messages that are done, and the simulated time.
  std::function<void(uint64_t done, double now_s)> progress{};
};

/// Times an exchange: the semantics of docs/schedule-ir.md "How a schedule runs", the costs of docs/cost-model.md,
/// links shared by max-min fairness. Deterministic. `model` belongs to `tree`. Error{INVALID_ARGUMENT} if source, tree
/// and model do not fit each other, if a mapped message joins ranks that share no memory, or if sends wait for blocks
/// that never come. Any thread; one simulation per source.
[[nodiscard]] Timeline simulate(MessageSource& source, const topology::LocalityTree& tree, const cost::CostModel& model,
                                const Options& options = {});

/// The same of a schedule. Memory: O(blocks in its messages).
[[nodiscard]] Timeline simulate(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes,
                                const topology::LocalityTree& tree, const cost::CostModel& model,
                                const Options& options = {});

}  // namespace banyan::simulator
