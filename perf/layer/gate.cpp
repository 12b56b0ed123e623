// SPDX-License-Identifier: Apache-2.0
#include "layer/gate.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <random>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

/// Draws the experts of a token without putting them back.
class ExpertDraw {
 public:
  virtual ~ExpertDraw() = default;
  [[nodiscard]] virtual std::vector<int64_t> draw(std::mt19937_64& random) = 0;
};

/// With chances by popularity: the keys u^(1/w) of Efraimidis and Spirakis (Information Processing Letters 97, 2006),
/// of which the largest are the sample.
class PopularDraw final : public ExpertDraw {
 public:
  explicit PopularDraw(const Layer& layer) : count_(layer.top_k), keys_(static_cast<size_t>(layer.num_experts)) {
    for (int e = 0; e < layer.num_experts; ++e) {
      weights_.push_back(std::pow(static_cast<double>(e + 1), -layer.zipf));
    }
  }

  std::vector<int64_t> draw(std::mt19937_64& random) override {
    std::uniform_real_distribution<double> uniform(1e-300, 1);
    for (size_t e = 0; e < weights_.size(); ++e) {
      keys_[e] = {std::log(uniform(random)) / weights_[e], static_cast<int64_t>(e)};
    }
    std::partial_sort(keys_.begin(), keys_.begin() + count_, keys_.end(), std::greater<>());
    std::vector<int64_t> experts;
    for (int n = 0; n < count_; ++n) {
      experts.push_back(keys_[static_cast<size_t>(n)].second);
    }
    return experts;
  }

 private:
  int count_;
  std::vector<double> weights_;
  std::vector<std::pair<double, int64_t>> keys_;
};

/// With given chances that add up to top_k, exactly: systematic sampling (Madow, Annals of Mathematical Statistics 20,
/// 1949), in a new order for each token, or neighbours would never be chosen together.
class TargetDraw final : public ExpertDraw {
 public:
  TargetDraw(const Layer& layer, int rank) : count_(layer.top_k), order_(static_cast<size_t>(layer.num_experts)) {
    const auto experts = static_cast<size_t>(layer.num_experts);
    const double* row = layer.targets.data() + static_cast<size_t>(rank) * experts;
    const double all = std::accumulate(row, row + experts, 0.0);
    for (size_t e = 0; e < experts; ++e) {
      chances_.push_back(all > 0 ? row[e] * count_ / all : 0);
      if (chances_.back() > 1 + 1e-9) {
        throw Failure("rank " + std::to_string(rank) + ": targets ask for " + std::to_string(chances_.back()) +
                      " choices of expert " + std::to_string(e) + " from each token, and a token has one at most");
      }
    }
    std::iota(order_.begin(), order_.end(), size_t{0});
  }

  std::vector<int64_t> draw(std::mt19937_64& random) override {
    std::shuffle(order_.begin(), order_.end(), random);
    double next = std::uniform_real_distribution<double>(0, 1)(random);
    double sum = 0;
    std::vector<int64_t> experts;
    for (const size_t expert : order_) {
      sum += chances_[expert];
      if (sum > next && experts.size() < static_cast<size_t>(count_)) {
        experts.push_back(static_cast<int64_t>(expert));
        next += 1;
      }
    }
    complete(experts);
    return experts;
  }

 private:
  /// The sum of chances may miss top_k by a rounding, and with it the last expert.
  void complete(std::vector<int64_t>& experts) const {
    for (auto at = order_.rbegin(); at != order_.rend() && experts.size() < static_cast<size_t>(count_); ++at) {
      const auto expert = static_cast<int64_t>(*at);
      if (std::find(experts.begin(), experts.end(), expert) == experts.end()) {
        experts.push_back(expert);
      }
    }
  }

  int count_;
  std::vector<double> chances_;
  std::vector<size_t> order_;
};

}  // namespace

GateOutput gate_of(const Layer& layer, int rank) {
  std::mt19937_64 random(layer.seed * 100003 + static_cast<uint64_t>(rank));
  GateOutput gate;
  const size_t num_tokens = layer.tokens_of(rank);
  if (num_tokens == 0) {
    return gate;
  }
  std::unique_ptr<ExpertDraw> experts;
  if (layer.targets.empty()) {
    experts = std::make_unique<PopularDraw>(layer);
  } else {
    experts = std::make_unique<TargetDraw>(layer, rank);
  }
  const auto top_k = static_cast<size_t>(layer.top_k);
  for (size_t token = 0; token < num_tokens; ++token) {
    const auto drawn = experts->draw(random);
    gate.topk_idx.insert(gate.topk_idx.end(), drawn.begin(), drawn.end());
    for (size_t slot = 0; slot < top_k; ++slot) {
      gate.topk_weights.push_back(2 * static_cast<float>(slot + 1) / static_cast<float>(top_k * (top_k + 1)));
    }
  }
  return gate;
}

}  // namespace banyan::perf
