// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/dl.hpp"
#include "base/error.hpp"

/// Shared libraries that fill a table of operations: how they are named, found, loaded and checked. A plugin is
/// `libbanyan_<noun>_<name>.so` in BANYAN_PLUGIN_PATH, beside the library that holds this code, or in the installed
/// plugin folder; it is never unloaded. Any thread.
namespace banyan::plugins {

/// What plugins of one table have in common.
struct Kind {
  const char* noun;       ///< "transport"; part of file names and texts
  const char* query;      ///< the symbol that gives the table
  uint32_t newest;        ///< version of the table that this library knows
  size_t required_bytes;  ///< a table may not end before
  const char* own = "";   ///< names that need no plugin, comma separated, for texts
};

/// Lower-case letters, digits, _ and -, at most 64 of them.
[[nodiscard]] bool is_valid_name(const std::string& name) noexcept;

/// The file of a plugin. Error{INVALID_ARGUMENT} for a name that cannot be one, Error{NOT_FOUND} with the folders that
/// were searched; both list what there is.
[[nodiscard]] std::filesystem::path find(const Kind& kind, const std::string& name);

/// Names of the plugins in the search folders, sorted, each once.
[[nodiscard]] std::vector<std::string> available(const Kind& kind);

/// Error{NOT_SUPPORTED} "<noun> table of <origin>: <reason>".
[[noreturn]] void refuse(const Kind& kind, const std::string& origin, const std::string& reason);

/// How every table begins.
struct Header {
  uint32_t version;
  uint32_t reserved;
  size_t struct_size;
  const char* name;
};
/// Refuses versions that are not known, tables that end too early, and tables without a name.
void check_header(const Kind& kind, const Header& header, const std::string& origin);

/// An operation of a table, and whether it is filled.
struct Member {
  const char* name;
  bool present;
};
/// Refuses a table that lacks one, naming it.
void check_required(const Kind& kind, std::span<const Member> members, const std::string& origin);

[[noreturn]] void refuse_query(const Kind& kind, const std::string& origin, bool has_symbol);

/// Loads the plugin and asks for its newest table that is known here: static storage of the plugin. Query is the type
/// of its export. The table itself is not checked yet.
template <typename Query>
[[nodiscard]] auto load(const Kind& kind, const std::string& origin) -> decltype(*Query{}(uint32_t{})) {
  const auto library = DynamicLibrary::open(origin);
  const auto query = library.function<Query>(kind.query);
  if (query != nullptr) {
    for (uint32_t version = kind.newest; version >= 1; --version) {
      if (const auto* const table = query(version); table != nullptr) {
        return *table;
      }
    }
  }
  refuse_query(kind, origin, query != nullptr);
}

/// After the checks: the table must bear the name that its file has.
void check_name(const Kind& kind, const char* in_table, const std::string& name, const std::string& origin);

}  // namespace banyan::plugins
