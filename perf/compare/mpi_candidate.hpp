// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compare/candidate.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// Open MPI with one of coll/tuned's algorithms on a communicator of its own (mpi_algorithms.hpp).
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

/// A candidate for each of algorithm_comms. Collective.
[[nodiscard]] std::vector<std::unique_ptr<Candidate>> mpi_candidates(bool variable,
                                                                     const std::vector<std::string>& wanted,
                                                                     std::string& warning);

}  // namespace banyan::perf
