// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <stdexcept>
#include <string>

namespace banyan::preload {

/// What stops an exchange, with its cause; becomes an MPI error before the interposed call returns.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws Failure with what MPI says of `code`, unless that is MPI_SUCCESS.
void check_mpi(int code, const char* call);

/// Calls `comm`'s error handler with an error of Banyan's own class that has `text`; returns it, if the handler does.
/// Any thread.
int raise_error(MPI_Comm comm, const std::string& text);

}  // namespace banyan::preload
