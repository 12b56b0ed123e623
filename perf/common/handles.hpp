// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>

#include <memory>
#include <string>
#include <vector>

namespace banyan::perf {

/// Throws Failure with the call's name and banyan_last_error() unless `status` is BANYAN_OK.
void require(banyan_status status, const char* call);

struct CommDeleter {
  void operator()(banyan_comm* comm) const noexcept { banyan_comm_destroy(comm); }
};
using Comm = std::unique_ptr<banyan_comm, CommDeleter>;

struct RequestDeleter {
  void operator()(banyan_request* request) const noexcept { banyan_request_free(request); }
};
using Request = std::unique_ptr<banyan_request, RequestDeleter>;

struct PlanDeleter {
  void operator()(banyan_plan* plan) const noexcept { banyan_plan_free(plan); }
};
using Plan = std::unique_ptr<banyan_plan, PlanDeleter>;

/// rank, size, topology of a communicator; `host_of` by rank.
struct CommShape {
  int rank = 0;
  int size = 1;
  int num_hosts = 1;
  std::vector<int> host_of;
};

[[nodiscard]] CommShape shape_of(const banyan_comm* comm);

/// Renders a plan and frees the library's string.
[[nodiscard]] std::string export_plan(const banyan_plan* plan, banyan_format format);

}  // namespace banyan::perf
