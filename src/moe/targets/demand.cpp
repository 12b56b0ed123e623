// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/demand.hpp"

#include <algorithm>
#include <string>

#include "base/checked.hpp"
#include "base/error.hpp"

namespace banyan::moe {
namespace {

/// From here on not every number of tokens is a double.
constexpr size_t kMaxCopies = size_t{1} << 53;

[[noreturn]] void refuse(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

void check_sizes(int num_ranks, int num_experts, int top_k, size_t row_bytes) {
  if (num_ranks < 1) {
    refuse("the topology has no ranks");
  }
  if (num_experts < 1) {
    refuse("num_experts is " + std::to_string(num_experts) + ", must be at least 1");
  }
  if (top_k < 1 || top_k > num_experts) {
    refuse("top_k is " + std::to_string(top_k) + ", must be between 1 and num_experts, " + std::to_string(num_experts));
  }
  if (row_bytes == 0) {
    refuse("row_bytes is 0, must be the bytes of a token's row: hidden times bytes of an element");
  }
}

std::vector<int> blocks(int num_ranks, int num_experts) {
  std::vector<int> owner;
  owner.reserve(static_cast<size_t>(num_experts));
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int experts = num_experts / num_ranks + (rank < num_experts % num_ranks ? 1 : 0);
    owner.insert(owner.end(), static_cast<size_t>(experts), rank);
  }
  return owner;
}

void check_owner(const std::vector<int>& owner, int num_ranks, int num_experts) {
  if (owner.size() != static_cast<size_t>(num_experts)) {
    refuse("expert_rank has " + std::to_string(owner.size()) + " entries for " + std::to_string(num_experts) +
           " experts");
  }
  for (size_t expert = 0; expert < owner.size(); ++expert) {
    if (owner[expert] < 0 || owner[expert] >= num_ranks) {
      refuse("expert_rank[" + std::to_string(expert) + "] is " + std::to_string(owner[expert]) +
             ", must be a rank, 0 to " + std::to_string(num_ranks - 1));
    }
  }
}

double total_copies(const std::vector<size_t>& tokens, int top_k, size_t row_bytes) {
  size_t total = 0;
  for (size_t rank = 0; rank < tokens.size(); ++rank) {
    const auto copies = checked::multiply(tokens[rank], static_cast<size_t>(top_k));
    const auto sum = copies ? checked::add(total, *copies) : copies;
    if (!sum || *sum >= kMaxCopies) {
      throw Error(BANYAN_ERR_LIMIT, "tokens[" + std::to_string(rank) + "] is " + std::to_string(tokens[rank]) +
                                        ": top_k times the sum of tokens must be below 2^53");
    }
    total = *sum;
  }
  if (total == 0) {
    refuse("no rank has tokens; set tokens_per_rank, or tokens of at least one rank, to 1 or more");
  }
  if (!checked::multiply(total, row_bytes)) {
    throw Error(BANYAN_ERR_LIMIT, "row_bytes " + std::to_string(row_bytes) + " times " + std::to_string(total) +
                                      " token copies overflows");
  }
  return static_cast<double>(total);
}

}  // namespace

TokenDemand make_demand(int num_ranks, int num_experts, const std::vector<int>& owner,
                        const std::vector<size_t>& tokens, int top_k, size_t row_bytes) {
  check_sizes(num_ranks, num_experts, top_k, row_bytes);
  const auto ranks = static_cast<size_t>(num_ranks);
  TokenDemand demand;
  demand.owner = owner.empty() ? blocks(num_ranks, num_experts) : owner;
  check_owner(demand.owner, num_ranks, num_experts);
  if (tokens.size() != 1 && tokens.size() != ranks) {
    refuse("tokens has " + std::to_string(tokens.size()) + " entries for " + std::to_string(num_ranks) + " ranks");
  }
  demand.tokens = tokens.size() == 1 ? std::vector<size_t>(ranks, tokens[0]) : tokens;
  demand.num_experts.assign(ranks, 0);
  for (const int rank : demand.owner) {
    ++demand.num_experts[static_cast<size_t>(rank)];
  }
  demand.top_k = top_k;
  demand.total = total_copies(demand.tokens, top_k, row_bytes);
  return demand;
}

}  // namespace banyan::moe
