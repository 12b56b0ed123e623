// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// Networks over which messages between hosts are spread in turn; large ones are cut, so that each carries its part
/// (docs/algorithms.md "Several networks").
struct Rails {
  int count = 1;
  size_t least_piece_bytes = 0;  ///< as in Pace
};

/// Whether some host's cards are as fast as RDMA ones, which is what they are taken for (cost::nominal_model).
[[nodiscard]] bool has_rdma(const topology::LocalityTree& tree);

/// Cards of a host that communicators spread messages over: all that every host has; one where there are RDMA cards,
/// whose transport spreads messages itself (docs/decisions/0008).
[[nodiscard]] int usual_rails(const topology::LocalityTree& tree);

/// A host sends so many messages of about `bytes`: how many times as long its fullest rail is busy as all of them would
/// be if they had equal parts. At least 1: three messages that are too small to be cut take two rails 4/3 as long.
[[nodiscard]] double fullest_rail(const Rails& rails, int messages, double bytes);

}  // namespace banyan::planner
