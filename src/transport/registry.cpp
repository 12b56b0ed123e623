// SPDX-License-Identifier: Apache-2.0
#include "transport/registry.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/auxv.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/dl.hpp"
#include "base/env.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parse.hpp"

namespace banyan::transport {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "libbanyan_transport_";
constexpr std::string_view kSuffix = ".so";

/// Completed plugin tables are as immortal as the plugins; the list keeps one per plugin, reachable for leak checkers.
struct ImmortalTable {
  const banyan_transport_ops* source;
  std::unique_ptr<banyan_transport_ops> complete;
  ImmortalTable* next;
};
std::atomic<ImmortalTable*> immortal_tables{nullptr};

const banyan_transport_ops& keep_forever(const banyan_transport_ops& source, const std::string& origin) {
  for (auto* entry = immortal_tables.load(std::memory_order_acquire); entry != nullptr; entry = entry->next) {
    if (entry->source == &source) {
      return *entry->complete;
    }
  }
  auto entry = std::make_unique<ImmortalTable>(ImmortalTable{&source, complete_table(source, origin), nullptr});
  entry->next = immortal_tables.load(std::memory_order_relaxed);
  while (!immortal_tables.compare_exchange_weak(entry->next, entry.get(), std::memory_order_release,
                                                std::memory_order_relaxed)) {
  }
  return *entry.release()->complete;
}

bool valid_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

/// The folder of the library (or program) that holds this code; empty when the loader does not know.
fs::path own_folder() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&keep_forever), &info) == 0 || info.dli_fname == nullptr) {
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
std::string plugin_name(const fs::path& path) {
  const std::string file = path.filename().string();
  if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix) || file.size() <= kPrefix.size() + kSuffix.size()) {
    return {};
  }
  const std::string name = file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size());
  return valid_name(name) ? name : std::string{};
}

const banyan_transport_ops& load(const fs::path& path, const std::string& name) {
  const std::string origin = path.string();
  const auto library = DynamicLibrary::open(origin);
  const auto query = library.function<banyan_transport_query_fn>(BANYAN_TRANSPORT_QUERY_SYMBOL);
  if (query == nullptr) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED,
                origin + " exports no " BANYAN_TRANSPORT_QUERY_SYMBOL "; it is not a transport plugin");
  }
  const banyan_transport_ops* table = nullptr;
  for (uint32_t version = BANYAN_TRANSPORT_ABI_VERSION; version >= 1 && table == nullptr; --version) {
    table = query(version);
  }
  if (table == nullptr) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED,
                fmt::format("{} offers no table of version 1 to {}; rebuild it or the library", origin,
                            BANYAN_TRANSPORT_ABI_VERSION));
  }
  const banyan_transport_ops& complete = keep_forever(*table, origin);
  if (complete.name != name) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED,
                fmt::format("{} calls its transport \"{}\", expected \"{}\"", origin, complete.name, name));
  }
  BANYAN_LOG(kInfo, "transport", "{} loaded from {}", name, origin);
  return complete;
}

}  // namespace

TransportRegistry::TransportRegistry() : tables_{{"inproc", &inproc_table()}, {"shm", &shm_table()}} {}

const banyan_transport_ops& TransportRegistry::find(const std::string& name) {
  if (const auto known = tables_.find(name); known != tables_.end()) {
    return *known->second;
  }
  if (!valid_name(name)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "transport name \"" + name +
                                                 "\" must be lower-case letters, digits, _ or -; there are: " +
                                                 fmt::format("{}", fmt::join(available(), ", ")));
  }
  const std::string file = std::string(kPrefix) + name + std::string(kSuffix);
  std::vector<std::string> looked;
  for (const fs::path& folder : search_folders()) {
    std::error_code error;
    if (fs::exists(folder / file, error)) {
      const auto& table = load(folder / file, name);
      tables_.emplace(name, &table);
      return table;
    }
    looked.push_back(folder.string());
  }
  throw Error(BANYAN_ERR_NOT_FOUND,
              fmt::format("no transport \"{}\": no {} in {}; there are: {}. Set BANYAN_PLUGIN_PATH to its folder", name,
                          file, fmt::join(looked, ":"), fmt::join(available(), ", ")));
}

std::vector<std::string> TransportRegistry::available() const {
  std::set<std::string> names;
  for (const auto& [name, table] : tables_) {
    names.insert(name);
  }
  for (const fs::path& folder : search_folders()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (const std::string name = plugin_name(entry.path()); !name.empty()) {
        names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace banyan::transport
