// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "compare/candidate.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// MPI's functions as a program calls them, in a process into which Banyan's preload library was loaded
/// (docs/preload.md): what the program gets of Banyan. With BANYAN_PRELOAD=off what it costs that calls pass the
/// library on their way to MPI.
class PreloadedCandidate final : public Candidate {
 public:
  /// Collective. UsageError where the library is not loaded.
  PreloadedCandidate();

  [[nodiscard]] std::string name() const override { return passes_on_ ? "passed on" : "preloaded"; }
  [[nodiscard]] bool is_banyan() const override { return !passes_on_; }
  [[nodiscard]] std::unique_ptr<Player> prepare(const Traffic& traffic, ExchangeBuffers& buffers) override;

 private:
  bool passes_on_;
  MpiComm comm_;
};

}  // namespace banyan::perf
