// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

namespace banyan::preload {

/// Lets MPI move on what this process has begun, while the library waits for something that MPI knows nothing of. One
/// thread.
class Progress {
 public:
  /// `local`: a communicator of this process alone. Throws Failure.
  explicit Progress(MPI_Comm local);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Throws Failure.
  void make();

 private:
  MPI_Request never_ = MPI_REQUEST_NULL;  ///< a receive of what nobody sends
};

}  // namespace banyan::preload
