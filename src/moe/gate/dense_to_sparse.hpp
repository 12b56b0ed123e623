// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// See banyan_gate_dense_to_sparse_options.
struct DenseToSparseTerms {
  size_t top_k = 1;  ///< most experts of a token
  double start_temperature = 2;
  double end_temperature = 0.3;
  size_t anneal_steps = 0;
  size_t step = 0;
  double threshold = 0;
  bool noisy = true;
  bool renormalize = false;
  uint64_t seed = 0;
};

/// A routing, and how many of its choices the token with the most of them has.
struct DenseToSparse {
  Routing routing{};
  size_t used_k = 0;
};

/// start * (end / start)^(step / anneal_steps), and `end` from anneal_steps on. Error{INVALID_ARGUMENT}.
[[nodiscard]] double temperature_of(const DenseToSparseTerms& terms);

/// See banyan_gate_dense_to_sparse. Error{INVALID_ARGUMENT}.
[[nodiscard]] DenseToSparse dense_to_sparse(const Scores& scores, const DenseToSparseTerms& terms);

}  // namespace banyan::moe::gate
