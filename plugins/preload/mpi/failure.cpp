// SPDX-License-Identifier: Apache-2.0
#include "mpi/failure.hpp"

#include <mutex>

namespace banyan::preload {
namespace {

/// MPI has no way to give a class back, so one serves all errors; its text is that of the last. Not a code of
/// MPI_ERR_OTHER: MPICH 4.0 then shows a text of its own.
int describe(const std::string& text) {
  static std::mutex mutex;
  static int error_class = MPI_SUCCESS;
  const std::lock_guard lock(mutex);
  if (error_class == MPI_SUCCESS && PMPI_Add_error_class(&error_class) != MPI_SUCCESS) {
    return MPI_ERR_OTHER;
  }
  PMPI_Add_error_string(error_class, ("Banyan: " + text).substr(0, MPI_MAX_ERROR_STRING - 1).c_str());
  return error_class;
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) {
    return;
  }
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  PMPI_Error_string(code, text, &length);
  throw Failure(std::string(call) + ": " + text, code);
}

int raise_error(MPI_Comm comm, const std::exception& error) {
  const auto* failure = dynamic_cast<const Failure*>(&error);
  const bool is_mpis = failure != nullptr && failure->mpi_code() != MPI_SUCCESS;
  const int code = is_mpis ? failure->mpi_code() : describe(error.what());
  PMPI_Comm_call_errhandler(comm, code);
  return code;
}

}  // namespace banyan::preload
