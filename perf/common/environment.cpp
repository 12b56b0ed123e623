// SPDX-License-Identifier: Apache-2.0
#include "common/environment.hpp"

#include <banyan/banyan.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

#include "common/failure.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace banyan::perf {
namespace {

constexpr std::streamoff kMaxFileBytes = 64LL * 1024 * 1024;

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

Json banyan_variables() {
  Json variables = Json::object();
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const bool secret = name.find("SECRET") != std::string_view::npos;
    if (name.starts_with("BANYAN_") && !secret && equals != std::string_view::npos) {
      variables[std::string(name)] = std::string(text.substr(equals + 1));
    }
  }
  return variables;
}

}  // namespace

Json describe_environment(int argc, const char* const* argv) {
  Json environment;
  std::vector<std::string> command(argv, argv + argc);
  environment["command"] = command;
  environment["date"] = utc_now();
  utsname system{};
  if (uname(&system) == 0) {
    environment["host"] = system.nodename;
    environment["kernel"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
  }
  environment["cores"] = std::thread::hardware_concurrency();
  environment["variables"] = banyan_variables();
  return environment;
}

Json describe_library() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  banyan_version(&major, &minor, &patch);
  Json library;
  library["version"] = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  library["build"] = banyan_build_info();
  return library;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    throw UsageError("cannot read " + path + ": " + std::strerror(errno));
  }
  if (file.tellg() > kMaxFileBytes) {
    throw UsageError(path + " is larger than 64 MiB");
  }
  file.seekg(0);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    throw UsageError("cannot read " + path);
  }
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(part.c_str(), path.c_str()) != 0) {
    const std::string cause = std::strerror(errno);
    std::remove(part.c_str());
    throw Failure("cannot write " + path + ": " + cause);
  }
}

}  // namespace banyan::perf
