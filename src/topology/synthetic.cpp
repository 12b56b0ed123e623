// SPDX-License-Identifier: Apache-2.0
#include "topology/synthetic.hpp"

#include <fmt/format.h>

#include <numeric>
#include <string>
#include <vector>

#include "topology/discover.hpp"
#include "topology/graph_builder.hpp"
#include "topology/limits.hpp"
#include "topology/racks.hpp"

namespace banyan::topology {
namespace {

/// Builds the graph of a description. One use.
class Machine {
 public:
  explicit Machine(const SyntheticSpec& spec) : spec_(spec) {}

  Graph run() {
    add_switches();
    const size_t num_hosts = spec_.ranks_per_host.size();
    size_t rack = 0;
    int left_in_rack = spec_.hosts_per_rack.empty() ? 0 : spec_.hosts_per_rack.front();
    for (size_t host = 0; host < num_hosts; ++host) {
      if (!spec_.hosts_per_rack.empty() && left_in_rack == 0) {
        left_in_rack = spec_.hosts_per_rack[++rack];
      }
      --left_in_rack;
      add_host(host, leaves_[rack]);
    }
    add_ranks();
    return builder_.take();
  }

 private:
  /// "leaf2" of one rail, "leaf2.1" of several.
  [[nodiscard]] std::string rail_name(const std::string& name, int rail) const {
    return spec_.rails == 1 ? name : fmt::format("{}.{}", name, rail);
  }
  int add_switch(const std::string& name) { return builder_.add(VertexKind::kSwitch, "switch:" + name, name); }

  void add_switches() {
    if (spec_.hosts_per_rack.empty()) {
      leaves_.emplace_back();
      for (int rail = 0; rail < spec_.rails; ++rail) {
        leaves_[0].push_back(spec_.rails == 1 ? builder_.add(VertexKind::kSwitch, kFabricKey, kFabricName)
                                              : add_switch(fmt::format("rail{}", rail)));
      }
      return;
    }
    leaves_.resize(spec_.hosts_per_rack.size());
    for (int rail = 0; rail < spec_.rails; ++rail) {
      const int spine = add_switch(rail_name("spine", rail));
      for (size_t rack = 0; rack < leaves_.size(); ++rack) {
        leaves_[rack].push_back(add_switch(rail_name(fmt::format("leaf{}", rack), rail)));
        const double uplink = spec_.uplink_bytes_per_s.empty() ? 0 : spec_.uplink_bytes_per_s[rack] / spec_.rails;
        builder_.join(leaves_[rack].back(), spine, LinkKind::kNetwork, uplink);
      }
    }
  }

  void add_host(size_t host, const std::vector<int>& leaves) {
    const std::string name = fmt::format("node{}", host);
    const std::string key = "host:" + name;
    hosts_.push_back({key, builder_.add(VertexKind::kHost, key, name), {}, -1});
    Host& added = hosts_.back();
    for (int numa = 0; numa < spec_.numa_per_host; ++numa) {
      added.numas.push_back(
          builder_.add(VertexKind::kNuma, fmt::format("{}/numa:{}", key, numa), fmt::format("NUMA {}", numa)));
      builder_.join(added.vertex, added.numas.back(), LinkKind::kMemory);
    }
    if (spec_.nvlink_bytes_per_s > 0) {
      added.nvswitch = builder_.add(VertexKind::kNvSwitch, key + "/nvswitch:0", "NVSwitch 0");
      builder_.join(added.vertex, added.nvswitch, LinkKind::kPci);
    }
    for (int rail = 0; rail < spec_.rails; ++rail) {
      const std::string nic_name = fmt::format("eth{}", rail);
      const int nic = builder_.add(VertexKind::kNic, key + "/nic:" + nic_name, nic_name);
      builder_.join(part_of(added, rail, spec_.rails), nic, LinkKind::kPci);
      builder_.join(nic, leaves[static_cast<size_t>(rail)], LinkKind::kNetwork,
                    spec_.nic_bytes_per_s.empty() ? 0 : spec_.nic_bytes_per_s[host]);
    }
  }

  struct Host {
    std::string key;
    int vertex;
    std::vector<int> numas;
    int nvswitch;
  };

  /// The NUMA node of the i-th of `count` things dealt in blocks, or the host.
  static int part_of(const Host& host, int i, int count) {
    return host.numas.empty() ? host.vertex
                              : host.numas[static_cast<size_t>(i) * host.numas.size() / static_cast<size_t>(count)];
  }

  void add_rank(size_t host, int local) {
    const Host& on = hosts_[host];
    int place = part_of(on, local, spec_.ranks_per_host[host]);
    if (on.nvswitch != -1) {
      const int gpu =
          builder_.add(VertexKind::kGpu, fmt::format("{}/gpu:{}", on.key, local), fmt::format("GPU {}", local));
      builder_.join(place, gpu, LinkKind::kPci);
      builder_.join(gpu, on.nvswitch, LinkKind::kNvlink, spec_.nvlink_bytes_per_s);
      place = gpu;
    }
    builder_.add_rank(place, spec_.memory_bytes_per_s);
  }

  void add_ranks() {
    if (!spec_.cyclic) {
      for (size_t host = 0; host < hosts_.size(); ++host) {
        for (int local = 0; local < spec_.ranks_per_host[host]; ++local) {
          add_rank(host, local);
        }
      }
      return;
    }
    std::vector<size_t> unfinished(hosts_.size());
    std::iota(unfinished.begin(), unfinished.end(), size_t{0});
    for (int local = 0; !unfinished.empty(); ++local) {
      for (const size_t host : unfinished) {
        add_rank(host, local);
      }
      std::erase_if(unfinished, [&](size_t host) { return spec_.ranks_per_host[host] == local + 1; });
    }
  }

  const SyntheticSpec& spec_;
  GraphBuilder builder_;
  std::vector<std::vector<int>> leaves_;  ///< by rack and rail
  std::vector<Host> hosts_;
};

/// Vertices that the description asks for, so that 65536 hosts with 64 rails are refused before they are built.
size_t count_vertices(const SyntheticSpec& spec) {
  const size_t hosts = spec.ranks_per_host.size();
  size_t ranks = 0;
  for (const int on_host : spec.ranks_per_host) {
    ranks += static_cast<size_t>(on_host);
  }
  const auto rails = static_cast<size_t>(spec.rails);
  return hosts * (2 + rails + static_cast<size_t>(spec.numa_per_host)) + 2 * ranks +
         rails * (spec.hosts_per_rack.size() + 1);
}

}  // namespace

Result<Graph> from_synthetic(std::string_view description) {
  const Result<SyntheticSpec> spec = parse_synthetic(description);
  if (!spec) {
    return spec.error();
  }
  if (count_vertices(spec.value("description")) > kMaxVertices) {
    return ParseError{fmt::format("describes more than {} vertices", kMaxVertices), 1, 1};
  }
  return Machine(spec.value("description")).run();
}

}  // namespace banyan::topology
