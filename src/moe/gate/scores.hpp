// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace banyan::moe::gate {

/// What a gate says of each token and expert: [num_tokens, num_experts], row-major. Borrowed.
struct Scores {
  std::span<const float> values{};
  size_t num_tokens = 0;
  size_t num_experts = 0;

  [[nodiscard]] std::span<const float> row(size_t token) const {
    return values.subspan(token * num_experts, num_experts);
  }
};

/// Which experts each token goes to, and with what weight: [num_tokens, top_k] each. -1: no choice, its weight is 0.
struct Routing {
  size_t top_k = 0;
  std::vector<int64_t> idx{};
  std::vector<float> weights{};
};

/// a * b; Error{LIMIT} "num_tokens * num_experts overflows".
[[nodiscard]] size_t area(size_t a, size_t b, const char* what);

/// Scores at `values`, which may be NULL where there are no tokens. Error{INVALID_ARGUMENT}: NULL, no experts, more
/// than 2^31 - 1 experts, a score that is NaN or infinite; Error{LIMIT}: a product that overflows.
[[nodiscard]] Scores scores_of(const float* values, size_t num_tokens, size_t num_experts);

/// A routing without any choice.
[[nodiscard]] Routing empty_routing(size_t num_tokens, size_t top_k);

/// Error{INVALID_ARGUMENT} "top_k is 9, must be between 1 and 8 <of>".
void check_between(const char* name, size_t value, size_t least, size_t most, const char* of);

/// Checks [num_tokens, top_k] choices: each is -1 or an expert, and no token has one expert twice.
/// Error{INVALID_ARGUMENT} that names token, choice and value.
void check_choices(std::span<const int64_t> topk_idx, size_t top_k, size_t num_experts);

/// The shortest text of a number that says what was wrong with it.
[[nodiscard]] std::string text_of(double value);

}  // namespace banyan::moe::gate
