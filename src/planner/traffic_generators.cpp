// SPDX-License-Identifier: Apache-2.0
#include "planner/traffic_generators.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <span>
#include <utility>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::planner {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kOneQ32 = uint64_t{1} << 32;
constexpr int kDefaultExperts = 64;
constexpr int kTokensPerRank = 512;
constexpr uint64_t kAffinities = 16;

[[noreturn]] void reject(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, "traffic: " + text); }

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// Uniform in [0, count), exactly: draws that would favour some values are repeated.
  uint64_t below(uint64_t count) {
    const uint64_t unfair = (0 - count) % count;
    while (true) {
      const Wide product = Wide{next()} * count;
      if (static_cast<uint64_t>(product) >= unfair) {
        return static_cast<uint64_t>(product >> 64);
      }
    }
  }

 private:
  uint64_t state_;
};

/// 0 .. count-1 in random order (Fisher and Yates).
std::vector<uint32_t> permutation(size_t count, Random& random) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (size_t k = count; k > 1; --k) {
    std::swap(order[k - 1], order[random.below(k)]);
  }
  return order;
}

uint64_t square_root(Wide value) {
  uint64_t root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const uint64_t candidate = root | (uint64_t{1} << bit);
    if (Wide{candidate} * candidate <= value) {
      root = candidate;
    }
  }
  return root;
}

/// k^-s in integers: 2^32 * 2^(-s log2 k), rounded down but at least 1.
class PowerLaw {
 public:
  explicit PowerLaw(uint64_t exponent_q32) : exponent_q32_(exponent_q32) {
    // halvings_[i] = 2^62 * 2^-(2^-(i+1)): each is the square root of the one before.
    Wide before = Wide{1} << 61;
    for (uint64_t& halving : halvings_) {
      halving = square_root(before << 62);
      before = halving;
    }
  }

  [[nodiscard]] uint64_t weight(uint64_t k) const {
    const Wide exponent = (Wide{exponent_q32_} * log2_q32(k)) >> 32;
    const auto whole = static_cast<uint64_t>(exponent >> 32);
    if (whole >= 32) {
      return 1;
    }
    uint64_t value = uint64_t{1} << 62;
    for (size_t i = 0; i < halvings_.size(); ++i) {
      if ((exponent >> (31 - i) & 1) != 0) {
        value = static_cast<uint64_t>((Wide{value} * halvings_[i]) >> 62);
      }
    }
    return std::max<uint64_t>(value >> (30 + whole), 1);
  }

 private:
  static uint64_t log2_q32(uint64_t k) {
    const int whole = static_cast<int>(std::bit_width(k)) - 1;
    uint64_t mantissa = k << (62 - whole);  // in [1, 2) times 2^62
    uint64_t result = static_cast<uint64_t>(whole);
    for (int bit = 0; bit < 32; ++bit) {
      mantissa = static_cast<uint64_t>((Wide{mantissa} * mantissa) >> 62);
      const uint64_t digit = mantissa >> 63;
      mantissa >>= digit;
      result = result << 1 | digit;
    }
    return result;
  }

  uint64_t exponent_q32_;
  std::array<uint64_t, 32> halvings_{};
};

/// Weights of which an index is drawn in proportion, O(log n) per draw or change (a Fenwick tree).
class Urn {
 public:
  explicit Urn(const std::vector<uint64_t>& weights) : sums_(weights.size() + 1) {
    for (size_t k = 0; k < weights.size(); ++k) {
      add(k, weights[k]);
    }
  }

  /// `weight` may be the two's complement of what is taken away.
  void add(size_t position, uint64_t weight) {
    total_ += weight;
    for (size_t k = position + 1; k < sums_.size(); k += k & (~k + 1)) {
      sums_[k] += weight;
    }
  }

  [[nodiscard]] size_t draw(Random& random) const {
    uint64_t left = random.below(total_);
    size_t at = 0;
    for (size_t stride = std::bit_floor(sums_.size() - 1); stride > 0; stride /= 2) {
      if (at + stride < sums_.size() && sums_[at + stride] <= left) {
        at += stride;
        left -= sums_[at];
      }
    }
    return at;
  }

