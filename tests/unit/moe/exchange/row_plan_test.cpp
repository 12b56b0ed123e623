// SPDX-License-Identifier: Apache-2.0
// Plans of rows on random trees: every row reaches every rank that wants it, once, over no link twice, and both ends of
// a hop agree on what it carries.
#include "moe/exchange/row_plan.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>
#include <tuple>

#include "synthetic_step.hpp"

namespace banyan::moe {
namespace {

using testing::Step;

using Row = std::pair<size_t, size_t>;  ///< source, token

/// Moves (source, token) instead of data; complains where ends disagree. By rank, what each hop brought.
struct Moved {
  std::vector<std::vector<Row>> arrived;                 ///< by rank
  std::vector<std::tuple<size_t, size_t, Row>> crossed;  ///< from, to, row: every row of every hop
  std::string complaints;
};

/// One part.
void move(const Step& step, size_t chunk, size_t part, Moved& moved) {
  const size_t num_ranks = step.routings.size();
  std::vector<std::vector<Row>> held(num_ranks);
  const auto part_of = [&](size_t rank) -> const Part& { return step.plan(rank, chunk).parts[part]; };
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    for (size_t token = 0; token < part_of(rank).num_tokens; ++token) {
      held[rank].emplace_back(rank, step.plan(rank, chunk).first_token + part_of(rank).first_token + token);
    }
  }
  for (size_t rung = 0; rung < step.ladder.height(); ++rung) {
    std::vector<std::vector<Row>> next(num_ranks);
    for (size_t to = 0; to < num_ranks; ++to) {
      for (size_t from = 0; from < num_ranks; ++from) {
        const Hop& hop = part_of(from).hops[rung];
        const size_t before =
            std::accumulate(hop.send_rows.begin(), hop.send_rows.begin() + static_cast<long>(to), size_t{0});
        for (size_t n = 0; n < hop.send_rows[to]; ++n) {
          next[to].push_back(held[from].at(hop.send_list.at(before + n)));
          moved.crossed.emplace_back(from, to, next[to].back());
        }
        if (part_of(to).hops[rung].recv_rows[from] != hop.send_rows[to]) {
          moved.complaints +=
              "hop " + std::to_string(rung) + " from " + std::to_string(from) + " to " + std::to_string(to) + "\n";
        }
      }
    }
    held = std::move(next);
  }
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    auto& arrived = moved.arrived[rank];
    if (part_of(rank).first_arrival != arrived.size() || part_of(rank).num_arrivals != held[rank].size()) {
      moved.complaints += "arrivals of part " + std::to_string(part) + " at " + std::to_string(rank) + "\n";
    }
    arrived.insert(arrived.end(), held[rank].begin(), held[rank].end());
  }
}

Moved move(const Step& step, size_t chunk) {
  Moved moved;
  moved.arrived.resize(step.routings.size());
  for (size_t part = 0; part < step.plan(0, chunk).parts.size(); ++part) {
    move(step, chunk, part, moved);
  }
  return moved;
}

std::string random_machine() {
  std::string sizes, racks;
  int count = 0;
  const int num_racks = *rc::gen::inRange(1, 4);
  for (int rack = 0; rack < num_racks; ++rack) {
    const int num_hosts = *rc::gen::inRange(1, 4);
    racks += (rack > 0 ? "," : "") + std::to_string(num_hosts);
    for (int host = 0; host < num_hosts; ++host) {
      sizes += (count++ > 0 ? "," : "") + std::to_string(*rc::gen::inRange(1, 5));
    }
  }
  return std::to_string(count) + ":[" + sizes + "] nic=10gbit racks=[" + racks + "] uplink=10gbit";
}

Dedup random_dedup() { return *rc::gen::element(Dedup::kNone, Dedup::kRank, Dedup::kNode, Dedup::kTier); }

TEST(RowPlan, RandomMachinesAndRoutingsThenEachPickArrivesOnce) {
  EXPECT_TRUE(rc::check("arrivals are the picks", [] {
    const int num_experts = *rc::gen::inRange(1, 24);
    const int top_k = *rc::gen::inRange(1, std::min(num_experts, 8) + 1);
    const size_t num_chunks = *rc::gen::inRange<size_t>(1, 4);
    const size_t num_parts = *rc::gen::element<size_t>(1, 2, 4);
    const Step step(random_machine(), random_dedup(), num_experts, top_k, 10, *rc::gen::arbitrary<uint32_t>(),
                    num_chunks, num_parts * *rc::gen::element<size_t>(1, 2), num_parts);
    for (size_t chunk = 0; chunk < num_chunks; ++chunk) {
      const Moved moved = move(step, chunk);
      RC_ASSERT(moved.complaints == "");
      for (size_t rank = 0; rank < step.routings.size(); ++rank) {
        const Arrivals& arrivals = step.plan(rank, chunk).arrivals;
        RC_ASSERT(arrivals.rows() == moved.arrived[rank].size());
        std::multiset<std::tuple<size_t, size_t, int>> got, wanted;  // source, token, local expert
        for (size_t row = 0; row < arrivals.rows(); ++row) {
          const auto [source, token] = moved.arrived[rank][row];
          RC_ASSERT(arrivals.source[row] == source);
          for (uint32_t pick = arrivals.pick_begin[row]; pick < arrivals.pick_begin[row + 1]; ++pick) {
            got.emplace(source, token, arrivals.local_experts[pick]);
          }
        }
        std::vector<uint32_t> next(step.routings.size());  // RANK_MAJOR's slots
        for (size_t row = 0; row < arrivals.rows(); ++row) {
          RC_ASSERT(arrivals.number[row] == next[arrivals.source[row]]++);
        }
        for (size_t source = 0; source < step.routings.size(); ++source) {
          const RowPlan& plan = step.plan(source, chunk);
          for (size_t token = plan.first_token; token < plan.first_token + plan.num_tokens; ++token) {
            for (const Pick& pick : step.routings[source].of(token)) {
              if (pick.rank == static_cast<int>(rank)) {
                wanted.emplace(source, token, pick.local_expert);
              }
            }
          }
        }
        RC_ASSERT(got == wanted);
      }
    }
  }));
}

