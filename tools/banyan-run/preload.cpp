// SPDX-License-Identifier: Apache-2.0
#include "preload.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "process_output.hpp"

namespace banyan_run {
namespace {

namespace fs = std::filesystem;

/// The program's file, as execvp would find it; empty if there is none.
fs::path find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    return ::access(name.c_str(), X_OK) == 0 ? fs::path(name) : fs::path();
  }
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  std::string folder;
  while (std::getline(folders, folder, ':')) {
    const fs::path candidate = fs::path(folder.empty() ? "." : folder) / name;
    std::error_code ignored;
    if (::access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate, ignored)) {
      return candidate;
    }
  }
  return {};
}

/// "openmpi" or "mpich", by the libraries that the program is linked with.
std::string mpi_of(const std::string& program) {
  const fs::path file = find_program(program);
  if (file.empty()) {
    throw std::runtime_error("there is no program " + program);
  }
  const std::string libraries = output_of({"ldd", file.string()}).value_or("");
  const bool openmpi = libraries.find("libmpi.so") != std::string::npos;
  const bool mpich = libraries.find("libmpich.so") != std::string::npos;
  if (openmpi == mpich) {
    throw std::runtime_error("cannot tell which MPI " + program +
                             " uses from its libraries; say --preload openmpi or " + "--preload mpich");
  }
  return openmpi ? "openmpi" : "mpich";
}

/// Installed beside this program's folder, or in the tree in which it was built.
std::string find_library(const std::string& under) {
  const std::string name = "libbanyan_preload_" + under + ".so";
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& candidate : {folder.parent_path() / BANYAN_LIBRARY_FOLDER / "banyan" / name,
                                    folder.parent_path().parent_path() / "lib" / name}) {
    if (::access(candidate.c_str(), R_OK) == 0) {
      return candidate;
    }
  }
  throw std::runtime_error("there is no " + name +
                           (under == "nccl" ? ": was Banyan built with BANYAN_BUILD_PRELOAD_NCCL?"
                                            : ": was Banyan built where pkg-config knows this MPI?"));
}

/// A value of LD_PRELOAD.
std::string before(const std::string& library, const std::string& others) {
  return others.empty() ? library : library + ":" + others;
}

/// Debian's names first: the plain ones are those of whichever MPI it prefers.
std::string find_launcher(const std::string& mpi) {
  const std::vector<std::string> names = mpi == "openmpi"
                                             ? std::vector<std::string>{"mpirun.openmpi", "mpirun"}
                                             : std::vector<std::string>{"mpiexec.hydra", "mpiexec.mpich", "mpiexec"};
  for (const std::string& name : names) {
    if (!find_program(name).empty()) {
      return name;
    }
  }
  throw std::runtime_error("there is no " + names.front() + " in PATH");
}

}  // namespace

void launch_preloaded(const Options& options) {
  const std::string mpi = *options.preload == "mpi" ? mpi_of(options.command.front()) : *options.preload;
  const char* others = std::getenv("LD_PRELOAD");
  const std::string libraries = before(find_library(mpi), others != nullptr ? others : "");
  std::vector<std::string> words = {find_launcher(mpi), "-n", std::to_string(*options.ranks), "env",
                                    "LD_PRELOAD=" + libraries};
  for (const auto& [name, value] : options.variables) {
    words.push_back(name + "=" + value);
  }
  words.insert(words.end(), options.command.begin(), options.command.end());
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  throw std::runtime_error("cannot start " + words.front() + ": " + std::generic_category().message(errno));
}

Options with_nccl_preloaded(const Options& options) {
  const char* inherited = std::getenv("LD_PRELOAD");
  std::string others = inherited != nullptr ? inherited : "";
  for (const auto& [name, value] : options.variables) {
    others = name == "LD_PRELOAD" ? value : others;
  }
  Options changed = options;
  changed.variables.emplace_back("LD_PRELOAD", before(find_library("nccl"), others));
  return changed;
}

}  // namespace banyan_run
