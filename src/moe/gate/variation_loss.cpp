// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "moe/gate/loss.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

/// The squared coefficient of variation, and its derivatives. 0 where the mean is 0 or there is nothing to compare.
Loss squared_variation(std::span<const double> values, bool unbiased) {
  Loss result{.gradient = std::vector<double>(values.size(), 0.0)};
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  const double freedom = unbiased ? count - 1 : count;
  if (mean == 0 || freedom == 0) {
    return result;
  }
  double squares = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  result.value = squares / freedom / (mean * mean);
  for (size_t at = 0; at < values.size(); ++at) {
    result.gradient[at] = 2 * (values[at] - mean) / freedom / (mean * mean) - 2 * result.value / (count * mean);
  }
  return result;
}

double normal_cdf(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

double normal_density(double x) { return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2; }

/// The load that a token adds to each expert, and from where its thresholds come.
class TokenLoad {
 public:
  TokenLoad(const LossTerms& terms, size_t token) : terms_(terms), begin_(token * terms.num_experts) {
    noisy_.resize(terms.num_experts);
    for (size_t expert = 0; expert < terms.num_experts; ++expert) {
      const double noise = terms.noise.empty() ? 0 : terms.noise[begin_ + expert];
      noisy_[expert] = terms.scores[begin_ + expert] + noise;
    }
    ranked_ = best_of(noisy_, all_of(terms.num_experts), terms.top_k + 1);
  }

  /// The expert whose noisy score is the threshold of `expert`.
  [[nodiscard]] size_t threshold_of(size_t expert) const {
    const auto chosen_end = ranked_.begin() + static_cast<ptrdiff_t>(terms_.top_k);
    const bool chosen = std::find(ranked_.begin(), chosen_end, expert) != chosen_end;
    return chosen && !terms_.shared_threshold ? ranked_[terms_.top_k] : ranked_[terms_.top_k - 1];
  }

  /// How far the expert is above its threshold, in standard deviations of the noise.
  [[nodiscard]] double margin_of(size_t expert) const {
    return (terms_.scores[begin_ + expert] - noisy_[threshold_of(expert)]) / terms_.noise_std;
  }

 private:
  const LossTerms& terms_;
  size_t begin_;
  std::vector<double> noisy_;
  std::vector<size_t> ranked_;
};

}  // namespace

Loss importance_loss(const LossTerms& terms) {
  const auto probabilities = probabilities_of(terms);
  std::vector<double> importance(terms.num_experts, 0.0);
  for (size_t at = 0; at < probabilities.size(); ++at) {
    importance[at % terms.num_experts] += probabilities[at];
  }
  const auto variation = squared_variation(importance, terms.unbiased);
  Loss loss{.value = variation.value, .gradient = std::vector<double>(probabilities.size())};
  for (size_t at = 0; at < probabilities.size(); ++at) {
    loss.gradient[at] = variation.gradient[at % terms.num_experts];
  }
  backward(terms, probabilities, loss.gradient);
  return loss;
}

Loss load_loss(const LossTerms& terms) {
  std::vector<double> load(terms.num_experts, 0.0);
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    const TokenLoad token_load(terms, token);
    for (size_t expert = 0; expert < terms.num_experts; ++expert) {
      load[expert] += normal_cdf(token_load.margin_of(expert));
    }
  }
  const auto variation = squared_variation(load, terms.unbiased);
  Loss loss{.value = variation.value, .gradient = std::vector<double>(terms.scores.size(), 0.0)};
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    const TokenLoad token_load(terms, token);
    const size_t begin = token * terms.num_experts;
    for (size_t expert = 0; expert < terms.num_experts; ++expert) {
      const double slope = variation.gradient[expert] * normal_density(token_load.margin_of(expert)) / terms.noise_std;
      loss.gradient[begin + expert] += slope;
      loss.gradient[begin + token_load.threshold_of(expert)] -= slope;
    }
  }
  return loss;
}

}  // namespace banyan::moe::gate
