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

/// Pieces of metadata that follow each other.
struct Pieces {
  size_t begin = 0;
  size_t end = 0;
};

size_t rows_of(const std::vector<uint32_t>& piece_begin, const Pieces& pieces) {
  return piece_begin[pieces.end] - piece_begin[pieces.begin];
}

/// Rows of a source that this rank gets at a rung.
size_t rows_at(const PlanInput& input, size_t rung, size_t source, const Pieces& pieces) {
  const PairRows& pair = input.pairs[source];
  return rows_of(rung + 1 < input.ladder.height() ? pair.held[rung].piece_begin : pair.piece_begin, pieces);
}

/// The first hop's lists: tokens of this source.
Lists list_tokens(const PlanInput& input, size_t first_token, size_t num_tokens) {
  const auto num_ranks = static_cast<size_t>(input.ladder.hosts().num_ranks());
  Lists lists(num_ranks);
  std::vector<size_t> last_token(num_ranks, SIZE_MAX);
  for (size_t token = 0; token < num_tokens; ++token) {
    for (const Pick& pick : input.routing.of(first_token + token)) {
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
Lists list_held(const PlanInput& input, size_t rung, const Holding& held, const Pieces& pieces) {
  const Ladder& ladder = input.ladder;
  Lists lists(input.pairs.size());
  const size_t bytes = mask_bytes(ladder, rung - 1, input.rank);
  const auto& children = ladder.children(rung - 1, input.rank);
  std::vector<int> holders(children.size());
  for (size_t source = 0; source < input.pairs.size(); ++source) {
    const auto& rows = input.pairs[source].held[rung - 1];
    const size_t count = rows_of(rows.piece_begin, pieces);
    for (size_t child = 0; child < children.size() && count > 0; ++child) {
      holders[child] = ladder.holder(rung, static_cast<int>(source), children[child]);
    }
    for (size_t row = 0; row < count; ++row) {
      const uint8_t* mask = rows.masks.data() + (rows.piece_begin[pieces.begin] + row) * bytes;
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
void for_arrivals(const PlanInput& input, size_t rung, const Pieces& pieces, Visit visit) {
  const size_t num_ranks = input.pairs.size();
  std::vector<std::vector<size_t>> sources(num_ranks);  // by rank that hands over
  for (size_t source = 0; source < num_ranks; ++source) {
    if (rows_at(input, rung, source, pieces) > 0) {
      const int from = input.ladder.previous(rung, static_cast<int>(source), input.rank);
      sources[static_cast<size_t>(from)].push_back(source);
    }
  }
  for (size_t from = 0; from < num_ranks; ++from) {
    for (const size_t source : sources[from]) {
      visit(from, source, rows_at(input, rung, source, pieces));
    }
  }
}

/// `first`: piece that the chunk begins with.
void take_arrivals(const PairRows& pair, size_t source, size_t first, const Pieces& pieces, Arrivals& arrivals) {
  for (uint32_t row = pair.piece_begin[pieces.begin]; row < pair.piece_begin[pieces.end]; ++row) {
    arrivals.source.push_back(static_cast<uint32_t>(source));
    arrivals.number.push_back(row - pair.piece_begin[first]);
    for (uint32_t pick = pair.pick_begin[row]; pick < pair.pick_begin[row + 1]; ++pick) {
      arrivals.local_experts.push_back(pair.local_experts[pick]);
      arrivals.weights.push_back(pair.weights[pick]);
    }
    arrivals.pick_begin.push_back(static_cast<uint32_t>(arrivals.local_experts.size()));
  }
}

/// By rank, then token, then slot, as a row for each choice is sent.
std::vector<float> weights_as_sent(const PlanInput& input, size_t first_token, const Part& part) {
  std::vector<size_t> next(input.pairs.size());
  const auto& rows = part.hops[0].send_rows;
  std::exclusive_scan(rows.begin(), rows.end(), next.begin(), size_t{0});
  std::vector<float> weights(part.hops[0].send_list.size());
  for (size_t token = 0; token < part.num_tokens; ++token) {
    for (const Pick& pick : input.routing.of(first_token + token)) {
      weights[next[static_cast<size_t>(pick.rank)]++] = pick.weight;
    }
  }
  return weights;
}

/// Appends a part, and what it brings to the arrivals.
void add_part(const PlanInput& input, size_t first_piece, const Pieces& pieces, RowPlan& plan) {
  const size_t all = input.routing.num_tokens();
  const size_t first_token = chunk_start(all, pieces.begin, input.rules.num_pieces());
  Part& part = plan.parts.emplace_back();
  part.first_token = first_token - plan.first_token;
  part.num_tokens = chunk_start(all, pieces.end, input.rules.num_pieces()) - first_token;
  part.first_arrival = plan.arrivals.rows();
  Holding held;
  held.rows = part.num_tokens;
  for (size_t rung = 0; rung < input.ladder.height(); ++rung) {
    Hop& hop = part.hops.emplace_back();
    const Lists lists =
        rung == 0 ? list_tokens(input, first_token, part.num_tokens) : list_held(input, rung, held, pieces);
    lay_out_returns(input.ladder.hosts(), lists, held.rows, hop);
    for (const auto& list : lists) {
      hop.send_rows.push_back(list.size());
    }
    hop.recv_rows.assign(lists.size(), 0);
    held.rows = 0;
    held.start.assign(lists.size(), 0);
    for_arrivals(input, rung, pieces, [&](size_t from, size_t source, size_t rows) {
      hop.recv_rows[from] += rows;
      held.start[source] = held.rows;
      held.rows += rows;
      if (rung + 1 == input.ladder.height()) {
        take_arrivals(input.pairs[source], source, first_piece, pieces, plan.arrivals);
      }
    });
  }
  part.num_arrivals = plan.arrivals.rows() - part.first_arrival;
  if (input.rules.dedup == Dedup::kNone) {
    part.sent_weights = weights_as_sent(input, first_token, part);
  }
}

}  // namespace

RowPlan make_row_plan(const PlanInput& input, size_t chunk, size_t num_parts) {
  RowPlan plan;
  const size_t all = input.routing.num_tokens();
  plan.first_token = chunk_start(all, chunk, input.rules.num_chunks);
  plan.num_tokens = chunk_start(all, chunk + 1, input.rules.num_chunks) - plan.first_token;
  plan.arrivals.pick_begin.push_back(0);
  const size_t first_piece = chunk * input.rules.most_parts;
  const size_t pieces = input.rules.most_parts / num_parts;
  for (size_t part = 0; part < num_parts; ++part) {
    const size_t begin = first_piece + part * pieces;
    add_part(input, first_piece, {.begin = begin, .end = begin + pieces}, plan);
  }
  return plan;
}

}  // namespace banyan::moe
