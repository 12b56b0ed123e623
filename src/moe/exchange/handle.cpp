// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/handle.hpp"

#include <numeric>

#include "base/error.hpp"

namespace banyan::moe {

Handle::Handle(Group& group, const GateOutput& gate) : group_(group) {
  group.collectively([&] { make(gate); });
}

void Handle::make(const GateOutput& gate) {
  Problem problem;
  routing_ = make_routing(gate, group_.routing_rules(), group_.map(), group_.hosts(), group_.rank(), &problem);
  const auto num_ranks = static_cast<size_t>(group_.size());
  std::vector<size_t> bytes(num_ranks);
  const bool weighted = gate.topk_weights != nullptr;
  std::vector<std::byte> data;
  if (problem.kind == Problem::Kind::kNone) {
    data = write_metadata(group_.ladder(), group_.metadata_rules(), routing_, group_.rank(), weighted, bytes);
  }
  const auto headers = exchange_headers(problem, bytes, weighted);
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    if (headers[rank].problem.kind != Problem::Kind::kNone) {
      throw Error(
          BANYAN_ERR_INVALID_ARGUMENT,
          headers[rank].problem.text(static_cast<int>(rank), group_.routing_rules(), group_.map().num_experts()));
    }
    all_dropped_ += headers[rank].num_dropped;
    all_invalid_ += headers[rank].num_invalid;
  }
  const auto pairs = exchange_metadata(headers, data, bytes);
  for (size_t chunk = 0; chunk < group_.metadata_rules().num_chunks; ++chunk) {
    add_chunk(pairs, chunk);
  }
}

std::vector<Handle::Header> Handle::exchange_headers(const Problem& problem, const std::vector<size_t>& bytes,
                                                     bool weighted) {
  std::vector<Header> out, in(bytes.size());
  for (const size_t size : bytes) {
    out.push_back({.problem = problem,
                   .num_dropped = routing_.num_dropped,
                   .num_invalid = routing_.num_invalid,
                   .metadata_bytes = size,
                   .weighted = weighted ? 1U : 0U});
  }
  group_.world().alltoall(out.data(), in.data(), sizeof(Header), group_.options());
  return in;
}

std::vector<PairRows> Handle::exchange_metadata(const std::vector<Header>& headers, const std::vector<std::byte>& data,
                                                const std::vector<size_t>& bytes) {
  std::vector<size_t> send_offsets(bytes.size()), recv_bytes(bytes.size()), recv_offsets(bytes.size());
  size_t end = 0;
  for (size_t rank = 0; rank < bytes.size(); ++rank) {
    recv_bytes[rank] = headers[rank].metadata_bytes;
    recv_offsets[rank] = end;
    end += recv_bytes[rank];
  }
  std::exclusive_scan(bytes.begin(), bytes.end(), send_offsets.begin(), size_t{0});
  std::vector<std::byte> in(end);
  group_.world().alltoallv(data.data(), in.data(), {bytes, send_offsets, recv_bytes, recv_offsets}, group_.options());
  std::vector<PairRows> pairs;
  for (size_t rank = 0; rank < bytes.size(); ++rank) {
    pairs.push_back(read_metadata(group_.ladder(), group_.metadata_rules(), static_cast<int>(rank), group_.rank(),
                                  headers[rank].weighted != 0,
                                  std::span(in).subspan(recv_offsets[rank], recv_bytes[rank])));
  }
  return pairs;
}

void Handle::add_chunk(const std::vector<PairRows>& pairs, size_t chunk) {
  Chunk& made = chunks_.emplace_back();
  made.plan = make_row_plan({.ladder = group_.ladder(),
                             .rules = group_.metadata_rules(),
                             .routing = routing_,
                             .pairs = pairs,
                             .rank = group_.rank()},
                            chunk);
  const Arrivals& arrivals = made.plan.arrivals;
  made.layout = make_layout(group_.layout_rules(), arrivals);
  made.picks_from.assign(pairs.size(), 0);
  made.picks_to.assign(pairs.size(), 0);
  for (size_t row = 0; row < arrivals.rows(); ++row) {
    made.picks_from[arrivals.source[row]] += arrivals.pick_begin[row + 1] - arrivals.pick_begin[row];
  }
  for (size_t token = 0; token < made.plan.num_tokens; ++token) {
    for (const Pick& pick : routing_.of(made.plan.first_token + token)) {
      ++made.picks_to[static_cast<size_t>(pick.rank)];
    }
  }
  lay_out_gradients(made);
}

/// Rows of a source come from one rank, in order, so its picks are a run.
void Handle::lay_out_gradients(Chunk& chunk) const {
  const Arrivals& arrivals = chunk.plan.arrivals;
  std::vector<size_t> next(chunk.picks_from.size());
  std::exclusive_scan(chunk.picks_from.begin(), chunk.picks_from.end(), next.begin(), size_t{0});
  chunk.grad_sends.resize(arrivals.local_experts.size());
  for (size_t row = 0; row < arrivals.rows(); ++row) {
    for (uint32_t pick = arrivals.pick_begin[row]; pick < arrivals.pick_begin[row + 1]; ++pick) {
      chunk.grad_sends[next[arrivals.source[row]]++] = pick;
    }
  }
  if (group_.metadata_rules().dedup != Dedup::kNone) {
    return;
  }
  std::exclusive_scan(chunk.picks_to.begin(), chunk.picks_to.end(), next.begin(), size_t{0});
  chunk.sent_weights.resize(chunk.plan.hops[0].send_list.size());
  for (size_t token = 0; token < chunk.plan.num_tokens; ++token) {
    for (const Pick& pick : routing_.of(chunk.plan.first_token + token)) {
      chunk.sent_weights[next[static_cast<size_t>(pick.rank)]++] = pick.weight;
    }
  }
}

size_t Handle::wire_rows(const Chunk& chunk) const {
  size_t rows = 0;
  for (const Hop& hop : chunk.plan.hops) {
    rows += rows_to_other_hosts(hop.send_rows);
  }
  return rows;
}

size_t Handle::logical_rows(const Chunk& chunk) const { return rows_to_other_hosts(chunk.picks_to); }

size_t Handle::rows_to_other_hosts(const std::vector<size_t>& rows) const {
  const planner::Hosts& hosts = group_.hosts();
  size_t sum = 0;
  for (size_t rank = 0; rank < rows.size(); ++rank) {
    sum += hosts.host_of(static_cast<int>(rank)) != hosts.host_of(group_.rank()) ? rows[rank] : 0;
  }
  return sum;
}

}  // namespace banyan::moe
