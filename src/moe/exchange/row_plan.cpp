// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/row_plan.hpp"

#include <algorithm>
#include <numeric>

namespace banyan::moe {
namespace {

using Lists = std::vector<std::vector<uint32_t>>;  ///< rows to send, by rank

/// Which rows each source has where, in what a rank holds at a rung.
struct Holding {
  size_t rows = 0;
  std::vector<size_t> start;  ///< by source
};

size_t rows_of(const std::vector<uint32_t>& chunk_begin, size_t chunk) {
  return chunk_begin[chunk + 1] - chunk_begin[chunk];
}

/// Rows of a source that this rank gets at a rung.
size_t rows_at(const PlanInput& input, size_t rung, size_t source, size_t chunk) {
  const PairRows& pair = input.pairs[source];
  return rows_of(rung + 1 < input.ladder.height() ? pair.held[rung].chunk_begin : pair.chunk_begin, chunk);
}

/// The first hop's lists: tokens of this source.
Lists list_tokens(const PlanInput& input, const RowPlan& plan) {
  const auto num_ranks = static_cast<size_t>(input.ladder.hosts().num_ranks());
  Lists lists(num_ranks);
  std::vector<size_t> last_token(num_ranks, SIZE_MAX);
  for (size_t token = 0; token < plan.num_tokens; ++token) {
    for (const Pick& pick : input.routing.of(plan.first_token + token)) {
      const auto holder = static_cast<size_t>(input.ladder.holder(0, input.rank, pick.rank));
      if (last_token[holder] != token || input.rules.dedup == Dedup::kNone) {
        lists[holder].push_back(static_cast<uint32_t>(token));
        last_token[holder] = token;
      }
    }
  }
  return lists;
}

/// A later hop's lists: rows held at the rung before, to those of its children that want them.
Lists list_held(const PlanInput& input, size_t rung, const Holding& held, size_t chunk) {
  const Ladder& ladder = input.ladder;
  Lists lists(input.pairs.size());
  const size_t bytes = mask_bytes(ladder, rung - 1, input.rank);
  const auto& children = ladder.children(rung - 1, input.rank);
  std::vector<int> holders(children.size());
  for (size_t source = 0; source < input.pairs.size(); ++source) {
    const auto& rows = input.pairs[source].held[rung - 1];
    const size_t count = rows_of(rows.chunk_begin, chunk);
    for (size_t child = 0; child < children.size() && count > 0; ++child) {
      holders[child] = ladder.holder(rung, static_cast<int>(source), children[child]);
    }
    for (size_t row = 0; row < count; ++row) {
      const uint8_t* mask = rows.masks.data() + (rows.chunk_begin[chunk] + row) * bytes;
      for (size_t child = 0; child < children.size(); ++child) {
        if (in_mask(mask, child)) {
          lists[static_cast<size_t>(holders[child])].push_back(static_cast<uint32_t>(held.start[source] + row));
        }
      }
    }
  }
  return lists;
}

/// Ranks in the order in which what they return is summed.
std::vector<int> canonical_order(const planner::Hosts& hosts) {
  std::vector<int> order(static_cast<size_t>(hosts.num_ranks()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return std::pair(hosts.rack_of(a), hosts.host_of(a)) < std::pair(hosts.rack_of(b), hosts.host_of(b));
  });
  return order;
}

uint8_t groups_that_end(const planner::Hosts& hosts, int rank, int next) {
  if (rank == next) {
    return 0;
  }
  if (hosts.host_of(rank) == hosts.host_of(next)) {
    return 1;
  }
  return hosts.rack_of(rank) == hosts.rack_of(next) ? 2 : 3;
}

/// Where rows come back, from what was sent.
void lay_out_returns(const planner::Hosts& hosts, const Lists& lists, size_t rows_before, Hop& hop) {
  std::vector<uint32_t> first(lists.size());  // place of a rank's rows in the list
  hop.back_begin.assign(rows_before + 1, 0);
  for (size_t rank = 0; rank < lists.size(); ++rank) {
    first[rank] = static_cast<uint32_t>(hop.send_list.size());
    hop.send_list.insert(hop.send_list.end(), lists[rank].begin(), lists[rank].end());
    for (const uint32_t row : lists[rank]) {
      ++hop.back_begin[row + 1];
    }
  }
  std::partial_sum(hop.back_begin.begin(), hop.back_begin.end(), hop.back_begin.begin());
  hop.back.resize(hop.send_list.size());
  std::vector<uint32_t> filled(hop.back_begin.begin(), hop.back_begin.end() - 1);
  std::vector<int> last(rows_before, -1);
  for (const int rank : canonical_order(hosts)) {
    const auto at = static_cast<size_t>(rank);
    for (size_t n = 0; n < lists[at].size(); ++n) {
      const uint32_t row = lists[at][n];
      if (last[row] >= 0) {
        hop.back[filled[row] - 1].ends = groups_that_end(hosts, last[row], rank);
      }
      last[row] = rank;
      hop.back[filled[row]++] = {.position = first[at] + static_cast<uint32_t>(n), .ends = 3};
    }
  }
}

/// What arrives at a rung: by the rank that it comes from, then by source.
template <typename Visit>
void for_arrivals(const PlanInput& input, size_t rung, size_t chunk, Visit visit) {
  const size_t num_ranks = input.pairs.size();
  std::vector<std::vector<size_t>> sources(num_ranks);  // by rank that hands over
  for (size_t source = 0; source < num_ranks; ++source) {
    if (rows_at(input, rung, source, chunk) > 0) {
      const int from = input.ladder.previous(rung, static_cast<int>(source), input.rank);
      sources[static_cast<size_t>(from)].push_back(source);
    }
  }
  for (size_t from = 0; from < num_ranks; ++from) {
    for (const size_t source : sources[from]) {
      visit(from, source, rows_at(input, rung, source, chunk));
    }
  }
}

void take_arrivals(const PairRows& pair, size_t source, size_t chunk, Arrivals& arrivals) {
  for (uint32_t row = pair.chunk_begin[chunk]; row < pair.chunk_begin[chunk + 1]; ++row) {
    arrivals.source.push_back(static_cast<uint32_t>(source));
    arrivals.number.push_back(row - pair.chunk_begin[chunk]);
    for (uint32_t pick = pair.pick_begin[row]; pick < pair.pick_begin[row + 1]; ++pick) {
      arrivals.local_experts.push_back(pair.local_experts[pick]);
      arrivals.weights.push_back(pair.weights[pick]);
    }
    arrivals.pick_begin.push_back(static_cast<uint32_t>(arrivals.local_experts.size()));
  }
}

}  // namespace

RowPlan make_row_plan(const PlanInput& input, size_t chunk) {
  RowPlan plan;
  const size_t all = input.routing.num_tokens();
  plan.first_token = chunk_start(all, chunk, input.rules.num_chunks);
  plan.num_tokens = chunk_start(all, chunk + 1, input.rules.num_chunks) - plan.first_token;
  plan.arrivals.pick_begin.push_back(0);
  Holding held;
  held.rows = plan.num_tokens;
  for (size_t rung = 0; rung < input.ladder.height(); ++rung) {
    Hop& hop = plan.hops.emplace_back();
    const Lists lists = rung == 0 ? list_tokens(input, plan) : list_held(input, rung, held, chunk);
    lay_out_returns(input.ladder.hosts(), lists, held.rows, hop);
    for (const auto& list : lists) {
      hop.send_rows.push_back(list.size());
    }
    hop.recv_rows.assign(lists.size(), 0);
    held.rows = 0;
    held.start.assign(lists.size(), 0);
    for_arrivals(input, rung, chunk, [&](size_t from, size_t source, size_t rows) {
      hop.recv_rows[from] += rows;
      held.start[source] = held.rows;
      held.rows += rows;
      if (rung + 1 == input.ladder.height()) {
        take_arrivals(input.pairs[source], source, chunk, plan.arrivals);
      }
    });
  }
  return plan;
}

}  // namespace banyan::moe
