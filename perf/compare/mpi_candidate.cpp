// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_candidate.hpp"

#include "compare/local_player.hpp"
#include "compare/mpi_algorithms.hpp"
#include "compare/mpi_exchange.hpp"

namespace banyan::perf {

MpiCandidate::MpiCandidate(std::string algorithm, MpiComm comm)
    : algorithm_(std::move(algorithm)), comm_(std::move(comm)) {}

std::unique_ptr<Player> MpiCandidate::prepare(const Traffic& traffic, ExchangeBuffers& buffers) {
  return std::make_unique<LocalPlayer>(make_mpi_exchange(comm_.get(), traffic, buffers), buffers);
}

std::vector<std::unique_ptr<Candidate>> mpi_candidates(bool variable, const std::vector<std::string>& wanted,
                                                       std::string& warning) {
  std::vector<std::unique_ptr<Candidate>> candidates;
  for (auto& [algorithm, comm] : algorithm_comms(variable, wanted, warning)) {
    candidates.push_back(std::make_unique<MpiCandidate>(algorithm, std::move(comm)));
  }
  return candidates;
}

}  // namespace banyan::perf
