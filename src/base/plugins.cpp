// SPDX-License-Identifier: Apache-2.0
#include "base/plugins.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/auxv.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "base/env.hpp"
#include "base/log.hpp"
#include "base/parse.hpp"

namespace banyan::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".so";
constexpr size_t kMaxName = 64;

std::string prefix_of(const Kind& kind) { return fmt::format("libbanyan_{}_", kind.noun); }

/// The folder of the library (or program) that holds this code; empty when the loader does not know.
fs::path own_folder() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&is_valid_name), &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  std::error_code error;
  // The loader knows the program itself by argv[0], which may be relative or bare.
  fs::path path = fs::canonical(info.dli_fname, error);
  if (error) {
    path = fs::read_symlink("/proc/self/exe", error);
  }
  return error ? fs::path{} : path.parent_path();
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

/// Folders in search order. A set-user-id program ignores the environment.
std::vector<fs::path> search_folders() {
  std::vector<fs::path> folders;
  const auto listed = ::getauxval(AT_SECURE) == 0 ? env::get("BANYAN_PLUGIN_PATH") : std::nullopt;
  for (const auto& folder : listed ? parse::split(*listed, ':') : std::vector<std::string>{}) {
    if (!folder.empty()) {
      folders.emplace_back(folder);
    }
  }
  const fs::path own = own_folder();
  if (own.empty()) {
    return folders;
  }
  folders.push_back(own);
  folders.push_back(own / "banyan");
  if (lies_in(own, BANYAN_BUILD_FOLDER)) {
    folders.push_back(fs::path(BANYAN_BUILD_FOLDER) / "lib");  // where the build puts plugins
  }
  return folders;
}

/// "ucx" for ".../libbanyan_transport_ucx.so", empty for any other file.
std::string plugin_name(const std::string& prefix, const fs::path& path) {
  const std::string file = path.filename().string();
  if (!file.starts_with(prefix) || !file.ends_with(kSuffix) || file.size() <= prefix.size() + kSuffix.size()) {
    return {};
  }
  const std::string name = file.substr(prefix.size(), file.size() - prefix.size() - kSuffix.size());
  return is_valid_name(name) ? name : std::string{};
}

/// For a person: what could have been named.
std::string choices(const Kind& kind) {
  const std::vector<std::string> found = available(kind);
  const auto own = parse::split(kind.own, ',');
  std::set<std::string> names(found.begin(), found.end());
  std::copy_if(own.begin(), own.end(), std::inserter(names, names.end()),
               [](const auto& name) { return !name.empty(); });
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

bool is_valid_name(const std::string& name) noexcept {
  return !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

fs::path find(const Kind& kind, const std::string& name) {
  if (!is_valid_name(name)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("{} name \"{}\" must be lower-case letters, digits, _ or -; there are: {}", kind.noun, name,
                            choices(kind)));
  }
  const std::string file = prefix_of(kind) + name + std::string(kSuffix);
  std::vector<std::string> looked;
  for (const fs::path& folder : search_folders()) {
    std::error_code error;
    if (fs::exists(folder / file, error)) {
      return folder / file;
    }
    looked.push_back(folder.string());
  }
  throw Error(BANYAN_ERR_NOT_FOUND,
              fmt::format("no {} \"{}\": no {} in {}; there are: {}. Set BANYAN_PLUGIN_PATH to its folder", kind.noun,
                          name, file, fmt::join(looked, ":"), choices(kind)));
}

std::vector<std::string> available(const Kind& kind) {
  const std::string prefix = prefix_of(kind);
  std::set<std::string> names;
  for (const fs::path& folder : search_folders()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (const std::string name = plugin_name(prefix, entry.path()); !name.empty()) {
        names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

void refuse(const Kind& kind, const std::string& origin, const std::string& reason) {
  throw Error(BANYAN_ERR_NOT_SUPPORTED, fmt::format("{} table of {}: {}", kind.noun, origin, reason));
}

void check_header(const Kind& kind, const Header& header, const std::string& origin) {
  if (header.version < 1 || header.version > kind.newest) {
    refuse(kind, origin, fmt::format("version {}, this library knows 1 to {}", header.version, kind.newest));
  }
  if (header.reserved != 0) {
    refuse(kind, origin, fmt::format("reserved is {}, must be 0", header.reserved));
  }
  if (header.struct_size < kind.required_bytes) {
    refuse(kind, origin,
           fmt::format("struct_size {}, at least {} is required", header.struct_size, kind.required_bytes));
  }
  if (header.name == nullptr || *header.name == '\0') {
    refuse(kind, origin, "name is missing");
  }
}

void check_required(const Kind& kind, std::span<const Member> members, const std::string& origin) {
  for (const Member& member : members) {
    if (!member.present) {
      refuse(kind, origin, fmt::format("required member {} is NULL", member.name));
    }
  }
}

void refuse_query(const Kind& kind, const std::string& origin, bool has_symbol) {
  throw Error(BANYAN_ERR_NOT_SUPPORTED,
              has_symbol
                  ? fmt::format("{} offers no table of version 1 to {}; rebuild it or the library", origin, kind.newest)
                  : fmt::format("{} exports no {}; it is not a {} plugin", origin, kind.query, kind.noun));
}

void check_name(const Kind& kind, const char* in_table, const std::string& name, const std::string& origin) {
  if (name != in_table) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED,
                fmt::format("{} calls its {} \"{}\", expected \"{}\"", origin, kind.noun, in_table, name));
  }
  BANYAN_LOG(kInfo, kind.noun, "{} loaded from {}", name, origin);
}

}  // namespace banyan::plugins
