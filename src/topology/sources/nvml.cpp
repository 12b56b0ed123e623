// SPDX-License-Identifier: Apache-2.0
#include "topology/sources/nvml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <type_traits>
#include <utility>

#include "base/dl.hpp"
#include "base/log.hpp"
#include "topology/limits.hpp"
#include "topology/link_speed.hpp"
#include "topology/names.hpp"

namespace banyan::topology {
namespace {

constexpr unsigned kMaxNvlinks = 18;    // NVML_NVLINK_MAX_LINKS
constexpr unsigned kCapabilityP2p = 0;  // NVML_NVLINK_CAP_P2P_SUPPORTED
constexpr unsigned kRemoteSwitch = 2;   // NVML_NVLINK_DEVICE_TYPE_SWITCH

/// Calls nvmlShutdown at the end.
class Session {
 public:
  explicit Session(const NvmlApi& nvml) : nvml_(nvml), open_(nvml.init() == 0) {}
  ~Session() {
    if (open_) {
      nvml_.shutdown();
    }
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  [[nodiscard]] bool open() const noexcept { return open_; }

 private:
  const NvmlApi& nvml_;
  bool open_;
};

/// "0000:18:00.0"; a virtual machine that was not given the far end (an NVSwitch) sees all ones (2 H200, 2026-11-22).
std::string address_of(const NvmlApi::PciInfo& pci) {
  if (pci.domain == ~0U) {
    return "hidden";
  }
  return fmt::format("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device);
}

double link_bandwidth(const NvmlApi& nvml, NvmlApi::Device device, unsigned link, int compute_capability) {
  unsigned version = 0;
  if (nvml.nvlink_version != nullptr && nvml.nvlink_version(device, link, &version) == 0) {
    constexpr std::array<double, 6> kByVersion = {0, 20e9, 25e9, 25e9, 25e9, 50e9};
    const unsigned major = version > 5 ? 0 : version;
    if (major != 0 && compute_capability != 86) {
      return kByVersion[major];
    }
  }
  return nvlink_bandwidth_bytes_per_s(compute_capability);
}

/// Adds one link to the GPU's list, if it is active and its far end is known.
void add_nvlink(GpuFacts& gpu, const NvmlApi& nvml, NvmlApi::Device device, unsigned link, int compute_capability) {
  unsigned active = 0;
  unsigned p2p = 1;
  NvmlApi::PciInfo remote{};
  if (nvml.nvlink_state(device, link, &active) != 0 || active == 0) {
    return;
  }
  if (nvml.nvlink_capability != nullptr && nvml.nvlink_capability(device, link, kCapabilityP2p, &p2p) == 0 &&
      p2p == 0) {
    return;
  }
  unsigned type = 0;
  const bool typed = nvml.nvlink_remote_type != nullptr && nvml.nvlink_remote_type(device, link, &type) == 0;
  if (nvml.nvlink_remote_pci(device, link, &remote) != 0) {
    return;
  }
  const std::string address = address_of(remote);
  auto known = std::find_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                            [&](const NvlinkFacts& facts) { return facts.remote_pci == address; });
  if (known == gpu.nvlinks.end()) {
    known = gpu.nvlinks.insert(known, NvlinkFacts{address, typed && type == kRemoteSwitch, 0, 0});
  }
  ++known->count;
  known->bytes_per_s += link_bandwidth(nvml, device, link, compute_capability);
}

void read_device(HostFacts& facts, const NvmlApi& nvml, NvmlApi::Device device) {
  NvmlApi::PciInfo pci{};
  if (nvml.device_pci(device, &pci) != 0) {
    return;
  }
  const std::string address = address_of(pci);
  auto gpu = std::find_if(facts.gpus.begin(), facts.gpus.end(), [&](const GpuFacts& g) { return g.pci == address; });
  if (gpu == facts.gpus.end()) {
    GpuFacts added;
    added.pci = address;
    added.name = "GPU " + address;
    gpu = facts.gpus.insert(gpu, std::move(added));
  }
  std::array<char, 96> text{};
  if (nvml.device_name(device, text.data(), text.size()) == 0 && text[0] != '\0') {
    text.back() = '\0';
    gpu->name = to_plain_text(text.data());
  }
  text.fill('\0');
  if (nvml.device_uuid(device, text.data(), text.size()) == 0) {
    text.back() = '\0';
    gpu->uuid = to_plain_text(text.data());
  }
  int major = 0;
  int minor = 0;
  (void)nvml.compute_capability(device, &major, &minor);
  for (unsigned link = 0; link < kMaxNvlinks; ++link) {
    add_nvlink(*gpu, nvml, device, link, major * 10 + minor);
  }
}

}  // namespace

std::optional<NvmlApi> load_nvml() {
  const auto library = DynamicLibrary::try_open("libnvidia-ml.so.1");
  if (!library) {
    return std::nullopt;
  }
  NvmlApi nvml;
  bool complete = true;
  const auto need = [&](auto& function, const char* name) {
    function = library->function<std::remove_reference_t<decltype(function)>>(name);
    complete = complete && function != nullptr;
  };
  need(nvml.init, "nvmlInit_v2");
  need(nvml.shutdown, "nvmlShutdown");
  need(nvml.device_count, "nvmlDeviceGetCount_v2");
  need(nvml.device_by_index, "nvmlDeviceGetHandleByIndex_v2");
  need(nvml.device_name, "nvmlDeviceGetName");
  need(nvml.device_uuid, "nvmlDeviceGetUUID");
  need(nvml.device_pci, "nvmlDeviceGetPciInfo_v3");
  need(nvml.compute_capability, "nvmlDeviceGetCudaComputeCapability");
  need(nvml.nvlink_state, "nvmlDeviceGetNvLinkState");
  need(nvml.nvlink_remote_pci, "nvmlDeviceGetNvLinkRemotePciInfo_v2");
  if (!complete) {
    BANYAN_LOG(kInfo, "topology", "libnvidia-ml.so.1 is too old; GPUs are shown without NVLinks");
    return std::nullopt;
  }
  nvml.nvlink_version = library->function<decltype(nvml.nvlink_version)>("nvmlDeviceGetNvLinkVersion");
  nvml.nvlink_capability = library->function<decltype(nvml.nvlink_capability)>("nvmlDeviceGetNvLinkCapability");
  nvml.nvlink_remote_type = library->function<decltype(nvml.nvlink_remote_type)>("nvmlDeviceGetNvLinkRemoteDeviceType");
  return nvml;
}

void read_nvml(HostFacts& facts, const NvmlApi& nvml) {
  const Session session(nvml);
  unsigned count = 0;
  if (!session.open() || nvml.device_count(&count) != 0) {
    BANYAN_LOG(kInfo, "topology", "nvml found no usable driver");
    return;
  }
  for (unsigned i = 0; i < std::min(count, static_cast<unsigned>(kMaxGpusPerHost)); ++i) {
    NvmlApi::Device device = nullptr;
    if (nvml.device_by_index(i, &device) == 0) {
      read_device(facts, nvml, device);
    }
  }
  for (GpuFacts& gpu : facts.gpus) {
    std::sort(gpu.nvlinks.begin(), gpu.nvlinks.end(),
              [](const NvlinkFacts& a, const NvlinkFacts& b) { return a.remote_pci < b.remote_pci; });
  }
}

}  // namespace banyan::topology
