// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compare/channel.hpp"
#include "compare/local_player.hpp"
#include "compare/mpich_algorithms.hpp"

namespace banyan::perf {

/// One rank of MPICH that does what its partner, the same rank of mpi_compare, asks for. All ranks are asked the same
/// in the same order, and each sleeps in the kernel between requests. One thread.
class MpichServer {
 public:
  explicit MpichServer(const MpiSession& session) : session_(session) {}

  /// Answers until the partner closes. Failure, which the partner is told: the library refuses, or the partner asks for
  /// what does not exist.
  void serve(Channel& channel);

 private:
  struct Prepared {
    MpichAlgorithms* algorithms = nullptr;
    std::string algorithm;
    std::unique_ptr<LocalPlayer> player;
  };

  [[nodiscard]] Json answer(const Json& request);
  [[nodiscard]] Json hello() const;
  [[nodiscard]] Json prepare(const Json& request);
  [[nodiscard]] MpichAlgorithms& algorithms(bool variable);
  /// With its algorithm chosen.
  [[nodiscard]] LocalPlayer& player(const Json& request);

  const MpiSession& session_;
  std::map<bool, MpichAlgorithms> algorithms_;
  std::optional<Traffic> traffic_;            ///< of all that is prepared
  std::unique_ptr<ExchangeBuffers> buffers_;  ///< of that traffic, for all
  std::vector<Prepared> prepared_;
};

}  // namespace banyan::perf
