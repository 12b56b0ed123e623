// SPDX-License-Identifier: Apache-2.0
#include "topology/domains.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace banyan::topology {
namespace {

/// A domain of GPU ranks while it grows.
struct Clique {
  int number = 0;
  std::vector<int> gpus;  ///< each once
  int plane = -1;         ///< the NVSwitch plane that all of them are on; -1: not all on one
};

/// Which NVSwitches belong together, by GPU.
class NvSwitchPlanes {
 public:
  explicit NvSwitchPlanes(const GraphIndex& index) : index_(index), plane_(index.graph().vertices.size(), -1) {
    const auto& vertices = index.graph().vertices;
    for (size_t v = 0; v < vertices.size(); ++v) {
      if (vertices[v].kind == VertexKind::kNvSwitch && plane_[v] == -1) {
        flood(static_cast<int>(v));
      }
    }
  }
  /// The plane of a GPU or NVSwitch, -1 if it is on none. A GPU on two planes counts for the first.
  [[nodiscard]] int of(int vertex) const { return plane_[static_cast<size_t>(vertex)]; }

 private:
  void flood(int first) {
    std::vector<int> queue = {first};
    plane_[static_cast<size_t>(first)] = first;
    while (!queue.empty()) {
      const int from = queue.back();
      queue.pop_back();
      for (const int link_index : index_.out_links(from)) {
        const Link& link = index_.graph().links[static_cast<size_t>(link_index)];
        int& plane = plane_[static_cast<size_t>(link.to)];
        if (link.kind != LinkKind::kNvlink || plane != -1) {
          continue;
        }
        const VertexKind kind = index_.graph().vertices[static_cast<size_t>(link.to)].kind;
        if (kind == VertexKind::kNvSwitch) {
          queue.push_back(link.to);
        }
        plane = kind == VertexKind::kNvSwitch || kind == VertexKind::kGpu ? first : -1;
      }
    }
  }

  const GraphIndex& index_;
  std::vector<int> plane_;
};

/// Numbers the domains of one graph. One use.
class Finder {
 public:
  explicit Finder(const GraphIndex& index) : index_(index), planes_(index), next_ordinal_(index.hosts().size(), 0) {}

  Domains run() {
    const Graph& graph = index_.graph();
    for (int rank = 0; rank < graph.num_ranks(); ++rank) {
      const int vertex = graph.rank_vertex[static_cast<size_t>(rank)];
      const int host = index_.host_index(vertex);
      const int place = index_.rank_place(rank);
      const std::string& memory = attribute(graph.vertices[static_cast<size_t>(vertex)], "memory_domain");
      const bool placed = host != -1 && place != -1;
      const bool on_gpu = placed && graph.vertices[static_cast<size_t>(place)].kind == VertexKind::kGpu;
      domains_.by_rank.push_back(!placed ? -1 : on_gpu ? gpu_domain(host, memory, place) : cpu_domain(host, memory));
    }
    return std::move(domains_);
  }

 private:
  using Scope = std::pair<int, std::string>;  ///< host and memory_domain

  int new_domain(int host) {
    domains_.ordinal.push_back(next_ordinal_[static_cast<size_t>(host)]++);
    return static_cast<int>(domains_.ordinal.size()) - 1;
  }

  int cpu_domain(int host, const std::string& memory) {
    const auto [found, inserted] = cpu_.try_emplace({host, memory}, -1);
    if (inserted) {
      found->second = new_domain(host);
    }
    return found->second;
  }

  [[nodiscard]] bool reaches_all(int gpu, const Clique& clique) const {
    if (clique.plane != -1 && planes_.of(gpu) == clique.plane) {
      return true;
    }
    return std::all_of(clique.gpus.begin(), clique.gpus.end(), [&](int other) {
      return index_.find_link(gpu, other, LinkKind::kNvlink) != nullptr ||
             (planes_.of(gpu) != -1 && planes_.of(gpu) == planes_.of(other));
    });
  }

  /// The domain of the GPU's earlier ranks, else the first whose GPUs it all reaches, else a new one.
  int gpu_domain(int host, const std::string& memory, int gpu) {
    const auto [known, inserted] = gpu_.try_emplace({gpu, memory}, -1);
    if (!inserted) {
      return known->second;
    }
    std::vector<Clique>& cliques = cliques_[{host, memory}];
    const auto joined =
        std::find_if(cliques.begin(), cliques.end(), [&](const Clique& clique) { return reaches_all(gpu, clique); });
    if (joined == cliques.end()) {
      known->second = new_domain(host);
      cliques.push_back({known->second, {gpu}, planes_.of(gpu)});
    } else {
      known->second = joined->number;
      joined->gpus.push_back(gpu);
      joined->plane = joined->plane == planes_.of(gpu) ? joined->plane : -1;
    }
    return known->second;
  }

  const GraphIndex& index_;
  NvSwitchPlanes planes_;
  std::vector<int> next_ordinal_;  ///< by host
  Domains domains_;
  std::map<Scope, int> cpu_;
  std::map<Scope, int> gpu_;  ///< by GPU vertex and memory_domain
  std::map<Scope, std::vector<Clique>> cliques_;
};

}  // namespace

Domains find_domains(const GraphIndex& index) { return Finder(index).run(); }

}  // namespace banyan::topology
