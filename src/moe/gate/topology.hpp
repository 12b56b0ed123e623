// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "moe/gate/activation.hpp"
#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// See banyan_gate_topology_options. Borrows the mask.
struct TopologyTerms {
  std::span<const unsigned char> is_local{};  ///< [num_experts]
  size_t limit = 0;
  size_t top_k = 1;
  Activation activation = Activation::kSoftmax;
  bool renormalize = false;
};

/// A routing, and how many of its tokens have a choice that is not local.
struct LimitedRouting {
  Routing routing{};
  size_t num_leaving = 0;
};

/// See banyan_gate_topology. Error{INVALID_ARGUMENT}.
[[nodiscard]] LimitedRouting limit_leaving(const Scores& scores, const TopologyTerms& terms);

/// See banyan_gate_outgoing_share.
struct OutgoingShare {
  double first_order = 0;
  double link_sum = 0;
};

/// Error{INVALID_ARGUMENT}: a speed that is not positive and finite, or no ranks.
[[nodiscard]] OutgoingShare outgoing_share(double net_bytes_per_s, double local_bytes_per_s, size_t ranks_per_node);

}  // namespace banyan::moe::gate
