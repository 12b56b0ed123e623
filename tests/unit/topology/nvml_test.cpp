// SPDX-License-Identifier: Apache-2.0
#include "topology/sources/nvml.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>

#include "fixtures.hpp"

namespace banyan::topology {
namespace {

// A driver of two GPUs at 18:00 and 98:00 with four links each: GPU 0's links 0-1 go to an NVSwitch at 07:00, link 2 to
// GPU 1, link 3 is down. C functions have no context, so what they answer is fixed.
constexpr int kOk = 0;
constexpr int kInvalid = 2;
int g_sessions = 0;  // open sessions: init minus shutdown

int index_of(NvmlApi::Device device) { return static_cast<int>(reinterpret_cast<intptr_t>(device)) - 1; }

void set_address(NvmlApi::PciInfo* pci, unsigned bus) {
  *pci = {};
  pci->bus = bus;
  std::snprintf(pci->bus_id, sizeof(pci->bus_id), "00000000:%02X:00.0", bus);
}

int remote_pci(NvmlApi::Device device, unsigned link, NvmlApi::PciInfo* pci) {
  set_address(pci, link < 2 ? 0x07 : index_of(device) == 0 ? 0x98 : 0x18);
  return link < 4 ? kOk : kInvalid;
}

NvmlApi driver() {
  NvmlApi nvml;
  nvml.init = [] { return ++g_sessions > 0 ? kOk : kInvalid; };
  nvml.shutdown = [] { return --g_sessions >= 0 ? kOk : kInvalid; };
  nvml.device_count = [](unsigned* count) { return *count = 2, kOk; };
  nvml.device_by_index = [](unsigned index, NvmlApi::Device* device) {
    return *device = reinterpret_cast<NvmlApi::Device>(static_cast<intptr_t>(index) + 1), kOk;
  };
  nvml.device_name = [](NvmlApi::Device, char* name, unsigned length) {
    return std::snprintf(name, length, "NVIDIA H200") > 0 ? kOk : kInvalid;
  };
  nvml.device_uuid = [](NvmlApi::Device device, char* uuid, unsigned length) {
    return std::snprintf(uuid, length, "GPU-%d", index_of(device)) > 0 ? kOk : kInvalid;
  };
  nvml.device_pci = [](NvmlApi::Device device, NvmlApi::PciInfo* pci) {
    return set_address(pci, index_of(device) == 0 ? 0x18 : 0x98), kOk;
  };
  nvml.compute_capability = [](NvmlApi::Device, int* major, int* minor) { return *major = 9, *minor = 0, kOk; };
  nvml.nvlink_state = [](NvmlApi::Device, unsigned link, unsigned* active) {
    return *active = link == 3 ? 0 : 1, link < 4 ? kOk : kInvalid;
  };
  nvml.nvlink_remote_pci = remote_pci;
  nvml.nvlink_remote_type = [](NvmlApi::Device, unsigned link, unsigned* type) {
    return *type = link < 2 ? 2 : 0, kOk;
  };
  return nvml;
}

HostFacts read(const NvmlApi& nvml) {
  HostFacts facts;
  facts.key = facts.name = "gpus";
  GpuFacts seen;  // by hwloc
  seen.name = "GPU 10de:2335";
  seen.pci = "0000:18:00.0";
  seen.pci_bytes_per_s = 63e9;
  facts.gpus = {seen};
  read_nvml(facts, nvml);
  return facts;
}

TEST(Nvml, CompletesAndAddsGpus) {
  const HostFacts facts = read(driver());
  ASSERT_EQ(facts.gpus.size(), 2U);
  EXPECT_EQ(facts.gpus[0].name, "NVIDIA H200");
  EXPECT_EQ(facts.gpus[0].pci_bytes_per_s, 63e9) << "what hwloc knew stays";
  EXPECT_EQ(facts.gpus[1].uuid, "GPU-1");
  EXPECT_EQ(g_sessions, 0);
}

TEST(Nvml, LinksAreAddedUpByFarEnd) {
  const HostFacts facts = read(driver());
  ASSERT_EQ(facts.gpus[0].nvlinks.size(), 2U);
  EXPECT_EQ(facts.gpus[0].nvlinks[0].remote_pci, "0000:07:00.0");
  EXPECT_TRUE(facts.gpus[0].nvlinks[0].to_switch);
  EXPECT_DOUBLE_EQ(facts.gpus[0].nvlinks[0].bytes_per_s, 50e9);
  EXPECT_FALSE(facts.gpus[0].nvlinks[1].to_switch);
}

TEST(Nvml, GraphHasSwitchAndPeerLinksOnce) {
  const Graph graph = host_graph(read(driver()));
  EXPECT_EQ(check(graph), "");
  EXPECT_DOUBLE_EQ(bandwidth(graph, "host:gpus/gpu:0000:98:00.0", "host:gpus/nvswitch:0000:07:00.0"), 50e9);
  EXPECT_DOUBLE_EQ(bandwidth(graph, "host:gpus/gpu:0000:98:00.0", "host:gpus/gpu:0000:18:00.0"), 25e9);
}

TEST(Nvml, SwitchesHiddenFromAVirtualMachineAreOne) {
  NvmlApi nvml = driver();
  nvml.nvlink_remote_pci = [](NvmlApi::Device, unsigned, NvmlApi::PciInfo* pci) {
    return pci->domain = pci->bus = pci->device = ~0U, kOk;
  };
  nvml.nvlink_remote_type = [](NvmlApi::Device, unsigned, unsigned* type) { return *type = 2, kOk; };
  const Graph graph = host_graph(read(nvml));
  EXPECT_DOUBLE_EQ(bandwidth(graph, "host:gpus/gpu:0000:18:00.0", "host:gpus/nvswitch:hidden"), 75e9);
  EXPECT_DOUBLE_EQ(bandwidth(graph, "host:gpus/gpu:0000:98:00.0", "host:gpus/nvswitch:hidden"), 75e9);
}

TEST(Nvml, FailingDriverLeavesTheFactsAlone) {
  NvmlApi nvml = driver();
  nvml.init = [] { return 9; };  // NVML_ERROR_DRIVER_NOT_LOADED
  EXPECT_EQ(read(nvml).gpus.size(), 1U);
  EXPECT_EQ(g_sessions, 0);
}

TEST(Nvml, LinksThatCanNotDoPeerToPeerAreLeftOut) {
  NvmlApi nvml = driver();
  nvml.nvlink_capability = [](NvmlApi::Device, unsigned, unsigned, unsigned* value) { return *value = 0, kOk; };
  EXPECT_TRUE(read(nvml).gpus[0].nvlinks.empty());
}

}  // namespace
}  // namespace banyan::topology
