// SPDX-License-Identifier: Apache-2.0
#include "step.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <set>

namespace banyan::perf {
namespace {

float token_value(int rank, size_t at) {
  return static_cast<float>((at * 7 + static_cast<size_t>(rank) * 31) % 61) / 8 - 3;
}

float factor_of(int expert) { return static_cast<float>(1 << (expert % 3)); }

/// Draws experts without putting them back, with chances by popularity.
class ExpertDraw {
 public:
  explicit ExpertDraw(const Layer& layer) : weights_(static_cast<size_t>(layer.num_experts)) {
    for (size_t e = 0; e < weights_.size(); ++e) {
      weights_[e] = std::pow(static_cast<double>(e + 1), -layer.zipf);
    }
  }

  /// The keys u^(1/w) of Efraimidis and Spirakis (Information Processing Letters 97, 2006): the largest are the sample.
  std::vector<int64_t> draw(int count, std::mt19937_64& random) {
    std::uniform_real_distribution<double> uniform(1e-300, 1);
    std::vector<std::pair<double, int64_t>> keys;
    for (size_t e = 0; e < weights_.size(); ++e) {
      keys.emplace_back(std::log(uniform(random)) / weights_[e], static_cast<int64_t>(e));
    }
    std::partial_sort(keys.begin(), keys.begin() + count, keys.end(), std::greater<>());
    std::vector<int64_t> experts;
    for (int n = 0; n < count; ++n) {
      experts.push_back(keys[static_cast<size_t>(n)].second);
    }
    return experts;
  }

 private:
  std::vector<double> weights_;
};

}  // namespace

int rank_of_expert(const Layer& layer, int num_ranks, int expert) {
  const int most = layer.num_experts / num_ranks + 1;
  const int larger = layer.num_experts % num_ranks;
  return expert < larger * most ? expert / most : larger + (expert - larger * most) / (most - 1);
}

std::vector<int> experts_of_rank(const Layer& layer, int num_ranks, int rank) {
  std::vector<int> experts;
  for (int expert = 0; expert < layer.num_experts; ++expert) {
    if (rank_of_expert(layer, num_ranks, expert) == rank) {
      experts.push_back(expert);
    }
  }
  return experts;
}

GateOutput gate_of(const Layer& layer, int rank) {
  std::mt19937_64 random(layer.seed * 100003 + static_cast<uint64_t>(rank));
  ExpertDraw experts(layer);
  GateOutput gate;
  const auto top_k = static_cast<size_t>(layer.top_k);
  for (size_t token = 0; token < layer.tokens; ++token) {
    const auto drawn = experts.draw(layer.top_k, random);
    gate.topk_idx.insert(gate.topk_idx.end(), drawn.begin(), drawn.end());
    for (size_t slot = 0; slot < top_k; ++slot) {
      gate.topk_weights.push_back(2 * static_cast<float>(slot + 1) / static_cast<float>(top_k * (top_k + 1)));
    }
  }
  return gate;
}

uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float from_bf16(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

std::vector<uint16_t> tokens_of(const Layer& layer, int rank) {
  std::vector<uint16_t> tokens(layer.tokens * layer.hidden);
  for (size_t at = 0; at < tokens.size(); ++at) {
    tokens[at] = to_bf16(token_value(rank, at));
  }
  return tokens;
}

void run_expert(int expert, uint16_t* rows, size_t count) {
  for (size_t at = 0; at < count; ++at) {
    rows[at] = to_bf16(factor_of(expert) * from_bf16(rows[at]));
  }
}

uint64_t count_wrong(const Layer& layer, int rank, const std::vector<uint16_t>& combined) {
  const GateOutput gate = gate_of(layer, rank);
  const auto top_k = static_cast<size_t>(layer.top_k);
  uint64_t wrong = 0;
  for (size_t token = 0; token < layer.tokens; ++token) {
    double factor = 0;
    for (size_t at = token * top_k; at < (token + 1) * top_k; ++at) {
      factor += static_cast<double>(gate.topk_weights[at]) *
                static_cast<double>(factor_of(static_cast<int>(gate.topk_idx[at])));
    }
    for (size_t at = token * layer.hidden; at < (token + 1) * layer.hidden; ++at) {
      const double value = factor * static_cast<double>(token_value(rank, at));
      const double difference = std::abs(value - static_cast<double>(from_bf16(combined[at])));
      wrong += difference <= 4 * 0x1p-9 * std::abs(value) + 1e-6 ? 0 : 1;
    }
  }
  return wrong;
}

std::vector<HostRows> least_rows(const Layer& layer, const std::vector<int>& host_of) {
  const int num_ranks = static_cast<int>(host_of.size());
  std::vector<HostRows> rows(static_cast<size_t>(*std::max_element(host_of.begin(), host_of.end())) + 1);
  for (int rank = 0; rank < num_ranks; ++rank) {
    const auto own = static_cast<size_t>(host_of[static_cast<size_t>(rank)]);
    const GateOutput gate = gate_of(layer, rank);
    for (size_t token = 0; token < layer.tokens; ++token) {
      std::set<size_t> hosts;
      for (int slot = 0; slot < layer.top_k; ++slot) {
        const int64_t expert = gate.topk_idx[token * static_cast<size_t>(layer.top_k) + static_cast<size_t>(slot)];
        const int to = rank_of_expert(layer, num_ranks, static_cast<int>(expert));
        hosts.insert(static_cast<size_t>(host_of[static_cast<size_t>(to)]));
      }
      hosts.erase(own);
      rows[own].out += hosts.size();
      for (const size_t host : hosts) {
        ++rows[host].in;
      }
    }
  }
  return rows;
}

}  // namespace banyan::perf
