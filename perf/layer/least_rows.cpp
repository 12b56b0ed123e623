// SPDX-License-Identifier: Apache-2.0
#include "layer/least_rows.hpp"

#include <algorithm>

#include "common/statistics.hpp"
#include "layer/dealer.hpp"
#include "layer/gate.hpp"

namespace banyan::perf {
namespace {

/// Calls use(source, ranks): for each token of the layer its rank and those of its choices, by slot.
template <typename Use>
void for_tokens(const Layer& layer, const std::vector<int>& host_of, Use use) {
  const auto top_k = static_cast<size_t>(layer.top_k);
  std::vector<int> ranks(top_k);
  for (int source = 0; source < layer.num_ranks; ++source) {
    const GateOutput gate = gate_of(layer, source);
    Dealer dealer(layer.where, host_of, source);
    for (size_t at = 0; at < gate.topk_idx.size(); at += top_k) {
      for (size_t slot = 0; slot < top_k; ++slot) {
        ranks[slot] = dealer.next(gate.topk_idx[at + slot]).rank;
      }
      use(source, ranks);
    }
  }
}

/// Which groups a rank is in, and what crosses their links.
class Crossings {
 public:
  Crossings(const std::vector<RankGroup>& groups, int num_ranks)
      : groups_(groups), out_(groups.size()), in_(groups.size()), inside_(groups.size()) {
    for (size_t g = 0; g < groups.size(); ++g) {
      inside_[g].resize(static_cast<size_t>(num_ranks));
      for (const int rank : groups[g].ranks) {
        inside_[g][static_cast<size_t>(rank)] = 1;
      }
    }
  }

  void add(int source, const std::vector<int>& ranks) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      const auto is_inside = [&](int rank) { return inside_[g][static_cast<size_t>(rank)] != 0; };
      const auto num_inside = std::count_if(ranks.begin(), ranks.end(), is_inside);
      if (is_inside(source)) {
        out_[g] += num_inside < static_cast<std::ptrdiff_t>(ranks.size()) ? 1 : 0;
      } else {
        in_[g] += num_inside > 0 ? 1 : 0;
      }
    }
  }

  /// Combine swaps the two directions.
  [[nodiscard]] double least_s(double row_bytes, bool swapped) const {
    double least = 0;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const auto& out = swapped ? in_ : out_;
      const auto& in = swapped ? out_ : in_;
      least = std::max({least, ratio(row_bytes * static_cast<double>(out[g]), groups_[g].egress_bytes_per_s),
                        ratio(row_bytes * static_cast<double>(in[g]), groups_[g].ingress_bytes_per_s)});
    }
    return least;
  }

 private:
  const std::vector<RankGroup>& groups_;
  std::vector<uint64_t> out_, in_;
  std::vector<std::vector<char>> inside_;
};

/// Rows over the rates of all hosts together; 0 where one has no limit.
double all_hosts_s(double bytes, const std::vector<RankGroup>& groups, int num_ranks) {
  double rate = 0;
  size_t seen = 0;
  for (const RankGroup& group : groups) {
    if (seen == static_cast<size_t>(num_ranks)) {
      break;  // leaf switches follow
    }
    if (group.egress_bytes_per_s <= 0 || group.ingress_bytes_per_s <= 0) {
      return 0;
    }
    rate += std::min(group.egress_bytes_per_s, group.ingress_bytes_per_s);
    seen += group.ranks.size();
  }
  return ratio(bytes, rate);
}

}  // namespace

LayerRows rows_of(const Layer& layer, const std::vector<int>& host_of) {
  LayerRows rows;
  std::vector<int> hosts;
  for_tokens(layer, host_of, [&](int source, const std::vector<int>& ranks) {
    const int own = host_of[static_cast<size_t>(source)];
    hosts.clear();
    for (const int rank : ranks) {
      const int host = host_of[static_cast<size_t>(rank)];
      if (host != own) {
        hosts.push_back(host);
      }
    }
    rows.choices += ranks.size();
    rows.inter_host_choices += hosts.size();
    std::sort(hosts.begin(), hosts.end());
    rows.inter_host_rows += static_cast<uint64_t>(std::unique(hosts.begin(), hosts.end()) - hosts.begin());
  });
  return rows;
}

LayerBound bound_of(const Layer& layer, const std::vector<int>& host_of, const std::vector<RankGroup>& groups) {
  if (groups.empty()) {
    return {};
  }
  Crossings crossings(groups, layer.num_ranks);
  for_tokens(layer, host_of, [&](int source, const std::vector<int>& ranks) { crossings.add(source, ranks); });
  const auto row_bytes = static_cast<double>(layer.row_bytes());
  const auto rows = static_cast<double>(rows_of(layer, host_of).inter_host_rows);
  const double all_s = all_hosts_s(rows * row_bytes, groups, layer.num_ranks);
  return {std::max(all_s, crossings.least_s(row_bytes, false)), std::max(all_s, crossings.least_s(row_bytes, true))};
}

}  // namespace banyan::perf
