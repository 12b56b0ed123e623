// SPDX-License-Identifier: Apache-2.0
#include "compare/mpich_algorithms.hpp"

#include <algorithm>
#include <array>

#include "common/failure.hpp"
#include "compare/mpich_names.hpp"

namespace banyan::perf {
namespace {

/// Only for MPI_IN_PLACE; with other buffers MPICH silently takes its own choice.
constexpr const char* kInPlaceOnly = "pairwise_sendrecv_replace";

}  // namespace

MpichAlgorithms::MpichAlgorithms(bool variable) {
  const char* const name = variable ? "MPIR_CVAR_ALLTOALLV_INTRA_ALGORITHM" : "MPIR_CVAR_ALLTOALL_INTRA_ALGORITHM";
  int index = 0;
  if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS) {
    values_ = {"auto"};
    return;
  }
  std::array<char, 4096> description{};
  int length = static_cast<int>(description.size());
  int verbosity = 0;
  int bind = 0;
  int scope = 0;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_T_enum enumeration = MPI_T_ENUM_NULL;
  require_mpi(MPI_T_cvar_get_info(index, nullptr, nullptr, &verbosity, &type, &enumeration, description.data(), &length,
                                  &bind, &scope),
              "MPI_T_cvar_get_info");
  values_ = mpich_algorithm_names(description.data());
  int count = 0;
  require_mpi(MPI_T_cvar_handle_alloc(index, nullptr, &handle_, &count), "MPI_T_cvar_handle_alloc");
  if (values_.empty() || count != 1 || type != MPI_INT) {
    MPI_T_cvar_handle_free(&handle_);
    throw Failure(std::string(name) + " is not described as MPICH 4.0 does: unknown version of MPICH");
  }
}

MpichAlgorithms::~MpichAlgorithms() {
  if (handle_ != MPI_T_CVAR_HANDLE_NULL) {
    MPI_T_cvar_handle_free(&handle_);
  }
}

std::vector<std::string> MpichAlgorithms::names() const {
  std::vector<std::string> names = values_;
  names.erase(std::remove(names.begin(), names.end(), kInPlaceOnly), names.end());
  return names;
}

void MpichAlgorithms::choose(const std::string& name) {
  const auto at = std::find(values_.begin(), values_.end(), name);
  if (at == values_.end()) {
    throw Failure("MPICH has no algorithm \"" + name + "\" here");
  }
  if (handle_ == MPI_T_CVAR_HANDLE_NULL) {
    return;
  }
  const int number = static_cast<int>(at - values_.begin());
  int read = -1;
  require_mpi(MPI_T_cvar_write(handle_, &number), "MPI_T_cvar_write");
  require_mpi(MPI_T_cvar_read(handle_, &read), "MPI_T_cvar_read");
  if (read != number) {
    throw Failure("MPICH did not take algorithm " + name);
  }
}

}  // namespace banyan::perf