/// Rows of a token that enter other hosts and other racks, by definition of the dedup level.
struct Crossings {
  size_t hosts = 0;
  size_t racks = 0;
};

Crossings crossings_of(const Step& step, int source, std::span<const Pick> picks) {
  const bool by_host = step.rules.dedup == Dedup::kNode || step.rules.dedup == Dedup::kTier;
  const bool by_rack = step.rules.dedup == Dedup::kTier && step.hosts.num_racks() > 1;
  Crossings crossings;
  std::set<int> ranks, hosts, racks;
  for (const Pick& pick : picks) {
    const bool again = !ranks.insert(pick.rank).second && step.rules.dedup != Dedup::kNone;
    const bool new_host = hosts.insert(step.hosts.host_of(pick.rank)).second;
    const bool new_rack = racks.insert(step.hosts.rack_of(pick.rank)).second;
    const bool crosses_host = by_host ? new_host : !again;
    const bool crosses_rack = by_rack ? new_rack : crosses_host;
    crossings.hosts += crosses_host && step.hosts.host_of(pick.rank) != step.hosts.host_of(source) ? 1 : 0;
    crossings.racks += crosses_rack && step.hosts.rack_of(pick.rank) != step.hosts.rack_of(source) ? 1 : 0;
  }
  for (const int rack : by_rack ? racks : std::set<int>()) {  // its holder's host may not want the row itself
    const int holder = step.ladder.holder(0, source, step.hosts.rack_ranks(rack)[0]);
    crossings.hosts += rack != step.hosts.rack_of(source) && !hosts.contains(step.hosts.host_of(holder)) ? 1 : 0;
  }
  return crossings;
}

TEST(RowPlan, RandomMachinesThenRowsOverWiresAreThoseOfTheFormula) {
  EXPECT_TRUE(rc::check("rows enter a host, or rack, as often as the dedup level says", [] {
    const int num_experts = *rc::gen::inRange(1, 24);
    const int top_k = *rc::gen::inRange(1, std::min(num_experts, 8) + 1);
    const Step step(random_machine(), random_dedup(), num_experts, top_k, 10, *rc::gen::arbitrary<uint32_t>());
    Crossings got, wanted;
    for (const auto& [from, to, row] : move(step, 0).crossed) {
      const int a = static_cast<int>(from);
      const int b = static_cast<int>(to);
      got.hosts += step.hosts.host_of(a) != step.hosts.host_of(b) ? 1 : 0;
      got.racks += step.hosts.rack_of(a) != step.hosts.rack_of(b) ? 1 : 0;
    }
    for (size_t source = 0; source < step.routings.size(); ++source) {
      for (size_t token = 0; token < step.routings[source].num_tokens(); ++token) {
        const auto one = crossings_of(step, static_cast<int>(source), step.routings[source].of(token));
        wanted.hosts += one.hosts;
        wanted.racks += one.racks;
      }
    }
    RC_ASSERT(got.hosts == wanted.hosts);
    RC_ASSERT(got.racks == wanted.racks);
  }));
}

TEST(RowPlan, RandomMachinesThenReturnedRowsAreInCanonicalOrder) {
  EXPECT_TRUE(rc::check("parts of a row come back by rack, host and rank", [] {
    const Step step(random_machine(), random_dedup(), 16, 5, 6, *rc::gen::arbitrary<uint32_t>());
    for (size_t rank = 0; rank < step.routings.size(); ++rank) {
      for (const Hop& hop : step.plan(rank).parts[0].hops) {
        std::vector<int> peer;  // by place in the list
        for (size_t to = 0; to < hop.send_rows.size(); ++to) {
          peer.insert(peer.end(), hop.send_rows[to], static_cast<int>(to));
        }
        for (size_t row = 0; row + 1 < hop.back_begin.size(); ++row) {
          std::tuple<int, int, int> last(-1, -1, -1);
          for (uint32_t n = hop.back_begin[row]; n < hop.back_begin[row + 1]; ++n) {
            RC_ASSERT(hop.send_list[hop.back[n].position] == row);
            const int from = peer[hop.back[n].position];
            const std::tuple<int, int, int> place(step.hosts.rack_of(from), step.hosts.host_of(from), from);
            RC_ASSERT(last <= place);
            last = place;
          }
          if (hop.back_begin[row] < hop.back_begin[row + 1]) {
            RC_ASSERT(hop.back[hop.back_begin[row + 1] - 1].ends == 3);
          }
        }
      }
    }
  }));
}

}  // namespace
}  // namespace banyan::moe
