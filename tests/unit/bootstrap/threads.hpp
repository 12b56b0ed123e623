// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"

namespace banyan::bootstrap::testing {

/// What became of one rank: nothing thrown, or the error.
using Outcome = std::optional<Error>;

/// Runs `body(rank)` for every rank on a thread of its own, and returns what each threw.
inline std::vector<Outcome> run_ranks(int size, const std::function<void(int)>& body) {
  std::vector<Outcome> outcomes(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        body(rank);
      } catch (const Error& error) {
        outcomes[static_cast<size_t>(rank)].emplace(error);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return outcomes;
}

inline std::string text_of(const Outcome& outcome) { return outcome ? outcome->what() : "no error"; }
inline banyan_status status_of(const Outcome& outcome) { return outcome ? outcome->status() : BANYAN_OK; }

}  // namespace banyan::bootstrap::testing
