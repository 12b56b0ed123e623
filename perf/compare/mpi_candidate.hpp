// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compare/candidate.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// Open MPI with one of coll/tuned's algorithms on a communicator of its own.
///
/// coll/tuned reads its algorithm when a communicator is made and never again (open-mpi/ompi#12602). So the tool
/// interface's variable coll_tuned_alltoall(v)_algorithm is set before each MPI_Comm_dup. That the named function then
/// runs is checked by tests/perf/algorithm_spy.c.
class MpiCandidate final : public Candidate {
 public:
  MpiCandidate(std::string algorithm, MpiComm comm);

  [[nodiscard]] std::string name() const override { return "openmpi:" + algorithm_; }
  [[nodiscard]] bool is_banyan() const override { return false; }
  [[nodiscard]] std::unique_ptr<Player> prepare(const Traffic& traffic, ExchangeBuffers& buffers) override;

 private:
  std::string algorithm_;
  MpiComm comm_;
};

/// The default decision, then every algorithm that works for this number of ranks. With `variable`, of the
/// all-to-all-v. Only the default where the MPI library has no such variable; `warning` then says so. With `wanted`,
/// only those: Failure if one of them is not among them. Collective.
[[nodiscard]] std::vector<std::unique_ptr<Candidate>> mpi_candidates(bool variable,
                                                                     const std::vector<std::string>& wanted,
                                                                     std::string& warning);

}  // namespace banyan::perf
