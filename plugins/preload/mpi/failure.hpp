// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace banyan::preload {

/// What stops an exchange, with its cause; becomes an MPI error before the interposed call returns.
class Failure : public std::runtime_error {
 public:
  /// `mpi_code`: of MPI's own error, where it is one.
  explicit Failure(const std::string& text, int mpi_code = MPI_SUCCESS)
      : std::runtime_error(text), mpi_code_(mpi_code) {}
  [[nodiscard]] int mpi_code() const noexcept { return mpi_code_; }

 private:
  int mpi_code_;
};

/// Throws Failure with what MPI says of `code`, unless that is MPI_SUCCESS.
void check_mpi(int code, const char* call);

/// Calls `comm`'s error handler with MPI's own error, or else with one of Banyan's own class that has the text; returns
/// it, if the handler does. Any thread.
int raise_error(MPI_Comm comm, const std::exception& error);

}  // namespace banyan::preload
