// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.hpp"
#include "topology/names.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv): equal on all hosts and builds, not for security.
std::string hash_text(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return fmt::format("{:016x}", hash);
}

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == '\0') {
    return "localhost";
  }
  return to_plain_text(buffer.data(), 128);
}

/// "net:[4026531840]"; empty where there are no namespaces.
std::string namespace_text(const std::string& proc_root, const char* name) {
  std::error_code error;
  return std::filesystem::read_symlink(proc_root + "/self/ns/" + name, error).string();
}

std::string device_text(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? std::to_string(status.st_dev) : "none";
}

}  // namespace

void read_identity(HostFacts& facts, const SystemRoots& roots, const std::string& host_id) {
  const std::string boot_id = read_line(roots.proc + "/sys/kernel/random/boot_id");
  facts.name = host_name();
  if (!host_id.empty()) {
    if (!is_plain_text(host_id) || host_id.size() > 128 || host_id.find('/') != std::string::npos) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "host id \"" + to_plain_text(host_id, 64) + "\" is not 1 to 128 bytes of text without '/'");
    }
    facts.key = host_id;
  } else {
    std::string name = facts.name;
    std::replace(name.begin(), name.end(), '/', '_');
    facts.key = name + "-" + hash_text(boot_id + " " + namespace_text(roots.proc, "net")).substr(0, 8);
  }
  facts.memory_domain = hash_text(boot_id + " " + namespace_text(roots.proc, "pid") + " " +
                                  namespace_text(roots.proc, "ipc") + " " + device_text(roots.shm));
}

}  // namespace banyan::topology
