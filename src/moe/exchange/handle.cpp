// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/handle.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "moe/exchange/drop.hpp"
#include "moe/exchange/shared_capacity.hpp"
#include "moe/exchange/step_capacity.hpp"

namespace banyan::moe {

Handle::Handle(Group& group, const GateOutput& gate) : group_(group) {
  group.collectively([&] { make(gate); });
}

void Handle::make(const GateOutput& gate) {
  number_ = group_.count_routing();  // here, where it is known that all ranks come: BUSY is of one rank alone
  Header header;
  const RoutingRules& rules = group_.routing_rules();
  routing_ = make_routing(gate, rules, group_.map(), group_.hosts(), group_.rank(), &header.problem);
  header.num_dropped = routing_.num_dropped;
  header.num_invalid = routing_.num_invalid;
  header.num_tokens = gate.slice != nullptr ? gate.slice->num_tokens : routing_.num_tokens();
  header.digest = gate.slice != nullptr ? gate.slice->digest : 0;
  header.weighted = gate.topk_weights != nullptr ? 1 : 0;
  Metadata own = metadata(header.weighted != 0);
  const CapacityNeed need = capacity_need(rules, routing_, group_.map(), group_.metadata_rules().num_chunks);
  header.most_picks = need.most;
  std::vector<std::byte> note(group_.note_bytes());
  if (gate.note != nullptr) {
    std::copy_n(gate.note, note.size(), note.begin());
  }
  Announced all = announce(group_.world(), group_.options(),
                           {.header = header, .metadata_bytes = own.bytes, .counts = need.counts, .note = note});
  check(all.headers);
  if (gate.slice != nullptr) {
    check_duplicates(all.headers, gate.slice->colours);
  }
  notes_ = std::move(all.notes);
  capacity_ = step_capacity(rules, all, group_.map().num_experts());
  if (rules.drops_late()) {
    drop_beyond(all, own);
  }
  const auto pairs = exchange_metadata(all.headers, own);
  size_t most_tokens = 0;  // equal on all ranks, and with it the number of parts
  for (const Header& of_rank : all.headers) {
    most_tokens = std::max<size_t>(most_tokens, of_rank.num_tokens);
  }
  const size_t num_parts = std::min(group_.num_parts(most_tokens), group_.metadata_rules().most_parts);
  for (size_t chunk = 0; chunk < group_.metadata_rules().num_chunks; ++chunk) {
    add_chunk(pairs, chunk, num_parts);
  }
}

/// Of a gate's output that is wrong there are none.
Handle::Metadata Handle::metadata(bool weighted) const {
  Metadata own{{}, std::vector<size_t>(static_cast<size_t>(group_.size()))};
  if (!routing_.begin.empty()) {
    own.data = write_metadata(group_.ladder(), group_.metadata_rules(), routing_, group_.rank(), weighted, own.bytes);
  }
  return own;
}

void Handle::check(const std::vector<Header>& headers) {
  for (size_t rank = 0; rank < headers.size(); ++rank) {
    if (headers[rank].problem.kind != Problem::Kind::kNone) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  headers[rank].problem.text(static_cast<int>(rank), group_.map().num_experts()));
    }
    all_dropped_ += headers[rank].num_dropped;
    all_invalid_ += headers[rank].num_invalid;
  }
}

void Handle::check_duplicates(const std::vector<Header>& headers, std::span<const int> colours) const {
  std::map<int, size_t> first;
  for (size_t rank = 0; rank < headers.size(); ++rank) {
    const size_t other = first.emplace(colours[rank], rank).first->second;
    if (headers[rank].digest != headers[other].digest) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "rank " + std::to_string(rank) +
                                                   ": num_tokens, topk_idx or topk_weights differ from those of its "
                                                   "duplicate, rank " +
                                                   std::to_string(other));
    }
  }
}

/// Fewer picks make fewer metadata: they go where those of all picks were announced to be.
void Handle::drop_beyond(const Announced& all, Metadata& announced) {
  const RoutingRules& rules = group_.routing_rules();
  const PicksByReplica picks = order_picks(routing_, rules, group_.map(), group_.rank());
  all_dropped_ += count_beyond(all, rules.scope, capacity_);
  const auto kept = share_capacity(group_, routing_, picks, all, capacity_);
  routing_.num_dropped = keep_first(routing_, picks, kept);
  if (routing_.num_dropped == 0) {
    return;
  }
  const Metadata left = metadata(all.headers[static_cast<size_t>(group_.rank())].weighted != 0);
  auto from = left.data.begin();
  auto to = announced.data.begin();
  for (size_t rank = 0; rank < left.bytes.size(); ++rank) {
    BANYAN_CHECK(left.bytes[rank] <= announced.bytes[rank], "metadata grow");
    std::copy_n(from, left.bytes[rank], to);
    from += static_cast<std::ptrdiff_t>(left.bytes[rank]);
    to += static_cast<std::ptrdiff_t>(announced.bytes[rank]);
  }
}

std::vector<PairRows> Handle::exchange_metadata(const std::vector<Header>& headers, const Metadata& own) {
  const auto& bytes = own.bytes;
  std::vector<size_t> send_offsets(bytes.size()), recv_bytes(bytes.size()), recv_offsets(bytes.size());
  size_t end = 0;
  for (size_t rank = 0; rank < bytes.size(); ++rank) {
    recv_bytes[rank] = headers[rank].metadata_bytes;
    recv_offsets[rank] = end;
    end += recv_bytes[rank];
  }
  std::exclusive_scan(bytes.begin(), bytes.end(), send_offsets.begin(), size_t{0});
  std::vector<std::byte> in(end);
  group_.world().alltoallv(own.data.data(), in.data(), {bytes, send_offsets, recv_bytes, recv_offsets},
                           group_.options());
  std::vector<PairRows> pairs;
  for (size_t rank = 0; rank < bytes.size(); ++rank) {
    pairs.push_back(read_metadata(group_.ladder(), group_.metadata_rules(), static_cast<int>(rank), group_.rank(),
                                  headers[rank].weighted != 0,
                                  std::span(in).subspan(recv_offsets[rank], recv_bytes[rank])));
  }
  return pairs;
}

void Handle::add_chunk(const std::vector<PairRows>& pairs, size_t chunk, size_t num_parts) {
  Chunk& made = chunks_.emplace_back();
  made.routing = number_;
  made.index = chunk;
  made.plan = make_row_plan({.ladder = group_.ladder(),
                             .rules = group_.metadata_rules(),
                             .routing = routing_,
                             .pairs = pairs,
                             .rank = group_.rank()},
                            chunk, num_parts);
  const Arrivals& arrivals = made.plan.arrivals;
  LayoutRules layout = group_.layout_rules();
  layout.capacity = layout.kind == LayoutKind::kExpertMajor ? capacity_ : 0;
  made.layout = make_layout(layout, arrivals);
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
}

size_t Handle::wire_rows(const Chunk& chunk) const {
  size_t rows = 0;
  for (const Part& part : chunk.plan.parts) {
    for (const Hop& hop : part.hops) {
      rows += rows_to_other_hosts(hop.send_rows);
    }
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