 private:
  std::vector<uint64_t> sums_;
  uint64_t total_ = 0;
};

/// Sizes in proportion to weights of at most 2^32 whose sum is exactly `total`: pairs with a weight get one byte, and
/// the rest is dealt out by rounding running sums, so that no size is off by more than one byte.
std::vector<uint64_t> scale(const std::vector<uint64_t>& weights, uint64_t total) {
  const auto num_positive =
      static_cast<uint64_t>(weights.size()) - static_cast<uint64_t>(std::count(weights.begin(), weights.end(), 0u));
  const uint64_t weight_sum = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  std::vector<uint64_t> sizes(weights.size(), 0);
  if (total < num_positive || weight_sum == 0) {
    return sizes;  // only for an average of 0: else there are at least as many bytes as pairs
  }
  const uint64_t rest = total - num_positive;
  uint64_t running = 0;
  uint64_t dealt = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    running += weights[k];
    const auto due = static_cast<uint64_t>(Wide{rest} * running / weight_sum);
    sizes[k] = (weights[k] > 0 ? 1 : 0) + due - dealt;
    dealt = due;
  }
  return sizes;
}

size_t rounded_share(uint64_t fraction_q32, size_t count) {
  return static_cast<size_t>((Wide{fraction_q32} * count + kOneQ32 / 2) >> 32);
}

std::vector<uint64_t> random_weights(size_t num_pairs, Random& random) {
  std::vector<uint64_t> weights(num_pairs);
  for (uint64_t& weight : weights) {
    weight = 1 + random.below(kOneQ32);
  }
  return weights;
}

std::vector<uint64_t> zipf_weights(size_t num_pairs, uint64_t exponent_q32, Random& random) {
  const PowerLaw power(exponent_q32);
  std::vector<uint64_t> weights(num_pairs);
  uint64_t place = 0;
  for (const uint32_t pair : permutation(num_pairs, random)) {
    weights[pair] = power.weight(++place);
  }
  return weights;
}

std::vector<uint64_t> zeros_weights(size_t num_pairs, uint64_t fraction_q32, Random& random) {
  std::vector<uint64_t> weights(num_pairs, 1);
  const std::vector<uint32_t> order = permutation(num_pairs, random);
  const size_t num_zeros = std::min(rounded_share(fraction_q32, num_pairs), num_pairs - 1);
  for (size_t k = 0; k < num_zeros; ++k) {
    weights[order[k]] = 0;
  }
  return weights;
}

std::vector<uint64_t> hot_weights(const TrafficSpec& spec, size_t num_ranks) {
  const auto hot = static_cast<size_t>(spec.hot_rank);
  if (spec.hot_rank < 0 || hot >= num_ranks || spec.hot_factor < 1) {
    reject("hot rank " + std::to_string(spec.hot_rank) + " with factor " + std::to_string(spec.hot_factor) + " for " +
           std::to_string(num_ranks) + " ranks");
  }
  std::vector<uint64_t> weights(num_ranks * num_ranks, 1);
  for (size_t from = 0; from < num_ranks; ++from) {
    weights[from * num_ranks + hot] = static_cast<uint64_t>(spec.hot_factor);
  }
  return weights;
}

std::vector<uint64_t> local_weights(size_t num_ranks) {
  std::vector<uint64_t> weights;
  for (size_t from = 0; from < num_ranks; ++from) {
    for (size_t to = 0; to < num_ranks; ++to) {
      const uint64_t distance = from > to ? from - to : to - from;
      weights.push_back(kOneQ32 / ((1 + distance) * (1 + distance)));
    }
  }
  return weights;
}

/// Tokens of one rank that go to each expert, added to the counts of the ranks that own them.
void route_tokens(const std::vector<uint64_t>& preferences, int top_k, Random& random, std::span<uint64_t> counts) {
  Urn urn(preferences);
  std::vector<size_t> chosen(static_cast<size_t>(top_k));
  for (int token = 0; token < kTokensPerRank; ++token) {
    for (size_t& expert : chosen) {
      expert = urn.draw(random);
      urn.add(expert, 0 - preferences[expert]);  // a token goes to an expert once
      ++counts[expert * counts.size() / preferences.size()];
    }
    for (const size_t expert : chosen) {
      urn.add(expert, preferences[expert]);
    }
  }
}

