// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "topology/discover.hpp"
#include "topology/graph_builder.hpp"
#include "topology/graph_index.hpp"

namespace banyan::topology {
namespace {

/// One cable of a NIC in the file.
struct Cable {
  std::string nic_name;
  int leaf = -1;  ///< switch vertex of the file
  double bandwidth_bytes_per_s = 0;
};

std::vector<Cable> cables_of(const GraphIndex& file, int host) {
  std::vector<Cable> cables;
  for (const int nic : file.nics(host)) {
    for (const int link_index : file.out_links(nic)) {
      const Link& link = file.graph().links[static_cast<size_t>(link_index)];
      if (link.kind == LinkKind::kNetwork) {
        cables.push_back({file.graph().vertices[static_cast<size_t>(nic)].name, link.to, link.bandwidth_bytes_per_s});
      }
    }
  }
  return cables;
}

/// The file's cable for the graph's `position`-th NIC: by name, else the only leaf there is, else by position.
const Cable& match(const std::vector<Cable>& cables, const Vertex& nic, size_t position, const std::string& host) {
  const auto named = std::find_if(cables.begin(), cables.end(), [&](const Cable& c) { return c.nic_name == nic.name; });
  if (named != cables.end()) {
    return *named;
  }
  const bool one_leaf =
      std::all_of(cables.begin(), cables.end(), [&](const Cable& c) { return c.leaf == cables.front().leaf; });
  if (!cables.empty() && (one_leaf || position < cables.size())) {
    return cables[one_leaf ? 0 : position];
  }
  throw Error(BANYAN_ERR_MISMATCH,
              fmt::format("the topology file does not say which switch {} of host {} is linked to", nic.name, host));
}

double own_bandwidth(const GraphIndex& index, int nic) {
  for (const int link_index : index.out_links(nic)) {
    const Link& link = index.graph().links[static_cast<size_t>(link_index)];
    if (link.kind == LinkKind::kNetwork && link.bandwidth_bytes_per_s > 0) {
      return link.bandwidth_bytes_per_s;
    }
  }
  return 0;
}

/// The graph without its switches, and with the switches of a file. One use.
class Overlay {
 public:
  Overlay(const Graph& graph, const Graph& file) : graph_(graph), file_(file), index_(graph), file_index_(file) {}

  Graph run() {
    copy_without_switches();
    copy_switches();
    const auto by_name = file_hosts();
    for (size_t host = 0; host < index_.hosts().size(); ++host) {
      const int file_host = find_host(by_name, static_cast<int>(host));
      join_host(static_cast<int>(host), cables_of(file_index_, file_host), file_host);
    }
    return builder_.take();
  }

 private:
  using HostMap = std::map<std::string, std::optional<int>>;  ///< nullopt: two hosts of that name

  void copy_without_switches() {
    renumbered_.assign(graph_.vertices.size(), -1);
    Graph kept;
    for (size_t v = 0; v < graph_.vertices.size(); ++v) {
      if (graph_.vertices[v].kind != VertexKind::kSwitch) {
        renumbered_[v] = static_cast<int>(kept.vertices.size());
        kept.vertices.push_back(graph_.vertices[v]);
      }
    }
    for (Link link : graph_.links) {
      if (link.kind != LinkKind::kNetwork) {
        link.from = renumbered_[static_cast<size_t>(link.from)];
        link.to = renumbered_[static_cast<size_t>(link.to)];
        kept.links.push_back(link);
      }
    }
    for (const int vertex : graph_.rank_vertex) {
      kept.rank_vertex.push_back(renumbered_[static_cast<size_t>(vertex)]);
    }
    builder_ = GraphBuilder(std::move(kept));
  }

