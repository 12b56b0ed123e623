// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// MPICH's algorithms of one operation. MPICH reads its variable MPIR_CVAR_ALLTOALL(V)_INTRA_ALGORITHM in each call, so
/// it is set before each turn. That the named algorithm then runs is checked by tests/perf/mpich_selection_test.sh.
class MpichAlgorithms {
 public:
  explicit MpichAlgorithms(bool variable);
  ~MpichAlgorithms();
  MpichAlgorithms(const MpichAlgorithms&) = delete;
  MpichAlgorithms& operator=(const MpichAlgorithms&) = delete;

  /// "auto", then all that work for separate buffers. Only "auto" where the library has no such variable.
  [[nodiscard]] std::vector<std::string> names() const;
  /// For the calls that follow. Collective. Failure: unknown, or it did not take.
  void choose(const std::string& name);

 private:
  MPI_T_cvar_handle handle_ = MPI_T_CVAR_HANDLE_NULL;
  std::vector<std::string> values_;  ///< by number
};

}  // namespace banyan::perf
