// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "banyan/types.h"
#include "coll/engine.hpp"
#include "coll/weighted.hpp"
#include "comm/communicator.hpp"
#include "cost/profile.hpp"
#include "moe/fastmoe/fastmoe.hpp"
#include "planner/plan.hpp"
#include "topology/graph.hpp"

/// What the opaque handles of the C API are.

struct banyan_topology {
  banyan::topology::Graph graph;
};

struct banyan_profile {
  banyan::cost::Profile profile;
};

struct banyan_plan {
  banyan::planner::Plan plan;
};

namespace banyan::c_api {

/// Counts and displacements of an all-to-all-v in bytes, [size] each.
struct Layout {
  std::vector<size_t> send_bytes, send_offsets, recv_bytes, recv_offsets;
};

}  // namespace banyan::c_api

struct banyan_comm {
  std::unique_ptr<banyan::comm::Communicator> communicator;
  std::unique_ptr<banyan::coll::Engine> engine;
  banyan_topology topology;                       ///< what banyan_comm_topology lends
  std::optional<banyan_profile> profile;          ///< what banyan_comm_profile lends
  banyan::c_api::Layout layout;                   ///< of the last all-to-all-v
  std::unique_ptr<banyan::moe::Fastmoe> fastmoe;  ///< once it is used
  int num_requests = 0;
};

struct banyan_request {
  banyan_comm* comm = nullptr;
  std::unique_ptr<banyan::coll::Request> request;    ///< of alltoall and alltoallv
  std::unique_ptr<banyan::coll::Weighted> weighted;  ///< of weighted_alltoall

  [[nodiscard]] banyan::coll::Request& running() const noexcept { return weighted ? weighted->request() : *request; }
};

namespace banyan::c_api {

/// Makes the handle of a connected communicator.
[[nodiscard]] std::unique_ptr<banyan_comm> wrap(std::unique_ptr<comm::Communicator> communicator);

/// After the communicator's profile changed.
void refresh_profile(banyan_comm& comm);

}  // namespace banyan::c_api
