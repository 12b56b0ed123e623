// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace banyan::topology {

/// A /sys or /proc of one test in a temporary folder, removed with it.
class SystemTree {
 public:
  SystemTree() {
    std::string pattern = testing::TempDir() + "banyan-topology-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~SystemTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  SystemTree(const SystemTree&) = delete;
  SystemTree& operator=(const SystemTree&) = delete;

  [[nodiscard]] std::string root() const { return root_; }

  void write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root_ + "/" + path).substr(0, (root_ + "/" + path).rfind('/')));
    std::ofstream(root_ + "/" + path) << content << "\n";
  }
  void link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories((root_ + "/" + path).substr(0, (root_ + "/" + path).rfind('/')));
    std::filesystem::create_directories(root_ + "/" + target);
    std::filesystem::create_symlink(root_ + "/" + target, root_ + "/" + path);
  }
  /// An interface with the files that every interface has.
  void interface(const std::string& name, int index, int iflink, const std::string& state, int speed) const {
    const std::string folder = "class/net/" + name + "/";
    write(folder + "type", "1");
    write(folder + "flags", "0x1003");
    write(folder + "operstate", state);
    write(folder + "carrier", state == "down" ? "0" : "1");
    write(folder + "ifindex", std::to_string(index));
    write(folder + "iflink", std::to_string(iflink));
    write(folder + "mtu", "1500");
    write(folder + "uevent", "INTERFACE=" + name);
    if (speed != 0) {
      write(folder + "speed", std::to_string(speed));
    }
  }
  /// A PCI device behind a port, with its links' maxima.
  void pci(const std::string& address, const std::string& speed, int width, int numa) const {
    const std::string port = "devices/pci0000:00/0000:00:01.0/";
    write(port + "max_link_speed", "32.0 GT/s PCIe");
    write(port + "max_link_width", "16");
    write(port + address + "/max_link_speed", speed);
    write(port + address + "/max_link_width", std::to_string(width));
    write(port + address + "/numa_node", std::to_string(numa));
    link("bus/pci/devices/" + address, port + address);
  }
  /// The folder of a PCI device made by pci().
  static std::string device(const std::string& address) { return "devices/pci0000:00/0000:00:01.0/" + address; }

 private:
  std::string root_;
};

}  // namespace banyan::topology
