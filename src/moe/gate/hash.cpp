// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/hash.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "moe/gate/random.hpp"

namespace banyan::moe::gate {
namespace {

void check_table(const HashTerms& terms) {
  for (size_t id = 0; id < terms.table.size(); ++id) {
    if (terms.table[id] < 0 || static_cast<uint64_t>(terms.table[id]) >= terms.num_experts) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "options.table[" + std::to_string(id) + "] is " + std::to_string(terms.table[id]) +
                      ", must be an expert, 0 or above and below " + std::to_string(terms.num_experts));
    }
  }
}

int64_t expert_of(int64_t id, size_t token, const HashTerms& terms) {
  if (terms.table.empty()) {
    return static_cast<int64_t>(bits_at(terms.seed, static_cast<uint64_t>(id), 0) % terms.num_experts);
  }
  if (id < 0 || static_cast<uint64_t>(id) >= terms.table.size()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "token_ids[" + std::to_string(token) + "] is " + std::to_string(id) +
                                                 ", options.table has " + std::to_string(terms.table.size()) +
                                                 " entries");
  }
  return terms.table[static_cast<size_t>(id)];
}

}  // namespace

Routing hash(std::span<const int64_t> token_ids, const HashTerms& terms) {
  check_between("options.num_experts", terms.num_experts, 1, std::numeric_limits<int32_t>::max(), "");
  check_table(terms);
  auto routing = empty_routing(token_ids.size(), 1);
  for (size_t token = 0; token < token_ids.size(); ++token) {
    routing.idx[token] = expert_of(token_ids[token], token, terms);
  }
  std::fill(routing.weights.begin(), routing.weights.end(), 1.0F);
  return routing;
}

}  // namespace banyan::moe::gate
