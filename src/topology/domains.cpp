// SPDX-License-Identifier: Apache-2.0
#include "topology/domains.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace banyan::topology {
namespace {

/// A domain while it grows.
struct Candidate {
  int number = 0;
  bool on_gpu = false;
  std::string memory_domain;
  std::vector<int> gpus;  ///< GPUs of its ranks, each once
};

/// GPUs that a GPU reaches by one NVLink, or by NVLink and one or more NVSwitches.
std::vector<int> nvlink_reach(const GraphIndex& index, int gpu) {
  const Graph& graph = index.graph();
  std::vector<int> reached;
  std::vector<int> seen_switches;
  std::vector<int> queue = {gpu};
  while (!queue.empty()) {
    const int from = queue.back();
    queue.pop_back();
    for (const int link_index : index.out_links(from)) {
      const Link& link = graph.links[static_cast<size_t>(link_index)];
      if (link.kind != LinkKind::kNvlink) {
        continue;
      }
      const VertexKind kind = graph.vertices[static_cast<size_t>(link.to)].kind;
      if (kind == VertexKind::kGpu) {
        reached.push_back(link.to);
      } else if (kind == VertexKind::kNvSwitch &&
                 std::find(seen_switches.begin(), seen_switches.end(), link.to) == seen_switches.end()) {
        seen_switches.push_back(link.to);
        queue.push_back(link.to);
      }
    }
  }
  std::sort(reached.begin(), reached.end());
  return reached;
}

bool holds(const std::vector<int>& sorted, int value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

/// The first candidate that a rank may join, or nullptr.
Candidate* find_candidate(std::vector<Candidate>& candidates, const Candidate& rank, const std::vector<int>& reach) {
  for (Candidate& candidate : candidates) {
    if (candidate.on_gpu != rank.on_gpu || candidate.memory_domain != rank.memory_domain) {
      continue;
    }
    if (!rank.on_gpu) {
      return &candidate;
    }
    const int gpu = rank.gpus.front();
    const bool all = std::all_of(candidate.gpus.begin(), candidate.gpus.end(),
                                 [&](int other) { return other == gpu || holds(reach, other); });
    if (all) {
      return &candidate;
    }
  }
  return nullptr;
}

}  // namespace

Domains find_domains(const GraphIndex& index) {
  const Graph& graph = index.graph();
  Domains domains;
  domains.by_rank.assign(graph.rank_vertex.size(), -1);
  std::vector<std::vector<Candidate>> by_host(index.hosts().size());
  for (int rank = 0; rank < graph.num_ranks(); ++rank) {
    const int vertex = graph.rank_vertex[static_cast<size_t>(rank)];
    const int host = index.host_index(vertex);
    const int place = index.rank_place(rank);
    if (host == -1 || place == -1) {
      continue;
    }
    Candidate own;
    own.on_gpu = graph.vertices[static_cast<size_t>(place)].kind == VertexKind::kGpu;
    own.memory_domain = attribute(graph.vertices[static_cast<size_t>(vertex)], "memory_domain");
    own.gpus = {place};
    std::vector<Candidate>& candidates = by_host[static_cast<size_t>(host)];
    const std::vector<int> reach = own.on_gpu ? nvlink_reach(index, place) : std::vector<int>();
    Candidate* joined = find_candidate(candidates, own, reach);
    if (joined == nullptr) {
      own.number = static_cast<int>(domains.ordinal.size());
      domains.ordinal.push_back(static_cast<int>(candidates.size()));
      joined = &candidates.emplace_back(std::move(own));
    } else if (own.on_gpu && std::find(joined->gpus.begin(), joined->gpus.end(), place) == joined->gpus.end()) {
      joined->gpus.push_back(place);
    }
    domains.by_rank[static_cast<size_t>(rank)] = joined->number;
  }
  return domains;
}

}  // namespace banyan::topology
