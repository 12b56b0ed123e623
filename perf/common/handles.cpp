// SPDX-License-Identifier: Apache-2.0
#include "common/handles.hpp"

#include "common/failure.hpp"

namespace banyan::perf {

void require(banyan_status status, const char* call) {
  if (status != BANYAN_OK) {
    throw Failure(std::string(call) + ": " + banyan_status_name(status) + ": " + banyan_last_error());
  }
}

CommShape shape_of(const banyan_comm* comm) {
  CommShape shape;
  const banyan_topology* topology = nullptr;
  require(banyan_comm_rank(comm, &shape.rank), "banyan_comm_rank");
  require(banyan_comm_size(comm, &shape.size), "banyan_comm_size");
  require(banyan_comm_topology(comm, &topology), "banyan_comm_topology");
  require(banyan_topology_counts(topology, nullptr, &shape.num_hosts), "banyan_topology_counts");
  for (int rank = 0; rank < shape.size; ++rank) {
    int host = 0;
    require(banyan_topology_host_of(topology, rank, &host), "banyan_topology_host_of");
    shape.host_of.push_back(host);
  }
  return shape;
}

std::string export_plan(const banyan_plan* plan, banyan_format format) {
  char* text = nullptr;
  require(banyan_plan_export(plan, format, &text), "banyan_plan_export");
  std::unique_ptr<char, void (*)(char*)> owned(text, banyan_string_free);
  return owned.get();
}

}  // namespace banyan::perf