  void copy_switches() {
    file_renumbered_.assign(file_.vertices.size(), -1);
    for (size_t v = 0; v < file_.vertices.size(); ++v) {
      if (const Vertex& vertex = file_.vertices[v]; vertex.kind == VertexKind::kSwitch) {
        file_renumbered_[v] = builder_.add(vertex.kind, vertex.key, vertex.name);
        builder_.vertex(file_renumbered_[v]).attributes = vertex.attributes;
      }
    }
    for (const Link& link : file_.links) {
      const int from = file_renumbered_[static_cast<size_t>(link.from)];
      const int to = file_renumbered_[static_cast<size_t>(link.to)];
      if (from != -1 && to != -1) {
        builder_.add_link({from, to, link.kind, link.bandwidth_bytes_per_s, link.latency_s});
      }
    }
  }

  HostMap file_hosts() const {
    HostMap hosts;
    for (size_t host = 0; host < file_index_.hosts().size(); ++host) {
      const Vertex& vertex = file_.vertices[static_cast<size_t>(file_index_.hosts()[host])];
      hosts[vertex.key] = static_cast<int>(host);
      const auto [found, inserted] = hosts.try_emplace(vertex.name, static_cast<int>(host));
      if (!inserted && found->second != static_cast<int>(host)) {
        found->second = std::nullopt;
      }
    }
    return hosts;
  }

  int find_host(const HostMap& hosts, int host) const {
    const Vertex& vertex = graph_.vertices[static_cast<size_t>(index_.hosts()[static_cast<size_t>(host)])];
    for (const std::string* text : {&vertex.key, &vertex.name}) {
      if (const auto found = hosts.find(*text); found != hosts.end() && found->second) {
        return *found->second;
      }
    }
    throw Error(BANYAN_ERR_MISMATCH, fmt::format("host {} ({}) is not in the topology file, or its name is there twice",
                                                 vertex.name, vertex.key));
  }

  void join_host(int host, const std::vector<Cable>& cables, int file_host) {
    const int host_vertex = index_.hosts()[static_cast<size_t>(host)];
    const Vertex& host_of = graph_.vertices[static_cast<size_t>(host_vertex)];
    const std::vector<int>& nics = index_.nics(host);
    for (size_t i = 0; i < nics.size(); ++i) {
      const Cable& cable = match(cables, graph_.vertices[static_cast<size_t>(nics[i])], i, host_of.name);
      const double own = own_bandwidth(index_, nics[i]);
      builder_.join(renumbered_[static_cast<size_t>(nics[i])], file_renumbered_[static_cast<size_t>(cable.leaf)],
                    LinkKind::kNetwork, own > 0 ? own : cable.bandwidth_bytes_per_s);
    }
    if (!nics.empty()) {
      return;
    }
    for (const int nic : file_index_.nics(file_host)) {  // nothing was seen: believe the file
      const Vertex& vertex = file_.vertices[static_cast<size_t>(nic)];
      const int copy = builder_.add(VertexKind::kNic, host_of.key + "/nic:" + vertex.name, vertex.name);
      builder_.vertex(copy).attributes = vertex.attributes;
      builder_.join(renumbered_[static_cast<size_t>(host_vertex)], copy, LinkKind::kPci);
      for (const Cable& cable : cables) {
        if (cable.nic_name == vertex.name) {
          builder_.join(copy, file_renumbered_[static_cast<size_t>(cable.leaf)], LinkKind::kNetwork,
                        cable.bandwidth_bytes_per_s);
        }
      }
    }
  }

  const Graph& graph_;
  const Graph& file_;
  GraphIndex index_;
  GraphIndex file_index_;
  GraphBuilder builder_;
  std::vector<int> renumbered_;
  std::vector<int> file_renumbered_;
};

}  // namespace

void overlay_switches(Graph& graph, const Graph& file) {
  for (const Graph* part : {static_cast<const Graph*>(&graph), &file}) {
    if (const std::string broken = check(*part); !broken.empty()) {
      throw Error(BANYAN_ERR_FORMAT, "topology to overlay is broken: " + broken);
    }
  }
  Graph result = Overlay(graph, file).run();
  if (const std::string broken = check(result); !broken.empty()) {
    throw Error(BANYAN_ERR_MISMATCH, "the topology file does not fit the hosts: " + broken);
  }
  graph = std::move(result);
}

}  // namespace banyan::topology
