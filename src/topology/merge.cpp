// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "topology/discover.hpp"
#include "topology/graph_builder.hpp"
#include "topology/graph_index.hpp"
#include "topology/names.hpp"
#include "topology/racks.hpp"

namespace banyan::topology {
namespace {

/// What two ranks must agree on about a host: its name and its network interfaces.
struct HostFace {
  int rank = 0;  ///< the first that described the host
  std::string name;
  std::vector<std::pair<std::string, std::string>> nics;  ///< key and "up 10 Gbit/s", by key
};

HostFace face_of(const GraphIndex& index, int rank) {
  const Graph& graph = index.graph();
  HostFace face{rank, graph.vertices[static_cast<size_t>(index.hosts().front())].name, {}};
  std::set<std::pair<std::string, std::string>> nics;
  for (const int nic : index.nics(0)) {
    const Vertex& vertex = graph.vertices[static_cast<size_t>(nic)];
    std::string text = is_up(vertex) ? "up" : "down";
    for (const int link_index : index.out_links(nic)) {
      const Link& link = graph.links[static_cast<size_t>(link_index)];
      if (link.kind == LinkKind::kNetwork) {
        text += fmt::format(" {} to {}", bit_rate_text(link.bandwidth_bytes_per_s),
                            graph.vertices[static_cast<size_t>(link.to)].key);
      }
    }
    nics.emplace(vertex.key, std::move(text));
  }
  face.nics.assign(nics.begin(), nics.end());
  return face;
}

std::string nic_text(const HostFace& face, size_t i) {
  return i < face.nics.size() ? face.nics[i].first + " " + face.nics[i].second : "no such interface";
}

void expect_same(const std::string& host_key, const HostFace& first, const HostFace& second) {
  const auto disagree = [&](const std::string& a, const std::string& b) {
    throw Error(
        BANYAN_ERR_MISMATCH,
        fmt::format("ranks {} and {} describe {} differently: \"{}\" and \"{}\"; give them equal BANYAN_INTERFACE, "
                    "or different BANYAN_HOST_ID if they are on different hosts",
                    first.rank, second.rank, host_key, a, b));
  };
  if (first.name != second.name) {
    disagree(first.name, second.name);
  }
  for (size_t i = 0; i < std::max(first.nics.size(), second.nics.size()); ++i) {
    if (i >= first.nics.size() || i >= second.nics.size() || first.nics[i] != second.nics[i]) {
      disagree(nic_text(first, i), nic_text(second, i));
    }
  }
}

/// Adds part after part. One use.
class Merger {
 public:
  void add(const Graph& part, int rank) {
    const GraphIndex index(part);
    expect_one_host(index, rank);
    const std::string& host_key = part.vertices[static_cast<size_t>(index.hosts().front())].key;
    const HostFace face = face_of(index, rank);
    expect_same(host_key, faces_.try_emplace(host_key, face).first->second, face);
    std::vector<int> renumbered;
    for (const Vertex& vertex : part.vertices) {
      renumbered.push_back(vertex.kind == VertexKind::kRank ? add_rank(vertex, rank) : add_vertex(vertex, rank));
    }
    for (const Link& link : part.links) {
      add_link(link, renumbered[static_cast<size_t>(link.from)], renumbered[static_cast<size_t>(link.to)]);
    }
  }

  Graph take() {
    join_fabric();
    return std::move(graph_);
  }

 private:
  static void expect_one_host(const GraphIndex& index, int rank) {
    const Graph& part = index.graph();
    if (part.num_ranks() != 1 || index.hosts().size() != 1) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  fmt::format("rank {}'s topology has {} ranks and {} hosts; expected one of each", rank,
                              part.num_ranks(), index.hosts().size()));
    }
  }

  int add_rank(const Vertex& vertex, int rank) {
    graph_.rank_vertex.push_back(static_cast<int>(graph_.vertices.size()));
    graph_.vertices.push_back(
        {VertexKind::kRank, fmt::format("rank:{}", rank), fmt::format("rank{}", rank), vertex.attributes});
    return graph_.rank_vertex.back();
  }

  int add_vertex(const Vertex& vertex, int rank) {
    const auto [found, inserted] = vertices_.try_emplace(vertex.key, static_cast<int>(graph_.vertices.size()));
    if (inserted) {
      graph_.vertices.push_back(vertex);
    } else if (graph_.vertices[static_cast<size_t>(found->second)].kind != vertex.kind) {
      throw Error(
          BANYAN_ERR_MISMATCH,
          fmt::format("rank {} says that {} is a {}, a lower rank says it is a {}", rank, vertex.key,
                      kind_name(vertex.kind), kind_name(graph_.vertices[static_cast<size_t>(found->second)].kind)));
    }
    return found->second;
  }

  void add_link(const Link& link, int from, int to) {
    const auto key =
        static_cast<uint64_t>(from) << 32 | static_cast<uint64_t>(to) << 3 | static_cast<uint64_t>(link.kind);
    const auto [found, inserted] = links_.try_emplace(key, graph_.links.size());
    if (inserted) {
      graph_.links.push_back({from, to, link.kind, link.bandwidth_bytes_per_s, link.latency_s});
    } else if (Link& known = graph_.links[found->second]; known.bandwidth_bytes_per_s == 0) {
      known.bandwidth_bytes_per_s = link.bandwidth_bytes_per_s;  // a rank may see less than the others, never wrong
    }
  }

  /// NICs without a network hang on the implicit fabric.
  void join_fabric() {
    std::vector<bool> linked(graph_.vertices.size(), false);
    for (const Link& link : graph_.links) {
      if (link.kind == LinkKind::kNetwork) {
        linked[static_cast<size_t>(link.from)] = true;
      }
    }
    for (size_t v = 0; v < linked.size(); ++v) {
      if (graph_.vertices[v].kind == VertexKind::kNic && !linked[v]) {
        const int fabric = add_vertex({VertexKind::kSwitch, kFabricKey, kFabricName, {}}, 0);
        graph_.links.push_back({static_cast<int>(v), fabric, LinkKind::kNetwork, 0, 0});
        graph_.links.push_back({fabric, static_cast<int>(v), LinkKind::kNetwork, 0, 0});
      }
    }
  }

  Graph graph_;
  std::unordered_map<std::string, HostFace> faces_;
  std::unordered_map<std::string, int> vertices_;
  std::unordered_map<uint64_t, size_t> links_;
};

}  // namespace

Graph merge(std::span<const Graph> parts) {
  Merger merger;
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    if (const std::string broken = check(parts[rank]); !broken.empty()) {
      throw Error(BANYAN_ERR_FORMAT, fmt::format("rank {}'s topology is broken: {}", rank, broken));
    }
    merger.add(parts[rank], static_cast<int>(rank));
  }
  Graph merged = merger.take();
  if (const std::string broken = check(merged); !broken.empty()) {
    throw Error(BANYAN_ERR_MISMATCH, "the ranks' topologies do not fit together: " + broken);
  }
  return merged;
}

}  // namespace banyan::topology
