// SPDX-License-Identifier: Apache-2.0
#include "banyan/topology.h"

#include "base/env.hpp"
#include "base/file.hpp"
#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "topology/discover.hpp"
#include "topology/render.hpp"

using banyan::c_api::c_boundary;
using banyan::c_api::copy_string;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_topology_discover(banyan_topology** topology) {
  return c_boundary([&] {
    auto& out = require(topology, "topology");
    const banyan::topology::DiscoverOptions options{
        .host_id = banyan::env::get("BANYAN_HOST_ID").value_or(""),
        .interface_name = banyan::env::get("BANYAN_INTERFACE").value_or("")};
    const auto part = banyan::topology::discover_host(options);
    out = new banyan_topology{banyan::topology::merge({&part, 1})};
  });
}

banyan_status banyan_topology_load(const char* path, banyan_topology** topology) {
  return c_boundary([&] {
    const std::string name = &require(path, "path");
    auto& out = require(topology, "topology");
    out = new banyan_topology{banyan::topology::from_text(banyan::file::read(name)).value(name)};
  });
}

banyan_status banyan_topology_synthetic(const char* description, banyan_topology** topology) {
  return c_boundary([&] {
    const std::string text = &require(description, "description");
    auto& out = require(topology, "topology");
    out = new banyan_topology{banyan::topology::from_synthetic(text).value("\"" + text + "\"")};
  });
}

banyan_status banyan_topology_export(const banyan_topology* topology, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& graph = require(topology, "topology").graph;
    auto& out = require(text, "text");
    switch (format) {
      case BANYAN_FORMAT_TEXT:
        out = copy_string(banyan::topology::render_text(graph));
        return;
      case BANYAN_FORMAT_JSON:
        out = copy_string(banyan::topology::to_json(graph));
        return;
      case BANYAN_FORMAT_SVG:
        out = copy_string(banyan::topology::render_svg(graph));
        return;
      case BANYAN_FORMAT_MATRIX:
        out = copy_string(banyan::topology::render_matrix(graph));
        return;
      default:
        throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "topologies are exported as TEXT, JSON, SVG or MATRIX");
    }
  });
}

banyan_status banyan_topology_check(const banyan_topology* topology) {
  return c_boundary([&] {
    const std::string problem = banyan::topology::check(require(topology, "topology").graph);
    if (!problem.empty()) {
      throw banyan::Error(BANYAN_ERR_FORMAT, problem);
    }
  });
}

banyan_status banyan_topology_counts(const banyan_topology* topology, int* num_ranks, int* num_hosts) {
  return c_boundary([&] {
    const auto tree = banyan::topology::LocalityTree::derive(require(topology, "topology").graph);
    if (num_ranks != nullptr) {
      *num_ranks = tree.num_ranks();
    }
    if (num_hosts != nullptr) {
      *num_hosts = static_cast<int>(tree.at_tier(banyan::topology::Tier::kNode).size());
    }
  });
}

banyan_status banyan_topology_host_of(const banyan_topology* topology, int rank, int* host) {
  return c_boundary([&] {
    const auto tree = banyan::topology::LocalityTree::derive(require(topology, "topology").graph);
    auto& out = require(host, "host");
    if (rank < 0 || rank >= tree.num_ranks()) {
      throw banyan::Error(BANYAN_ERR_INVALID_ARGUMENT, "rank " + std::to_string(rank) + " is not between 0 and " +
                                                           std::to_string(tree.num_ranks() - 1));
    }
    out = banyan::planner::Hosts(tree).host_of(rank);
  });
}

void banyan_topology_free(banyan_topology* topology) { delete topology; }

}  // extern "C"
