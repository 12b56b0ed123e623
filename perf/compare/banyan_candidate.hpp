// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "compare/candidate.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// A Banyan communicator over MPI_COMM_WORLD's ranks, bootstrapped through MPI_Allgather on a communicator of its own.
class BanyanOverMpi {
 public:
  /// profile_file: empty for nominal speeds. Collective.
  BanyanOverMpi(const MpiSession& session, const std::string& profile_file);

  [[nodiscard]] banyan_comm* get() const noexcept { return comm_.get(); }

 private:
  MpiComm bootstrap_;
  Comm comm_;
};

/// Banyan with one of its algorithms ("auto": the model's choice). Borrows the communicator.
class BanyanCandidate final : public Candidate {
 public:
  BanyanCandidate(banyan_comm* comm, std::string algorithm) : comm_(comm), algorithm_(std::move(algorithm)) {}

  [[nodiscard]] std::string name() const override { return "banyan:" + algorithm_; }
  [[nodiscard]] bool is_banyan() const override { return true; }
  [[nodiscard]] std::unique_ptr<Player> prepare(const Traffic& traffic, ExchangeBuffers& buffers) override;

 private:
  banyan_comm* comm_;
  std::string algorithm_;
};

}  // namespace banyan::perf
