// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/topology.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

class Limiter {
 public:
  Limiter(const Scores& scores, const TopologyTerms& terms)
      : scores_(scores),
        terms_(terms),
        weighting_{.activation = terms.activation, .renormalize = terms.renormalize},
        routing_(empty_routing(scores.num_tokens, terms.top_k)) {
    for (size_t expert = 0; expert < scores.num_experts; ++expert) {
      if (terms.is_local[expert] != 0) {
        locals_.push_back(expert);
      }
    }
  }

  LimitedRouting run() {
    for (size_t token = 0; token < scores_.num_tokens; ++token) {
      choose(token, all_of(scores_.num_experts));
    }
    // The best remote weight of the tokens that leave, and these.
    std::vector<double> best(scores_.num_tokens);
    std::vector<size_t> leaving;
    for (size_t token = 0; token < scores_.num_tokens; ++token) {
      if (const auto choice = best_remote_choice(token)) {
        best[token] = *choice;
        leaving.push_back(token);
      }
    }
    const size_t num_leaving = std::min(leaving.size(), terms_.limit);
    const auto ranked = best_of(best, std::move(leaving), scores_.num_tokens);
    for (size_t rank = num_leaving; rank < ranked.size(); ++rank) {
      choose(ranked[rank], locals_);
    }
    return {.routing = std::move(routing_), .num_leaving = num_leaving};
  }

 private:
  /// The token's choices among `candidates`; where these are fewer than top_k, the others are -1.
  void choose(size_t token, std::vector<size_t> candidates) {
    const auto row = scores_.row(token);
    const std::vector<double> keys(row.begin(), row.end());
    const auto chosen = best_of(keys, std::move(candidates), terms_.top_k);
    const auto weights = weights_of(row, activated(row, terms_.activation), chosen, weighting_);
    for (size_t choice = 0; choice < terms_.top_k; ++choice) {
      const bool any = choice < chosen.size();
      routing_.idx[token * terms_.top_k + choice] = any ? static_cast<int64_t>(chosen[choice]) : -1;
      routing_.weights[token * terms_.top_k + choice] = any ? static_cast<float>(weights[choice]) : 0.0F;
    }
  }

  /// Weight before renormalising of the token's best choice that is not local. Choices are best first.
  [[nodiscard]] std::optional<double> best_remote_choice(size_t token) const {
    for (size_t choice = 0; choice < terms_.top_k; ++choice) {
      const auto expert = static_cast<size_t>(routing_.idx[token * terms_.top_k + choice]);
      if (terms_.is_local[expert] == 0) {
        return activated(scores_.row(token), terms_.activation)[expert];
      }
    }
    return std::nullopt;
  }

  const Scores& scores_;
  const TopologyTerms& terms_;
  TopKTerms weighting_;
  Routing routing_;
  std::vector<size_t> locals_;
};

}  // namespace

LimitedRouting limit_leaving(const Scores& scores, const TopologyTerms& terms) {
  check_between("options.top_k", terms.top_k, 1, scores.num_experts, " (num_experts)");
  if (std::all_of(terms.is_local.begin(), terms.is_local.end(), [](unsigned char local) { return local == 0; }) &&
      terms.limit < scores.num_tokens) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.is_local names no local expert, but options.limit is " +
                                                 std::to_string(terms.limit) + " of " +
                                                 std::to_string(scores.num_tokens) + " tokens");
  }
  return Limiter(scores, terms).run();
}

OutgoingShare outgoing_share(double net_bytes_per_s, double local_bytes_per_s, size_t ranks_per_node) {
  for (const auto& [name, speed] :
       {std::pair{"net_bytes_per_s", net_bytes_per_s}, std::pair{"local_bytes_per_s", local_bytes_per_s}}) {
    if (!(speed > 0) || std::isinf(speed)) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  std::string(name) + " is " + text_of(speed) + "; it is positive and finite");
    }
  }
  if (ranks_per_node == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "ranks_per_node is 0, must be at least 1");
  }
  const double ratio = net_bytes_per_s / (static_cast<double>(ranks_per_node) * local_bytes_per_s);
  return {.first_order = std::min(1.0, ratio), .link_sum = 1 / (1 + 1 / ratio)};
}

}  // namespace banyan::moe::gate
