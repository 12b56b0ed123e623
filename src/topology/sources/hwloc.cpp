// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <hwloc.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include "base/error.hpp"
#include "base/unique_handle.hpp"
#include "topology/names.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

struct TopologyTraits {
  using Type = hwloc_topology_t;
  static Type null() noexcept { return nullptr; }
  static void destroy(Type topology) noexcept { hwloc_topology_destroy(topology); }
};
using Topology = UniqueHandle<TopologyTraits>;

struct BitmapTraits {
  using Type = hwloc_bitmap_t;
  static Type null() noexcept { return nullptr; }
  static void destroy(Type bitmap) noexcept { hwloc_bitmap_free(bitmap); }
};
using Bitmap = UniqueHandle<BitmapTraits>;

constexpr unsigned kNvidia = 0x10de;
constexpr unsigned kAmd = 0x1002;
constexpr size_t kMaxCpus = 65536;

[[noreturn]] void fail(const char* call) {
  throw Error(BANYAN_ERR_IO, fmt::format("{} failed: {}", call, std::strerror(errno)));
}

/// Backends that open displays or accelerator drivers, take seconds, and tell nothing that is used here; and "pci",
/// whose libpciaccess 0.17 leaks at each load and knows only names more than hwloc's own reader of /sys/bus/pci
/// (LeakSanitizer).
constexpr std::array kUnwanted = {"gl", "opencl", "cuda", "nvml", "rsmi", "levelzero", "pci"};

Topology load(const HwlocInput& input) {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    fail("hwloc_topology_init");
  }
  Topology topology(raw);
  for (const char* component : kUnwanted) {
    (void)hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, component);  // absent ones fail
  }
  if (hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_IMPORTANT) != 0 ||
      hwloc_topology_set_cache_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE) != 0) {
    fail("hwloc_topology_set_io_types_filter");
  }
  if (!input.xml.empty() &&
      hwloc_topology_set_xmlbuffer(raw, input.xml.c_str(), static_cast<int>(input.xml.size()) + 1) != 0) {
    fail("hwloc_topology_set_xmlbuffer");
  }
  if (hwloc_topology_load(raw) != 0) {
    fail("hwloc_topology_load");
  }
  return topology;
}

int cores_in(hwloc_topology_t topology, hwloc_const_cpuset_t cpus) {
  const int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, cpus, HWLOC_OBJ_CORE);
  return cores > 0 ? cores : std::max(hwloc_get_nbobjs_inside_cpuset_by_type(topology, cpus, HWLOC_OBJ_PU), 0);
}

std::string info(hwloc_obj_t object, const char* name) {
  const char* value = hwloc_obj_get_info_by_name(object, name);
  return value == nullptr ? "" : to_plain_text(value);
}

void read_packages(HostFacts& facts, hwloc_topology_t topology) {
  hwloc_obj_t package = nullptr;
  while ((package = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PACKAGE, package)) != nullptr) {
    facts.packages.push_back(
        {static_cast<int>(package->os_index), info(package, "CPUModel"), cores_in(topology, package->cpuset)});
  }
}

void read_numas(HostFacts& facts, hwloc_topology_t topology) {
  hwloc_obj_t numa = nullptr;
  while ((numa = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, numa)) != nullptr) {
    NumaFacts found;
    found.os_index = static_cast<int>(numa->os_index);
    found.num_cores = cores_in(topology, numa->cpuset);
    found.memory_bytes = numa->attr->numanode.local_memory;
    const hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, numa);
    found.package = package == nullptr ? -1 : static_cast<int>(package->logical_index);
    facts.numas.push_back(found);
  }
}

/// The only NUMA node near an I/O device, or -1.
int numa_of(hwloc_topology_t topology, hwloc_obj_t device) {
  const hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(topology, device);
  if (near == nullptr || near->nodeset == nullptr || hwloc_bitmap_weight(near->nodeset) != 1) {
    return -1;
  }
  return hwloc_bitmap_first(near->nodeset);
}

std::string address_of(hwloc_obj_t device) {
  const auto& pci = device->attr->pcidev;
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", unsigned{pci.domain}, unsigned{pci.bus}, unsigned{pci.dev},
                     unsigned{pci.func});
}

