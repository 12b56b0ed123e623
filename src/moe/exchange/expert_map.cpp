// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/expert_map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "moe/gate/random.hpp"

namespace banyan::moe {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

std::string name_of(int expert) { return "expert " + std::to_string(expert); }

void check_offsets(std::span<const int> offsets, size_t num_replicas) {
  if (offsets.size() < 2 || offsets.front() != 0 || static_cast<size_t>(offsets.back()) != num_replicas) {
    refuse("expert_offsets must begin with 0 and end with the number of expert_ranks");
  }
  for (size_t e = 0; e + 1 < offsets.size(); ++e) {
    if (offsets[e + 1] <= offsets[e]) {
      refuse(name_of(static_cast<int>(e)) + " has no rank: expert_offsets must ascend");
    }
  }
}

void check_shares(int expert, std::span<const double> shares) {
  for (const double share : shares) {
    if (!(share >= 0) || !std::isfinite(share)) {
      refuse("a share of " + name_of(expert) + " is " + std::to_string(share) + ", must be 0 or more and finite");
    }
  }
  if (!shares.empty() && std::all_of(shares.begin(), shares.end(), [](double share) { return share == 0; })) {
    refuse("the shares of " + name_of(expert) + " are all 0");
  }
}

}  // namespace

ExpertMap ExpertMap::blocks(int num_experts, int num_ranks) {
  std::vector<int> offsets(static_cast<size_t>(num_experts) + 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  std::vector<int> ranks;
  const int most = num_experts / num_ranks + 1;
  const int larger = num_experts % num_ranks;  // ranks with `most`
  for (int e = 0; e < num_experts; ++e) {
    ranks.push_back(e < larger * most ? e / most : larger + (e - larger * most) / (most - 1));
  }
  return {offsets, ranks, {}, num_ranks};
}

ExpertMap::ExpertMap(std::span<const int> offsets, std::span<const int> ranks, std::span<const double> shares,
                     int num_ranks)
    : offsets_(offsets.begin(), offsets.end()),
      ranks_(ranks.begin(), ranks.end()),
      shares_(shares.begin(), shares.end()),
      local_(static_cast<size_t>(num_ranks)) {
  check_offsets(offsets_, ranks_.size());
  if (!shares_.empty() && shares_.size() != ranks_.size()) {
    refuse("replica_shares has " + std::to_string(shares_.size()) + " entries, expert_ranks " +
           std::to_string(ranks_.size()));
  }
  for (int expert = 0; expert < num_experts(); ++expert) {
    check_shares(expert, this->shares(expert));
    for (const int rank : replicas(expert)) {
      if (rank < 0 || rank >= num_ranks) {
        refuse("expert_ranks puts " + name_of(expert) + " on rank " + std::to_string(rank) + " of " +
               std::to_string(num_ranks));
      }
      auto& local = local_[static_cast<size_t>(rank)];
      if (!local.empty() && local.back() == expert) {
        refuse("expert_ranks puts " + name_of(expert) + " on rank " + std::to_string(rank) + " twice");
      }
      local_index_.push_back(static_cast<int>(local.size()));
      local.push_back(expert);
    }
  }
}

std::span<const double> ExpertMap::shares(int expert) const {
  if (shares_.empty()) {
    return {};
  }
  return std::span(shares_).subspan(static_cast<size_t>(offsets_[static_cast<size_t>(expert)]),
                                    replicas(expert).size());
}

int ExpertMap::most_local() const noexcept {
  size_t most = 0;
  for (const auto& local : local_) {
    most = std::max(most, local.size());
  }
  return static_cast<int>(most);
}

std::string ExpertMap::describe(int first, int end) const {
  constexpr size_t kLong = 80;
  std::string list;
  uint64_t digest = 0;
  for (int expert = first; expert < end; ++expert) {
    const auto ranks = replicas(expert);
    digest = gate::mixed(digest ^ ranks.size());
    for (const int rank : ranks) {
      digest = gate::mixed(digest ^ static_cast<uint64_t>(rank));
    }
    if (list.size() < kLong) {
      list += fmt::format("{}{}", expert == first ? "" : ", ", fmt::join(ranks, " "));
    }
  }
  return list.size() < kLong ? list : fmt::format("digest {:016x}", digest);
}

}  // namespace banyan::moe
