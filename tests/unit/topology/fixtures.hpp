// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <stdexcept>
#include <string>

#include "base/file.hpp"
#include "topology/discover.hpp"

namespace banyan::topology {

/// A file of tests/data/topologies.
inline std::string fixture(const std::string& name) {
  return file::read(std::string(BANYAN_TEST_TOPOLOGIES) + "/" + name);
}

/// Every fixture that from_text reads.
inline constexpr std::array kTextFixtures = {"nccl-nvswitch-8gpu-8nic.xml", "nccl-pcie-4gpu-1nic.xml",
                                             "slurm-2leaf-1spine.conf", "uneven-3host-2rack.json"};

/// The graph of a description that must be right.
inline Graph synthetic(const std::string& description) { return from_synthetic(description).value(description); }

/// The vertex with a key; the test fails without it.
inline const Vertex& vertex_of(const Graph& graph, const std::string& key) {
  for (const Vertex& vertex : graph.vertices) {
    if (vertex.key == key) {
      return vertex;
    }
  }
  throw std::runtime_error("no vertex " + key);
}

/// Bandwidth of the link between two vertices given by key, -1 if there is none.
inline double bandwidth(const Graph& graph, const std::string& from, const std::string& to) {
  for (const Link& link : graph.links) {
    if (graph.vertices[static_cast<size_t>(link.from)].key == from &&
        graph.vertices[static_cast<size_t>(link.to)].key == to) {
      return link.bandwidth_bytes_per_s;
    }
  }
  return -1;
}

}  // namespace banyan::topology
