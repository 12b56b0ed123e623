// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "moe/targets/shape.hpp"

namespace banyan::moe {

/// Token copies between ranks, as parts of all: a rank of class c sends each rank of class d that it meets at tier t
/// out[c][t] * in[d][t]. Every share in this folder has this form. A value.
struct Share {
  PerClass out;
  PerClass in;

  [[nodiscard]] double pair(int from, int to, int tier) const {
    return out[static_cast<size_t>(from)][static_cast<size_t>(tier)] *
           in[static_cast<size_t>(to)][static_cast<size_t>(tier)];
  }
};

/// What a rank of each class sends, and receives, at each tier.
struct Flows {
  PerClass sent;
  PerClass received;
};

/// sent_i * received_j * exp(-distance_i at their tier): even dispatch where `distance` is 0. Rows have no set sum.
[[nodiscard]] Share prior_share(const Shape& shape, const PerClass& distance);

[[nodiscard]] Flows flows_of(const Shape& shape, const Share& share);
/// Of one copy of the limit.
[[nodiscard]] double load_of(const Shape& shape, const Flows& flows, const Limit& limit);

/// max over limits of load / rate (design section 5: a step's time but for latency and messages), and which it is.
struct TransferTime {
  double seconds = 0;
  std::string busiest;  ///< empty: nothing is limited
};
[[nodiscard]] TransferTime transfer_time(const Shape& shape, const std::vector<Limit>& limits, const Share& share);

/// The largest relative error of a sum over experts (rows), and over ranks (columns).
[[nodiscard]] double row_error(const Shape& shape, const Flows& flows);
[[nodiscard]] double column_error(const Shape& shape, const Flows& flows);

}  // namespace banyan::moe