/// 3D controllers and processing accelerators of anyone, display controllers of those who also make compute GPUs.
bool is_gpu(const hwloc_obj_attr_u::hwloc_pcidev_attr_s& pci) {
  const bool display = pci.class_id == 0x0300 || pci.class_id == 0x0380;
  return pci.class_id == 0x0302 || (display && (pci.vendor_id == kNvidia || pci.vendor_id == kAmd));
}

void read_gpus(HostFacts& facts, hwloc_topology_t topology) {
  hwloc_obj_t device = nullptr;
  while ((device = hwloc_get_next_pcidev(topology, device)) != nullptr) {
    const auto& pci = device->attr->pcidev;
    if (!is_gpu(pci)) {
      continue;
    }
    GpuFacts gpu;
    gpu.name = info(device, "PCIDevice");
    if (gpu.name.empty()) {
      gpu.name = fmt::format("GPU {:04x}:{:04x}", unsigned{pci.vendor_id}, unsigned{pci.device_id});
    }
    gpu.pci = address_of(device);
    gpu.numa = numa_of(topology, device);
    gpu.pci_bytes_per_s = static_cast<double>(pci.linkspeed) * 1e9;  // hwloc: GB/s, as negotiated now
    facts.gpus.push_back(std::move(gpu));
  }
}

void read_nics(HostFacts& facts, hwloc_topology_t topology) {
  hwloc_obj_t device = nullptr;
  while ((device = hwloc_get_next_osdev(topology, device)) != nullptr) {
    if (device->attr->osdev.type != HWLOC_OBJ_OSDEV_NETWORK || device->name == nullptr ||
        std::strcmp(device->name, "lo") == 0) {
      continue;
    }
    NicFacts nic;
    nic.name = to_plain_text(device->name, 64);
    nic.state = "up";
    nic.numa = numa_of(topology, device);
    if (device->parent != nullptr && device->parent->type == HWLOC_OBJ_PCI_DEVICE) {
      nic.pci = address_of(device->parent);
      nic.pci_bytes_per_s = static_cast<double>(device->parent->attr->pcidev.linkspeed) * 1e9;
    }
    facts.nics.push_back(std::move(nic));
  }
}

/// The CPUs this process may run on, by the kernel's mask (hwloc's binding calls are not used: CVE-2022-47022).
Bitmap allowed_cpus(const HwlocInput& input) {
  Bitmap cpus(hwloc_bitmap_alloc());
  if (!cpus) {
    throw std::bad_alloc();
  }
  for (const int cpu : input.allowed_cpus) {
    (void)hwloc_bitmap_set(cpus.get(), static_cast<unsigned>(cpu));
  }
  std::vector<cpu_set_t> mask(kMaxCpus / (8 * sizeof(cpu_set_t)));
  const size_t bytes = mask.size() * sizeof(cpu_set_t);
  if (input.xml.empty() && ::sched_getaffinity(0, bytes, mask.data()) == 0) {
    for (size_t cpu = 0; cpu < kMaxCpus; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, mask.data())) {
        (void)hwloc_bitmap_set(cpus.get(), static_cast<unsigned>(cpu));
      }
    }
  }
  return cpus;
}

/// OS index of the only object of a type that holds all of `cpus`, or -1.
int only_holder(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_const_cpuset_t cpus) {
  hwloc_obj_t object = nullptr;
  int holder = -1;
  while ((object = hwloc_get_next_obj_by_type(topology, type, object)) != nullptr) {
    if (object->cpuset != nullptr && hwloc_bitmap_isincluded(cpus, object->cpuset) != 0) {
      if (holder != -1) {
        return -1;  // several memories behind the same CPUs
      }
      holder = static_cast<int>(object->os_index);
    }
  }
  return holder;
}

}  // namespace

void read_hwloc(HostFacts& facts, const HwlocInput& input) {
  const Topology topology = load(input);
  facts.num_cores = cores_in(topology.get(), hwloc_topology_get_topology_cpuset(topology.get()));
  read_packages(facts, topology.get());
  read_numas(facts, topology.get());
  read_gpus(facts, topology.get());
  read_nics(facts, topology.get());
  const Bitmap cpus = allowed_cpus(input);
  if (hwloc_bitmap_iszero(cpus.get()) == 0) {
    facts.rank_numa = only_holder(topology.get(), HWLOC_OBJ_NUMANODE, cpus.get());
    facts.rank_package = only_holder(topology.get(), HWLOC_OBJ_PACKAGE, cpus.get());
  }
}

}  // namespace banyan::topology
