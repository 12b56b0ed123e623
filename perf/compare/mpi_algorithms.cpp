// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_algorithms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

/// A coll/tuned variable that names an algorithm, through MPI's tool interface.
class AlgorithmVariable {
 public:
  struct Value {
    int number = 0;
    std::string name;
  };

  /// nullopt when the library has no such variable or does not let it be set.
  static std::optional<int> find(const char* name) {
    int index = 0;
    if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS) {
      return std::nullopt;
    }
    return index;
  }
  explicit AlgorithmVariable(int index) {
    int verbosity = 0;
    int bind = 0;
    int scope = 0;
    MPI_Datatype type = MPI_DATATYPE_NULL;
    require_mpi(
        MPI_T_cvar_get_info(index, nullptr, nullptr, &verbosity, &type, &enumeration_, nullptr, nullptr, &bind, &scope),
        "MPI_T_cvar_get_info");
    int count = 0;
    require_mpi(MPI_T_cvar_handle_alloc(index, nullptr, &handle_, &count), "MPI_T_cvar_handle_alloc");
    if (count != 1 || type != MPI_INT || enumeration_ == MPI_T_ENUM_NULL) {
      MPI_T_cvar_handle_free(&handle_);
      throw Failure("coll/tuned's algorithm variable is not an enumeration: unknown version of Open MPI");
    }
  }
  ~AlgorithmVariable() { MPI_T_cvar_handle_free(&handle_); }
  AlgorithmVariable(const AlgorithmVariable&) = delete;
  AlgorithmVariable& operator=(const AlgorithmVariable&) = delete;

  [[nodiscard]] std::vector<Value> values() const {
    std::array<char, 256> name{};
    int length = static_cast<int>(name.size());
    int count = 0;
    require_mpi(MPI_T_enum_get_info(enumeration_, &count, name.data(), &length), "MPI_T_enum_get_info");
    std::vector<Value> values;
    for (int i = 0; i < count; ++i) {
      Value value;
      length = static_cast<int>(name.size());
      require_mpi(MPI_T_enum_get_item(enumeration_, i, &value.number, name.data(), &length), "MPI_T_enum_get_item");
      value.name = name.data();
      values.push_back(value);
    }
    return values;
  }

  /// Sets and reads back: a value that did not take would label a measurement wrongly.
  void set(int number) {
    int read = -1;
    require_mpi(MPI_T_cvar_write(handle_, &number), "MPI_T_cvar_write");
    require_mpi(MPI_T_cvar_read(handle_, &read), "MPI_T_cvar_read");
    if (read != number) {
      throw Failure("Open MPI did not take algorithm " + std::to_string(number));
    }
  }

 private:
  MPI_T_enum enumeration_ = MPI_T_ENUM_NULL;
  MPI_T_cvar_handle handle_ = MPI_T_CVAR_HANDLE_NULL;
};

bool dynamic_rules_are_on() {
  const auto index = AlgorithmVariable::find("coll_tuned_use_dynamic_rules");
  MPI_T_cvar_handle handle = MPI_T_CVAR_HANDLE_NULL;
  int count = 0;
  bool on = false;
  if (!index || MPI_T_cvar_handle_alloc(*index, nullptr, &handle, &count) != MPI_SUCCESS) {
    return false;
  }
  const bool read = MPI_T_cvar_read(handle, &on) == MPI_SUCCESS;
  MPI_T_cvar_handle_free(&handle);
  return read && on;
}

/// Calls `add` with the name of each algorithm while it is the one that new communicators take.
template <typename Add>
void add_tuned(AlgorithmVariable& algorithm, MPI_Comm parent, const Add& add) {
  int size = 0;
  require_mpi(MPI_Comm_size(parent, &size), "MPI_Comm_size");
  for (const auto& value : algorithm.values()) {
    const bool is_default = value.number == 0;
    const bool needs_two_ranks = value.name == "two_proc";
    if (!is_default && (!needs_two_ranks || size == 2)) {
      algorithm.set(value.number);
      add(value.name);
    }
  }
  algorithm.set(0);
}

}  // namespace

std::vector<AlgorithmComm> algorithm_comms(bool variable, const std::vector<std::string>& wanted, std::string& warning,
                                           MPI_Comm parent) {
  std::vector<AlgorithmComm> comms;
  std::vector<std::string> known;
  const auto add = [&](const std::string& algorithm) {
    known.push_back(algorithm);
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), algorithm) != wanted.end()) {
      comms.push_back({algorithm, MpiComm(parent)});
    }
  };
  add("default");
  const char* const name = variable ? "coll_tuned_alltoallv_algorithm" : "coll_tuned_alltoall_algorithm";
  const auto index = AlgorithmVariable::find(name);
  if (!index || !dynamic_rules_are_on()) {
    warning = std::string("this MPI library has no settable ") + name + ": only its default decision is measured";
  } else {
    AlgorithmVariable algorithm(*index);
    add_tuned(algorithm, parent, add);
  }
  for (const auto& algorithm : wanted) {
    if (std::find(known.begin(), known.end(), algorithm) == known.end()) {
      throw UsageError(
          fmt::format("Open MPI has no algorithm \"{}\" here; it has {}", algorithm, fmt::join(known, ", ")));
    }
  }
  return comms;
}

}  // namespace banyan::perf
