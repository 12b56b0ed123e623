// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>

#include "topology/graph_builder.hpp"
#include "topology/host_facts.hpp"
#include "topology/names.hpp"
#include "topology/racks.hpp"

namespace banyan::topology {
namespace {

/// One use.
class Builder {
 public:
  explicit Builder(const HostFacts& facts) : facts_(facts), key_("host:" + facts.key) {}

  Graph run() {
    host_ = builder_.add(VertexKind::kHost, key_, facts_.name);
    set(host_, "cores", facts_.num_cores == 0 ? "" : std::to_string(facts_.num_cores));
    add_packages();
    add_numas();
    for (const GpuFacts& gpu : facts_.gpus) {
      add_gpu(gpu);
    }
    for (const GpuFacts& gpu : facts_.gpus) {
      add_nvlinks(gpu);
    }
    for (const NicFacts& nic : facts_.nics) {
      add_nic(nic);
    }
    const int rank = builder_.add_rank(rank_place());
    set(rank, "memory_domain", facts_.memory_domain);
    return builder_.take();
  }

 private:
  void set(int vertex, const char* name, const std::string& value) {
    if (!value.empty()) {
      builder_.vertex(vertex).attributes[name] = to_plain_text(value);
    }
  }

  void add_packages() {
    for (const PackageFacts& package : facts_.packages) {
      const int vertex = builder_.add(VertexKind::kPackage, fmt::format("{}/package:{}", key_, package.os_index),
                                      fmt::format("package {}", package.os_index));
      set(vertex, "model", package.model);
      set(vertex, "cores", std::to_string(package.num_cores));
      builder_.join(host_, vertex, LinkKind::kMemory);
      packages_.push_back(vertex);
    }
  }

  void add_numas() {
    for (const NumaFacts& numa : facts_.numas) {
      const int vertex = builder_.add(VertexKind::kNuma, fmt::format("{}/numa:{}", key_, numa.os_index),
                                      fmt::format("NUMA {}", numa.os_index));
      set(vertex, "cores", std::to_string(numa.num_cores));
      set(vertex, "memory_bytes", numa.memory_bytes == 0 ? "" : std::to_string(numa.memory_bytes));
      builder_.join(numa.package == -1 ? host_ : packages_.at(static_cast<size_t>(numa.package)), vertex,
                    LinkKind::kMemory);
      numas_[numa.os_index] = vertex;
    }
  }

  [[nodiscard]] int numa_or_host(int os_index) const {
    const auto found = numas_.find(os_index);
    return found == numas_.end() ? host_ : found->second;
  }

  void add_gpu(const GpuFacts& gpu) {
    const int vertex = builder_.add(VertexKind::kGpu, key_ + "/gpu:" + gpu.pci, gpu.name);
    set(vertex, "pci", gpu.pci);
    set(vertex, "uuid", gpu.uuid);
    builder_.join(numa_or_host(gpu.numa), vertex, LinkKind::kPci, gpu.pci_bytes_per_s);
    gpus_[gpu.pci] = vertex;
  }

  void add_nvlinks(const GpuFacts& gpu) {
    const int from = gpus_.at(gpu.pci);
    for (const NvlinkFacts& nvlink : gpu.nvlinks) {
      int to = -1;
      if (nvlink.to_switch) {
        const auto [found, inserted] = nvswitches_.try_emplace(nvlink.remote_pci, -1);
        if (inserted) {
          found->second = builder_.add(VertexKind::kNvSwitch, key_ + "/nvswitch:" + nvlink.remote_pci,
                                       "NVSwitch " + nvlink.remote_pci);
          builder_.join(host_, found->second, LinkKind::kPci);
        }
        to = found->second;
      } else if (const auto found = gpus_.find(nvlink.remote_pci); found != gpus_.end() && gpu.pci < found->first) {
        to = found->second;  // listed at both ends; a GPU that this process can not see is left out
      }
      if (to != -1) {
        builder_.join(from, to, LinkKind::kNvlink, nvlink.bytes_per_s);
      }
    }
  }

  void add_nic(const NicFacts& nic) {
    const int vertex = builder_.add(VertexKind::kNic, key_ + "/nic:" + nic.name, nic.name);
    set(vertex, "state", nic.state);
    set(vertex, "driver", nic.driver);
    set(vertex, "pci", nic.pci);
    set(vertex, "rdma", nic.rdma);
    set(vertex, "mtu", nic.mtu == 0 ? "" : std::to_string(nic.mtu));
    builder_.join(numa_or_host(nic.numa), vertex, nic.pci.empty() ? LinkKind::kMemory : LinkKind::kPci,
                  nic.pci_bytes_per_s);
    if (fabric_ == -1) {
      fabric_ = builder_.add(VertexKind::kSwitch, kFabricKey, kFabricName);
    }
    builder_.join(vertex, fabric_, LinkKind::kNetwork, nic.bytes_per_s);
  }

  [[nodiscard]] int rank_place() const {
    if (const auto numa = numas_.find(facts_.rank_numa); numa != numas_.end()) {
      return numa->second;
    }
    for (size_t i = 0; i < packages_.size(); ++i) {
      if (facts_.packages[i].os_index == facts_.rank_package) {
        return packages_[i];
      }
    }
    return host_;
  }

  const HostFacts& facts_;
  std::string key_;
  GraphBuilder builder_;
  int host_ = -1;
  int fabric_ = -1;
  std::vector<int> packages_;
  std::map<int, int> numas_;         ///< by OS index
  std::map<std::string, int> gpus_;  ///< by PCI address
  std::map<std::string, int> nvswitches_;
};

}  // namespace

Graph host_graph(const HostFacts& facts) { return Builder(facts).run(); }

}  // namespace banyan::topology
