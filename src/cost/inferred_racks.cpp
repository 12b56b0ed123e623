// SPDX-License-Identifier: Apache-2.0
#include "cost/inferred_racks.hpp"

#include <map>
#include <optional>

#include "topology/discover.hpp"
#include "topology/graph_builder.hpp"
#include "topology/racks.hpp"

namespace banyan::cost {
namespace {

using topology::Graph;
using topology::GraphIndex;
using topology::LinkKind;
using topology::Vertex;
using topology::VertexKind;

constexpr const char* kRackPrefix = "switch:inferred/rack";
/// A fact of a vertex that topology's render_text shows.
constexpr const char* kSourceAttribute = "source";
constexpr const char* kSource = "inferred from rates";

/// Whether nothing is known of switches.
bool is_one_fabric(const GraphIndex& index) {
  const auto racks = topology::find_racks(index).racks;
  return racks.size() == 1 && racks.front().key == topology::kFabricKey;
}

/// Values by name, none for a name that comes twice.
using Names = std::map<std::string, std::optional<int>>;

void add_name(Names& names, const std::string& name, int value) {
  if (const auto [entry, is_new] = names.try_emplace(name, value); !is_new) {
    entry->second = std::nullopt;
  }
}

/// The rack of each of the graph's hosts; none if one is not in the profile.
std::optional<std::vector<int>> racks_of_hosts(const GraphIndex& index, const Profile& profile) {
  std::map<std::string, int> by_key;
  Names by_name;
  for (size_t rack = 0; rack < profile.inferred_racks->size(); ++rack) {
    for (const int host : (*profile.inferred_racks)[rack].hosts) {
      const HostProfile& of = profile.hosts.at(static_cast<size_t>(host));
      by_key.emplace(of.key, static_cast<int>(rack));
      add_name(by_name, of.name, static_cast<int>(rack));
    }
  }
  const auto& vertices = index.graph().vertices;
  Names graph_names;
  for (const int host : index.hosts()) {
    add_name(graph_names, vertices[static_cast<size_t>(host)].name, host);
  }
  std::vector<int> racks;
  for (const int host : index.hosts()) {
    const Vertex& vertex = vertices[static_cast<size_t>(host)];
    if (const auto found = by_key.find(vertex.key); found != by_key.end()) {
      racks.push_back(found->second);
      continue;
    }
    const auto named = by_name.find(vertex.name);
    if (named == by_name.end() || !named->second || !graph_names[vertex.name]) {
      return std::nullopt;
    }
    racks.push_back(*named->second);
  }
  return racks;
}

/// The graph's hosts behind switches of their racks, as a topology file would have them.
Graph switch_level(const GraphIndex& index, const std::vector<int>& rack_of_host, const Profile& profile) {
  topology::GraphBuilder builder;
  const auto add_switch = [&](const std::string& key, const std::string& name) {
    const int vertex = builder.add(VertexKind::kSwitch, key, name);
    builder.vertex(vertex).attributes[kSourceAttribute] = kSource;
    return vertex;
  };
  const int spine = add_switch("switch:inferred/spine", "spine");
  std::map<int, int> leaves;
  for (size_t host = 0; host < rack_of_host.size(); ++host) {
    const int rack = rack_of_host[host];
    if (leaves.count(rack) == 0) {
      const InferredRack& of = (*profile.inferred_racks)[static_cast<size_t>(rack)];
      const int leaf = add_switch(inferred_rack_key(static_cast<size_t>(rack)), "rack" + std::to_string(rack));
      leaves[rack] = leaf;
      builder.add_link({leaf, spine, LinkKind::kNetwork, of.egress_bytes_per_s, 0});
      builder.add_link({spine, leaf, LinkKind::kNetwork, of.ingress_bytes_per_s, 0});
    }
    const Vertex& vertex = index.graph().vertices[static_cast<size_t>(index.hosts()[host])];
    const int copy = builder.add(VertexKind::kHost, vertex.key, vertex.name);
    const int nic = builder.add(VertexKind::kNic, vertex.key + "/nic:inferred", "inferred");
    builder.join(copy, nic, LinkKind::kPci);
    builder.join(nic, leaves[rack], LinkKind::kNetwork);
  }
  return builder.take();
}

}  // namespace

std::string inferred_rack_key(size_t rack) { return kRackPrefix + std::to_string(rack); }

bool is_inferred_rack_key(const std::string& key) { return key.starts_with(kRackPrefix); }

bool add_inferred_racks(Graph& graph, const Profile& profile) {
  if (!profile.inferred_racks || profile.inferred_racks->empty()) {
    return false;
  }
  const GraphIndex index(graph);
  if (!is_one_fabric(index)) {
    return false;
  }
  const auto racks = racks_of_hosts(index, profile);
  if (!racks) {
    return false;
  }
  const Graph switches = switch_level(index, *racks, profile);
  topology::overlay_switches(graph, switches);
  return true;
}

}  // namespace banyan::cost
