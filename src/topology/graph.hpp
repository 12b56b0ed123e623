// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace banyan::topology {

enum class VertexKind : uint8_t { kHost, kPackage, kNuma, kGpu, kNvSwitch, kNic, kSwitch, kRank };

/// A thing that data starts from, ends at or goes through.
struct Vertex {
  VertexKind kind = VertexKind::kHost;
  std::string key;   ///< unique in the graph and stable over runs, e.g. "host:a1b2/nic:eth0", "rank:3"
  std::string name;  ///< for people: "node0", "eth0", "NVIDIA H200"
  std::map<std::string, std::string> attributes;  ///< facts without a field: "pci", "numa", "driver", "state"

  bool operator==(const Vertex&) const = default;
};

enum class LinkKind : uint8_t { kMemory, kPci, kNvlink, kNetwork };

/// A directed link. Both directions are listed.
struct Link {
  int from = 0;  ///< vertex index
  int to = 0;
  LinkKind kind = LinkKind::kMemory;
  double bandwidth_bytes_per_s = 0;  ///< nominal; 0: unknown
  double latency_s = 0;              ///< nominal, one way; 0: unknown

  bool operator==(const Link&) const = default;
};

/// The machines as they are. A value: no I/O, no locks. Vertices of kind kRank hang below the host, NUMA node or GPU
/// that the rank uses; `rank_vertex[r]` is rank r's vertex. Hosts are joined through kNic vertices to kSwitch vertices
/// where switches are known, else through one implicit switch ("switch:fabric") made by discovery or merge.
struct Graph {
  std::vector<Vertex> vertices;
  std::vector<Link> links;
  std::vector<int> rank_vertex;

  [[nodiscard]] int num_ranks() const noexcept { return static_cast<int>(rank_vertex.size()); }
  bool operator==(const Graph&) const = default;
};

}  // namespace banyan::topology
