// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/scores.hpp"

#include <cmath>
#include <limits>
#include <sstream>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::moe::gate {
namespace {

/// Elements of at most 16 bytes that a std::vector may have.
constexpr size_t kMostElements = std::numeric_limits<ptrdiff_t>::max() / 16;

}  // namespace

size_t area(size_t a, size_t b, const char* what) {
  const auto product = checked::multiply(a, b);
  if (!product || *product > kMostElements) {
    throw Error(BANYAN_ERR_LIMIT,
                std::string(what) + " overflows: " + std::to_string(a) + " times " + std::to_string(b));
  }
  return *product;
}

std::string text_of(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void check_between(const char* name, size_t value, size_t least, size_t most, const char* of) {
  if (value < least || value > most) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is " + std::to_string(value) + ", must be between " +
                                                 std::to_string(least) + " and " + std::to_string(most) + of);
  }
}

Scores scores_of(const float* values, size_t num_tokens, size_t num_experts) {
  check_between("scores.num_experts", num_experts, 1, std::numeric_limits<int32_t>::max(), "");
  const size_t count = area(num_tokens, num_experts, "scores.num_tokens * num_experts");
  if (values == nullptr && count > 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "scores.values is NULL, but scores.num_tokens is " + std::to_string(num_tokens));
  }
  for (size_t at = 0; at < count; ++at) {
    if (!std::isfinite(values[at])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "scores.values[" + std::to_string(at / num_experts) + ", " +
                                                   std::to_string(at % num_experts) + "] (token, expert) is " +
                                                   text_of(values[at]) + "; scores are finite");
    }
  }
  return {.values = {values, count}, .num_tokens = num_tokens, .num_experts = num_experts};
}

Routing empty_routing(size_t num_tokens, size_t top_k) {
  const size_t count = area(num_tokens, top_k, "num_tokens * top_k");
  return {.top_k = top_k, .idx = std::vector<int64_t>(count, -1), .weights = std::vector<float>(count, 0.0F)};
}

void check_choices(std::span<const int64_t> topk_idx, size_t top_k, size_t num_experts) {
  std::vector<size_t> last_token(num_experts, std::numeric_limits<size_t>::max());
  for (size_t at = 0; at < topk_idx.size(); ++at) {
    const int64_t expert = topk_idx[at];
    const size_t token = at / top_k;
    if (expert == -1) {
      continue;
    }
    const std::string where = "topk_idx[" + std::to_string(token) + ", " + std::to_string(at % top_k) +
                              "] (token, choice) is " + std::to_string(expert);
    if (expert < -1 || static_cast<uint64_t>(expert) >= num_experts) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  where + ", must be -1 or an expert below " + std::to_string(num_experts));
    }
    if (last_token[static_cast<size_t>(expert)] == token) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, where + ", which this token has chosen already");
    }
    last_token[static_cast<size_t>(expert)] = token;
  }
}

}  // namespace banyan::moe::gate