/// Zeroes the `num_zeros` smallest weights, at random among equal ones.
void zero_smallest(std::vector<uint64_t>& weights, size_t num_zeros, Random& random) {
  std::vector<uint32_t> order = permutation(weights.size(), random);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return weights[a] < weights[b]; });
  for (size_t k = 0; k < num_zeros; ++k) {
    weights[order[k]] = 0;
  }
}

std::vector<uint64_t> moe_weights(const TrafficSpec& spec, size_t num_ranks, Random& random) {
  const size_t num_experts =
      spec.experts > 0 ? static_cast<size_t>(spec.experts) : std::max<size_t>(kDefaultExperts, num_ranks);
  if (num_experts < num_ranks || spec.top_k < 1 || static_cast<size_t>(spec.top_k) > num_experts) {
    reject("moe with " + std::to_string(num_experts) + " experts and topk " + std::to_string(spec.top_k) + " for " +
           std::to_string(num_ranks) + " ranks; there must be as many experts as ranks and as topk");
  }
  const std::vector<uint32_t> popularity = permutation(num_experts, random);
  std::vector<uint64_t> weights(num_ranks * num_ranks, 0);
  for (size_t from = 0; from < num_ranks; ++from) {
    std::vector<uint64_t> preferences(num_experts);
    for (size_t expert = 0; expert < num_experts; ++expert) {
      const uint64_t affinity = 1 + random.below(kAffinities);
      preferences[expert] = kOneQ32 / (1 + popularity[expert]) * affinity * affinity;
    }
    route_tokens(preferences, spec.top_k, random, std::span(weights).subspan(from * num_ranks, num_ranks));
  }
  for (uint64_t& weight : weights) {
    weight = 2 * weight + 1;  // a pair that got no token still weighs half a one, and the zeros come out exact
  }
  zero_smallest(weights, std::min(rounded_share(spec.zero_fraction_q32, weights.size()), weights.size() - 1), random);
  return weights;
}

std::vector<uint64_t> weights_of(const TrafficSpec& spec, size_t num_ranks) {
  const size_t num_pairs = num_ranks * num_ranks;
  Random random(spec.seed);
  switch (spec.kind) {
    case TrafficKind::kUniform:
      return std::vector<uint64_t>(num_pairs, 1);
    case TrafficKind::kRandom:
      return random_weights(num_pairs, random);
    case TrafficKind::kZipf:
      return zipf_weights(num_pairs, spec.exponent_q32, random);
    case TrafficKind::kMoe:
      return moe_weights(spec, num_ranks, random);
    case TrafficKind::kHot:
      return hot_weights(spec, num_ranks);
    case TrafficKind::kZeros:
      return zeros_weights(num_pairs, spec.zero_fraction_q32, random);
    case TrafficKind::kLocal:
      return local_weights(num_ranks);
  }
  reject("kind " + std::to_string(static_cast<int>(spec.kind)) + " does not exist");
}

}  // namespace

TrafficMatrix generate_traffic(const TrafficSpec& spec, int num_ranks) {
  if (num_ranks < 1 || !spec.average_bytes) {
    reject(num_ranks < 1 ? std::to_string(num_ranks) + " ranks; expected at least 1" : "no average size is given");
  }
  const auto n = static_cast<size_t>(num_ranks);
  const auto total = checked::multiply(*spec.average_bytes, n * n);
  if (num_ranks > kMaxTrafficRanks || !total) {
    throw Error(BANYAN_ERR_LIMIT, "traffic: " + std::to_string(*spec.average_bytes) + " bytes for each pair of " +
                                      std::to_string(num_ranks) + " ranks; at most " +
                                      std::to_string(kMaxTrafficRanks) + " ranks and 2^64 - 1 bytes in all");
  }
  return {num_ranks, scale(weights_of(spec, n), *total)};
}

}  // namespace banyan::planner
