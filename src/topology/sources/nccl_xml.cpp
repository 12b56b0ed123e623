// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "base/parse.hpp"
#include "topology/discover.hpp"
#include "topology/graph_builder.hpp"
#include "topology/link_speed.hpp"
#include "topology/names.hpp"
#include "topology/racks.hpp"
#include "topology/sources/xml.hpp"

namespace banyan::topology {
namespace {

/// A GPU of the file, before its links are known.
struct Gpu {
  const XmlElement* element = nullptr;
  int vertex = -1;
  int host = -1;
  int numa = -1;  ///< vertex of its CPU
  long rank = -1;
  long dev = 0;
  int compute_capability = 0;
};

/// Where in the PCI tree an element is.
struct Place {
  int host = 0;                ///< position in Importer::hosts_
  int numa = 0;                ///< vertex
  std::string busid;           ///< of the nearest PCI device
  double pci_bytes_per_s = 0;  ///< least of the PCI links between it and the CPU; 0: unknown
};

[[noreturn]] void reject(const XmlElement& element, const std::string& message) {
  throw ParseError{"<" + element.name + ">: " + message, element.line, element.column};
}

const std::string& required(const XmlElement& element, const char* attribute) {
  const std::string* value = element.find(attribute);
  if (value == nullptr) {
    reject(element, std::string("attribute ") + attribute + " is missing");
  }
  return *value;
}

/// An integer attribute, `absent` if it is not there or empty.
long integer(const XmlElement& element, const char* attribute, long absent) {
  const std::string* text = element.find(attribute);
  if (text == nullptr || text->empty()) {
    return absent;
  }
  const auto value = parse::integer(*text);
  if (!value) {
    reject(element, std::string(attribute) + " is \"" + to_plain_text(*text) + "\"; expected an integer");
  }
  return *value;
}

long integer_in(const XmlElement& element, const char* attribute, long absent, long max) {
  const long value = integer(element, attribute, absent);
  if (value != absent && (value < 0 || value > max)) {
    reject(element, fmt::format("{} is {}; expected 0 to {}", attribute, value, max));
  }
  return value;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

/// Turns the tree of elements into a graph. One use.
class Importer {
 public:
  Graph run(const XmlElement& system) {
    if (system.name != "system") {
      reject(system, "expected <system>, the root of a topology written by NCCL_TOPO_DUMP_FILE");
    }
    if (const long version = integer(system, "version", 1); version != 1) {
      reject(system, fmt::format("version {} is not supported; expected 1", version));
    }
    for (const XmlElement& child : system.children) {
      if (child.name == "cpu") {
        add_cpu(child);
      }
    }
    if (hosts_.empty()) {
      reject(system, "has no <cpu>");
    }
    for (const Gpu& gpu : gpus_) {
      add_nvlinks(gpu);
    }
    add_ranks();
    return builder_.take();
  }

 private:
  static constexpr long kMaxDev = 4095;
  static constexpr long kMaxLinkCount = 1024;

  int host_of(const XmlElement& cpu) {
    const std::string* hash = cpu.find("host_hash");
    const std::string id = hash == nullptr || hash->empty() ? "nccl" : to_plain_text(*hash, 64);
    const auto [found, inserted] = hosts_.try_emplace(id, static_cast<int>(hosts_.size()));
    if (inserted) {
      host_vertex_.push_back(builder_.add(VertexKind::kHost, "host:" + id, "node" + std::to_string(found->second)));
    }
    return found->second;
  }
  std::string host_key(int host) { return builder_.vertex(host_vertex_[static_cast<size_t>(host)]).key; }

  void add_cpu(const XmlElement& cpu) {
    const long numaid = integer(cpu, "numaid", -1);
    Place place;
    place.host = host_of(cpu);
    const int host = host_vertex_[static_cast<size_t>(place.host)];
    const std::string key = fmt::format("{}/numa:{}", host_key(place.host), numaid);
    if (!keys_.insert(key).second) {
      reject(cpu, fmt::format("numaid {} appears twice on one host", numaid));
    }
    place.numa = builder_.add(VertexKind::kNuma, key, fmt::format("NUMA {}", numaid));
    for (const char* name : {"arch", "vendor", "affinity"}) {
      if (const std::string* value = cpu.find(name); value != nullptr && !value->empty()) {
        builder_.vertex(place.numa).attributes[name] = to_plain_text(*value);
      }
    }
    builder_.join(host, place.numa, LinkKind::kMemory);
    add_children(cpu, place);
  }

  void add_children(const XmlElement& parent, const Place& place) {
    for (const XmlElement& child : parent.children) {
      if (child.name == "pci") {
        add_children(child, behind(child, place));
      } else if (child.name == "gpu") {
        add_gpu(child, place);
      } else if (child.name == "nic") {
        add_children(child, place);
      } else if (child.name == "net") {
        add_net(child, place);
      }  // pcilink (a switch's peer) and elements of later versions carry nothing the graph has a place for
    }
  }

  static Place behind(const XmlElement& pci, const Place& parent) {
    Place place = parent;
    place.busid = lower(to_plain_text(required(pci, "busid"), 32));
    const std::string* speed = pci.find("link_speed");
    const auto gt_per_s = parse_gt_per_s(speed == nullptr ? "" : *speed);
    const double own =
        pci_bandwidth_bytes_per_s(gt_per_s.value_or(0), static_cast<int>(integer_in(pci, "link_width", 0, 64)));
    place.pci_bytes_per_s = own == 0                      ? parent.pci_bytes_per_s
                            : parent.pci_bytes_per_s == 0 ? own
                                                          : std::min(own, parent.pci_bytes_per_s);
    return place;
  }

  void add_gpu(const XmlElement& element, const Place& place) {
    if (place.busid.empty()) {
      reject(element, "is not inside a <pci>");
    }
    Gpu gpu;
    gpu.element = &element;
    gpu.host = place.host;
    gpu.numa = place.numa;
    gpu.rank = integer_in(element, "rank", -1, 1L << 30);
    gpu.dev = integer_in(element, "dev", 0, kMaxDev);
    gpu.compute_capability = static_cast<int>(integer_in(element, "sm", 0, 1000));
    const std::string key = host_key(place.host) + "/gpu:" + place.busid;
    if (!keys_.insert(key).second) {
      reject(element, "a second <gpu> at " + place.busid);
    }
    gpu.vertex = builder_.add(VertexKind::kGpu, key, fmt::format("GPU {}", gpu.dev));
    auto& attributes = builder_.vertex(gpu.vertex).attributes;
    attributes["pci"] = place.busid;
    attributes["sm"] = std::to_string(gpu.compute_capability);
    builder_.join(place.numa, gpu.vertex, LinkKind::kPci, place.pci_bytes_per_s);
    gpu_at_[{place.host, place.busid}] = gpus_.size();
    gpus_.push_back(gpu);
  }

  void add_net(const XmlElement& element, const Place& place) {
    const std::string name = to_plain_text(required(element, "name"), 64);
    const long port = integer_in(element, "port", 0, 65535);
    const long speed_mbit = integer_in(element, "speed", 0, 100'000'000);
    std::string key = host_key(place.host) + "/nic:" + name;
    if (port > 1) {
      key += fmt::format(":{}", port);
    }
    if (!keys_.insert(key).second) {
      reject(element, "a second <net> named " + name);
    }
    const int nic = builder_.add(VertexKind::kNic, key, name);
    auto& attributes = builder_.vertex(nic).attributes;
    if (!place.busid.empty()) {
      attributes["pci"] = place.busid;
    }
    for (const char* attribute : {"gdr", "guid", "latency", "maxconn"}) {
      if (const std::string* value = element.find(attribute); value != nullptr && !value->empty()) {
        attributes[attribute] = to_plain_text(*value);
      }
    }
    builder_.join(place.numa, nic, place.busid.empty() ? LinkKind::kMemory : LinkKind::kPci, place.pci_bytes_per_s);
    if (fabric_ == -1) {
      fabric_ = builder_.add(VertexKind::kSwitch, kFabricKey, kFabricName);
    }
    builder_.join(nic, fabric_, LinkKind::kNetwork, static_cast<double>(speed_mbit) * 1e6 / 8);
  }

  /// The vertex at the far end of an <nvlink>: a GPU, else an NVSwitch, else the CPU (POWER).
  int nvlink_target(const Gpu& gpu, const XmlElement& nvlink) {
    const std::string busid = lower(to_plain_text(required(nvlink, "target"), 32));
    if (const auto found = gpu_at_.find({gpu.host, busid}); found != gpu_at_.end()) {
      return gpus_[found->second].vertex;
    }
    const std::string* type = nvlink.find("tclass");
    const bool to_switch = type != nullptr && type->starts_with("0x068000");
    if (!to_switch) {
      return type != nullptr && type->starts_with("0x03") ? -1 : gpu.numa;
    }
    const std::string key = host_key(gpu.host) + "/nvswitch:" + busid;
    const auto [found, inserted] = nvswitches_.try_emplace(key, -1);
    if (inserted) {
      found->second = builder_.add(VertexKind::kNvSwitch, key, "NVSwitch " + busid);
      builder_.vertex(found->second).attributes["pci"] = busid;
      builder_.join(host_vertex_[static_cast<size_t>(gpu.host)], found->second, LinkKind::kPci);
    }
    return found->second;
  }

  void add_nvlinks(const Gpu& gpu) {
    for (const XmlElement& child : gpu.element->children) {
      double bytes_per_s = 0;
      int target = gpu.numa;
      if (child.name == "nvlink") {
        const long count = integer_in(child, "count", 1, kMaxLinkCount);
        bytes_per_s = static_cast<double>(count) * nvlink_bandwidth_bytes_per_s(gpu.compute_capability);
        target = nvlink_target(gpu, child);
      } else if (child.name == "c2c") {
        bytes_per_s = 1e6 * static_cast<double>(integer_in(child, "bw", 0, 100'000'000)) *
                      static_cast<double>(integer_in(child, "count", 1, kMaxLinkCount));
      } else {
        continue;
      }
      // A pair of GPUs is listed at both; a GPU that the job does not use (-1) is not part of the graph.
      const std::pair ends(std::min(gpu.vertex, target), std::max(gpu.vertex, target));
      if (target != -1 && target != gpu.vertex && nvlinks_.insert(ends).second) {
        builder_.join(gpu.vertex, target, LinkKind::kNvlink, bytes_per_s);
      }
    }
  }

  void add_ranks() {
    std::stable_sort(gpus_.begin(), gpus_.end(), [](const Gpu& a, const Gpu& b) {
      return std::tuple(a.rank, a.host, a.dev) < std::tuple(b.rank, b.host, b.dev);
    });
    for (const Gpu& gpu : gpus_) {
      const int rank = builder_.add_rank(gpu.vertex);
      if (gpu.rank >= 0) {
        builder_.vertex(rank).attributes["nccl_rank"] = std::to_string(gpu.rank);
      }
    }
  }

  GraphBuilder builder_;
  std::map<std::string, int> hosts_;
  std::vector<int> host_vertex_;
  std::set<std::string> keys_;
  std::vector<Gpu> gpus_;
  std::map<std::pair<int, std::string>, size_t> gpu_at_;
  std::map<std::string, int> nvswitches_;
  std::set<std::pair<int, int>> nvlinks_;
  int fabric_ = -1;
};

}  // namespace

Result<Graph> from_nccl_xml(std::string_view text) {
  const Result<XmlElement> parsed = parse_xml(text);
  if (!parsed) {
    return parsed.error();
  }
  try {
    Graph graph = Importer().run(parsed.value("NCCL topology"));
    if (std::string broken = check(graph); !broken.empty()) {
      return ParseError{broken};
    }
    return graph;
  } catch (const ParseError& error) {
    return error;
  }
}

}  // namespace banyan::topology
