// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <unordered_set>
#include <vector>

#include "topology/discover.hpp"
#include "topology/graph_index.hpp"
#include "topology/limits.hpp"
#include "topology/names.hpp"

namespace banyan::topology {
namespace {

using Kinds = unsigned;

constexpr Kinds bit(VertexKind kind) { return 1U << static_cast<unsigned>(kind); }

constexpr Kinds kPlaces = bit(VertexKind::kHost) | bit(VertexKind::kPackage) | bit(VertexKind::kNuma);
constexpr Kinds kGpus = bit(VertexKind::kGpu) | bit(VertexKind::kNvSwitch);

/// Vertex kinds that a link may join: one end of `a`, the other of `b`.
struct Ends {
  Kinds a;
  Kinds b;
};

constexpr std::array kEnds = {
    Ends{kPlaces | bit(VertexKind::kGpu), kPlaces | bit(VertexKind::kNic) | bit(VertexKind::kRank)},  // memory
    Ends{kPlaces, kGpus | bit(VertexKind::kNic)},                                                     // pci
    Ends{kGpus, kGpus | kPlaces},                                                                     // nvlink
    Ends{bit(VertexKind::kSwitch), bit(VertexKind::kSwitch) | bit(VertexKind::kNic)},                 // network
};

bool may_join(LinkKind kind, VertexKind from, VertexKind to) {
  const Ends ends = kEnds[static_cast<size_t>(kind)];
  return ((ends.a & bit(from)) != 0 && (ends.b & bit(to)) != 0) ||
         ((ends.b & bit(from)) != 0 && (ends.a & bit(to)) != 0);
}

std::string check_text(const std::string& what, const std::string& text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return fmt::format("{} is longer than {} bytes", what, max_bytes);
  }
  if (!is_plain_text(text)) {
    return what + " is not UTF-8 text without control characters";
  }
  return {};
}

std::string check_vertex(size_t index, const Vertex& vertex) {
  const std::string where = fmt::format("vertex {}: ", index);
  if (vertex.key.empty() || vertex.name.empty()) {
    return where + (vertex.key.empty() ? "key" : "name") + " is empty";
  }
  for (const auto& [what, text] : {std::pair("key", &vertex.key), std::pair("name", &vertex.name)}) {
    if (std::string error = check_text(what, *text, kMaxNameBytes); !error.empty()) {
      return where + error;
    }
  }
  if (vertex.attributes.size() > kMaxAttributes) {
    return where + fmt::format("has more than {} attributes", kMaxAttributes);
  }
  for (const auto& [name, value] : vertex.attributes) {
    std::string error = check_text("name of an attribute", name, kMaxNameBytes);
    if (error.empty()) {
      error = check_text("an attribute's value", value, kMaxValueBytes);
    }
    if (!error.empty()) {
      return where + error;
    }
  }
  return {};
}

std::string check_vertices(const Graph& graph) {
  if (graph.vertices.size() > kMaxVertices) {
    return fmt::format("{} vertices; at most {} are supported", graph.vertices.size(), kMaxVertices);
  }
  std::unordered_set<std::string_view> keys;
  for (size_t i = 0; i < graph.vertices.size(); ++i) {
    if (std::string error = check_vertex(i, graph.vertices[i]); !error.empty()) {
      return error;
    }
    if (!keys.insert(graph.vertices[i].key).second) {
      return fmt::format("vertex {}: key \"{}\" appears twice", i, graph.vertices[i].key);
    }
  }
  return {};
}

bool is_rate(double value) { return std::isfinite(value) && value >= 0; }

std::string check_link(const Graph& graph, size_t index) {
  const Link& link = graph.links[index];
  const int size = static_cast<int>(graph.vertices.size());
  if (link.from < 0 || link.from >= size || link.to < 0 || link.to >= size) {
    return fmt::format("link {}: ends {} -> {} are not both vertices 0 to {}", index, link.from, link.to, size - 1);
  }
  const Vertex& from = graph.vertices[static_cast<size_t>(link.from)];
  const Vertex& to = graph.vertices[static_cast<size_t>(link.to)];
  const std::string where = fmt::format("link {} ({} -> {}): ", index, from.key, to.key);
  if (link.from == link.to) {
    return where + "joins a vertex to itself";
  }
  if (!may_join(link.kind, from.kind, to.kind)) {
    return where + fmt::format("a {} link can not join a {} and a {}", kind_name(link.kind), kind_name(from.kind),
                               kind_name(to.kind));
  }
  if (!is_rate(link.bandwidth_bytes_per_s) || !is_rate(link.latency_s)) {
    return where + "bandwidth and latency must be finite and not negative";
  }
  return {};
}

std::string check_links(const Graph& graph) {
  if (graph.links.size() > kMaxLinks) {
    return fmt::format("{} links; at most {} are supported", graph.links.size(), kMaxLinks);
  }
  for (size_t i = 0; i < graph.links.size(); ++i) {
    if (std::string error = check_link(graph, i); !error.empty()) {
      return error;
    }
  }
  return {};
}

std::string check_pairs(const GraphIndex& index) {
  for (const Link& link : index.graph().links) {
    const auto& vertices = index.graph().vertices;
    const std::string where =
        vertices[static_cast<size_t>(link.from)].key + " -> " + vertices[static_cast<size_t>(link.to)].key;
    if (index.find_link(link.from, link.to, link.kind) != &link) {
      return fmt::format("{} link {} appears twice; add up parallel links", kind_name(link.kind), where);
    }
    if (index.find_link(link.to, link.from, link.kind) == nullptr) {
      return fmt::format("{} link {} has no link back", kind_name(link.kind), where);
    }
    if (is_inside_host(link.kind) && index.host_vertex(link.from) != index.host_vertex(link.to)) {
      return fmt::format("{} link {} joins two hosts", kind_name(link.kind), where);
    }
  }
  std::vector<size_t> num_gpus(index.hosts().size(), 0);
  for (size_t v = 0; v < index.graph().vertices.size(); ++v) {
    const Vertex& vertex = index.graph().vertices[v];
    const int host = index.host_index(static_cast<int>(v));
    if (vertex.kind == VertexKind::kGpu && host != -1 && ++num_gpus[static_cast<size_t>(host)] > kMaxGpusPerHost) {
      return fmt::format("gpu \"{}\": more than {} GPUs on one host", vertex.key, kMaxGpusPerHost);
    }
    if (vertex.kind != VertexKind::kSwitch && index.host_vertex(static_cast<int>(v)) == -1) {
      return fmt::format("{} \"{}\" is on no host", kind_name(vertex.kind), vertex.key);
    }
  }
  return {};
}

/// The parts of a host form a tree: each hangs below one part of a kind that is listed earlier in VertexKind.
std::string check_parts(const GraphIndex& index) {
  const auto& vertices = index.graph().vertices;
  for (size_t v = 0; v < vertices.size(); ++v) {
    const Vertex& vertex = vertices[v];
    if (vertex.kind == VertexKind::kHost || vertex.kind == VertexKind::kSwitch) {
      continue;
    }
    size_t above = 0;
    for (const int link_index : index.out_links(static_cast<int>(v))) {
      const Link& link = index.graph().links[static_cast<size_t>(link_index)];
      above += is_inside_host(link.kind) && vertices[static_cast<size_t>(link.to)].kind < vertex.kind ? 1 : 0;
    }
    if (above != 1) {
      return fmt::format("{} \"{}\" hangs below {} parts of its host by memory or pci links; expected one",
                         kind_name(vertex.kind), vertex.key, above);
    }
  }
  return {};
}

std::string check_ranks(const GraphIndex& index) {
  const Graph& graph = index.graph();
  for (int rank = 0; rank < graph.num_ranks(); ++rank) {
    const int v = graph.rank_vertex[static_cast<size_t>(rank)];
    const Vertex& vertex = graph.vertices[static_cast<size_t>(v)];
    if (vertex.kind != VertexKind::kRank || vertex.key != "rank:" + std::to_string(rank)) {
      return fmt::format("rank {}: its vertex is the {} \"{}\", not the rank \"rank:{}\"", rank, kind_name(vertex.kind),
                         vertex.key, rank);
    }
    if (index.out_links(v).size() != 1) {
      return fmt::format("rank {}: has {} links; a rank hangs below one host, package, numa or gpu", rank,
                         index.out_links(v).size());
    }
  }
  size_t num_ranks = 0;
  for (const Vertex& vertex : graph.vertices) {
    num_ranks += vertex.kind == VertexKind::kRank ? 1 : 0;
  }
  if (num_ranks != graph.rank_vertex.size()) {
    return fmt::format("{} vertices are ranks but {} ranks are listed", num_ranks, graph.rank_vertex.size());
  }
  return {};
}

}  // namespace

std::string check(const Graph& graph) {
  std::string error = check_vertices(graph);
  if (error.empty()) {
    error = check_links(graph);
  }
  if (!error.empty()) {
    return error;
  }
  for (size_t rank = 0; rank < graph.rank_vertex.size(); ++rank) {
    const int vertex = graph.rank_vertex[rank];
    if (vertex < 0 || static_cast<size_t>(vertex) >= graph.vertices.size()) {
      return fmt::format("rank {}: vertex {} does not exist", rank, vertex);
    }
  }
  const GraphIndex index(graph);
  error = check_pairs(index);
  if (error.empty()) {
    error = check_parts(index);
  }
  return error.empty() ? check_ranks(index) : error;
}

}  // namespace banyan::topology
