// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_candidate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

int to_int(size_t value) {
  if (value > static_cast<size_t>(std::numeric_limits<int>::max())) {
    throw Failure("MPI 3.1 counts are int: " + std::to_string(value) +
                  " elements do not fit; raise --element-size or lower -e");
  }
  return static_cast<int>(value);
}

std::vector<int> to_ints(const std::vector<size_t>& values) {
  std::vector<int> ints;
  for (const size_t value : values) {
    ints.push_back(to_int(value));
  }
  return ints;
}

/// Elements as a contiguous MPI type, so that counts are the same as Banyan's.
class ElementType {
 public:
  explicit ElementType(size_t size) {
    require_mpi(MPI_Type_contiguous(to_int(size), MPI_BYTE, &type_), "MPI_Type_contiguous");
    require_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
  }
  ~ElementType() { MPI_Type_free(&type_); }
  ElementType(const ElementType&) = delete;
  ElementType& operator=(const ElementType&) = delete;
  [[nodiscard]] MPI_Datatype get() const noexcept { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

class MpiUniform final : public PreparedExchange {
 public:
  MpiUniform(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers)
      : comm_(comm),
        buffers_(buffers),
        type_(traffic.element_size),
        count_(to_int(traffic.uniform_bytes.value_or(0) / traffic.element_size)) {}
  void run() override {
    require_mpi(MPI_Alltoall(buffers_.send(), count_, type_.get(), buffers_.recv(), count_, type_.get(), comm_),
                "MPI_Alltoall");
  }

 private:
  MPI_Comm comm_;
  ExchangeBuffers& buffers_;
  ElementType type_;
  int count_;
};

class MpiVariable final : public PreparedExchange {
 public:
  MpiVariable(MPI_Comm comm, const Traffic& traffic, ExchangeBuffers& buffers)
      : comm_(comm),
        buffers_(buffers),
        type_(traffic.element_size),
        sendcounts_(to_ints(buffers.layout().sendcounts)),
        sdispls_(to_ints(buffers.layout().sdispls)),
        recvcounts_(to_ints(buffers.layout().recvcounts)),
        rdispls_(to_ints(buffers.layout().rdispls)) {}
  void run() override {
    require_mpi(MPI_Alltoallv(buffers_.send(), sendcounts_.data(), sdispls_.data(), type_.get(), buffers_.recv(),
                              recvcounts_.data(), rdispls_.data(), type_.get(), comm_),
                "MPI_Alltoallv");
  }

 private:
  MPI_Comm comm_;
  ExchangeBuffers& buffers_;
  ElementType type_;
  std::vector<int> sendcounts_;
  std::vector<int> sdispls_;
  std::vector<int> recvcounts_;
  std::vector<int> rdispls_;
};

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
void add_tuned(AlgorithmVariable& algorithm, const Add& add) {
  int size = 0;
  require_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
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

MpiCandidate::MpiCandidate(std::string algorithm, MpiComm comm)
    : algorithm_(std::move(algorithm)), comm_(std::move(comm)) {}

std::unique_ptr<PreparedExchange> MpiCandidate::prepare(const Traffic& traffic, ExchangeBuffers& buffers) {
  if (traffic.uniform_bytes) {
    return std::make_unique<MpiUniform>(comm_.get(), traffic, buffers);
  }
  return std::make_unique<MpiVariable>(comm_.get(), traffic, buffers);
}

std::vector<std::unique_ptr<Candidate>> mpi_candidates(bool variable, const std::vector<std::string>& wanted,
                                                       std::string& warning) {
  std::vector<std::unique_ptr<Candidate>> candidates;
  std::vector<std::string> known;
  const auto add = [&](const std::string& algorithm) {
    known.push_back(algorithm);
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), algorithm) != wanted.end()) {
      candidates.push_back(std::make_unique<MpiCandidate>(algorithm, MpiComm(MPI_COMM_WORLD)));
    }
  };
  add("default");
  const char* const name = variable ? "coll_tuned_alltoallv_algorithm" : "coll_tuned_alltoall_algorithm";
  const auto index = AlgorithmVariable::find(name);
  if (!index || !dynamic_rules_are_on()) {
    warning = std::string("this MPI library has no settable ") + name + ": only its default decision is measured";
  } else {
    AlgorithmVariable algorithm(*index);
    add_tuned(algorithm, add);
  }
  for (const auto& algorithm : wanted) {
    if (std::find(known.begin(), known.end(), algorithm) == known.end()) {
      throw Failure(fmt::format("Open MPI has no algorithm \"{}\" here; it has {}", algorithm, fmt::join(known, ", ")));
    }
  }
  return candidates;
}

}  // namespace banyan::perf
