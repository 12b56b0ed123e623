// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/slices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include "base/error.hpp"
#include "comm/agree.hpp"
#include "moe/exchange/metadata.hpp"
#include "moe/gate/random.hpp"

namespace banyan::moe {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

size_t rounded_up(size_t number, size_t parts) { return (number + parts - 1) / parts; }

/// As Routing's: own rank, own host, own rack, others.
int distance(const planner::Hosts& hosts, int a, int b) {
  if (a == b) {
    return 0;
  }
  if (hosts.host_of(a) == hosts.host_of(b)) {
    return 1;
  }
  return hosts.rack_of(a) == hosts.rack_of(b) ? 2 : 3;
}

/// Of what duplicates must have alike.
uint64_t digest_of(const GateOutput& gate, size_t num_tokens, size_t top_k) {
  uint64_t digest = gate::mixed(num_tokens);
  for (size_t at = 0; at < num_tokens * top_k; ++at) {
    digest = gate::mixed(digest ^ static_cast<uint64_t>(gate.topk_idx[at]));
    digest = gate.topk_weights == nullptr
                 ? digest
                 : gate::mixed(digest ^ std::bit_cast<uint32_t>(gate.topk_weights[at]) ^ (uint64_t{1} << 63U));
  }
  return digest;
}

}  // namespace

Slices::Slices(coll::Engine& engine, const GroupTerms& terms, const DuplicateTerms& duplicates)
    : colours_(duplicates.colours.begin(), duplicates.colours.end()),
      sharded_(duplicates.sharded_experts),
      whole_(terms) {
  comm::Communicator& comm = engine.communicator();
  comm.check_usable();
  const Deadline deadline = Deadline::in(terms.timeout_s > 0 ? terms.timeout_s : comm.settings().timeout_s);
  const planner::Hosts hosts(comm.tree());
  static_cast<void>(comm::exchange_or_fail(comm.bootstrap(), deadline, [&] {
    check(terms, static_cast<size_t>(comm.size()));
    members_ = members_of(comm.rank());
    place_ = static_cast<size_t>(std::find(members_.begin(), members_.end(), comm.rank()) - members_.begin());
    if (sharded_) {
      choose_parts(terms, hosts, comm.rank());
    }
    return std::string();
  }));
  comm::require_equal(comm.bootstrap(), deadline,
                      {{"duplicates", describe()},
                       {"sharded_experts", std::to_string(static_cast<int>(sharded_))},
                       {"max_tokens", any() ? std::to_string(terms.routing.max_tokens) : ""}});
}

void Slices::check(const GroupTerms& terms, size_t num_ranks) const {
  if (!terms.problem.empty()) {
    refuse(terms.problem);
  }
  if (any() && colours_.size() != num_ranks) {
    refuse("duplicates has " + std::to_string(colours_.size()) + " numbers, must have one for each of " +
           std::to_string(num_ranks) + " ranks");
  }
  if (sharded_ && !any()) {
    refuse("sharded_experts needs duplicates");
  }
  if (any()) {  // before the group checks those of slices
    check_terms(terms, num_ranks);
  }
  if (sharded_ && (terms.layout != LayoutKind::kExpertMajor || terms.routing.scope == CapacityScope::kGlobal)) {
    refuse("sharded_experts needs layout EXPERT_MAJOR and a capacity_scope PER_RANK");
  }
  const size_t slice = slice_of(terms.routing.max_tokens);
  if (any() && terms.routing.scope == CapacityScope::kPerRank && terms.routing.capacity > slice) {
    refuse("capacity is " + std::to_string(terms.routing.capacity) + ", more than the " + std::to_string(slice) +
           " tokens that a duplicate sends of max_tokens " + std::to_string(terms.routing.max_tokens));
  }
}

/// One replica for each colour that has the expert: of the member at this rank's place, or the one before it where
/// that colour has fewer.
void Slices::choose_parts(const GroupTerms& terms, const planner::Hosts& hosts, int rank) {
  const ExpertMap map =
      terms.expert_offsets.empty()
          ? ExpertMap::blocks(std::max(1, terms.num_experts), hosts.num_ranks())
          : ExpertMap(terms.expert_offsets, terms.expert_ranks, terms.replica_shares, hosts.num_ranks());
  std::map<int, std::vector<int>> by_colour;
  for (int other = 0; other < hosts.num_ranks(); ++other) {
    auto& members = by_colour[colours_[static_cast<size_t>(other)]];
    members.push_back(other);
    if (map.experts_of(other) != map.experts_of(members.front())) {
      refuse("sharded_experts: rank " + std::to_string(other) + " has other experts than its duplicate, rank " +
             std::to_string(members.front()));
    }
  }
  shares_.clear();
  for (int expert = 0; expert < map.num_experts(); ++expert) {
    const auto replicas = map.replicas(expert);
    const auto wished = map.shares(expert);
    std::vector<double> shares(replicas.size());
    int nearest = std::numeric_limits<int>::max();
    for (const int replica : replicas) {
      nearest = std::min(nearest, distance(hosts, rank, replica));
    }
    for (auto& [colour, members] : by_colour) {
      const int chosen = members[place_ * members.size() / members_.size()];
      double share = 0;
      for (size_t n = 0; n < replicas.size(); ++n) {
        if (colours_[static_cast<size_t>(replicas[n])] == colour) {
          const double near = distance(hosts, rank, replicas[n]) == nearest ? 1 : 0;
          share = wished.empty() ? std::max(share, near) : share + wished[n];
        }
      }
      const auto at = std::find(replicas.begin(), replicas.end(), chosen);
      if (at != replicas.end()) {
        shares[static_cast<size_t>(at - replicas.begin())] = share;
      }
    }
    shares_.insert(shares_.end(), shares.begin(), shares.end());
  }
}

std::vector<int> Slices::members_of(int rank) const {
  std::vector<int> members;
  for (size_t other = 0; other < colours_.size(); ++other) {
    if (colours_[other] == colours_[static_cast<size_t>(rank)]) {
      members.push_back(static_cast<int>(other));
    }
  }
  return members.empty() ? std::vector{rank} : members;
}

/// The most tokens that a rank sends.
size_t Slices::slice_of(size_t num_tokens) const {
  std::map<int, size_t> sizes;
  for (const int colour : colours_) {
    ++sizes[colour];
  }
  size_t fewest = std::max<size_t>(1, colours_.size());
  for (const auto& [colour, size] : sizes) {
    fewest = std::min(fewest, size);
  }
  return any() ? rounded_up(num_tokens, fewest) : num_tokens;
}

std::string Slices::describe() const {
  constexpr size_t kMostListed = 64;
  if (!any()) {
    return "none";
  }
  if (colours_.size() <= kMostListed) {
    return fmt::format("{}", fmt::join(colours_, " "));
  }
  uint64_t digest = colours_.size();
  for (const int colour : colours_) {
    digest = gate::mixed(digest ^ static_cast<uint64_t>(static_cast<int64_t>(colour)));
  }
  return fmt::format("digest {:016x}", digest);
}

GroupTerms Slices::terms() const {
  GroupTerms terms = whole_;
  terms.routing.max_tokens = slice_of(whole_.routing.max_tokens);
  if (sharded_) {
    terms.replica_shares = shares_;
  }
  return terms;
}

Slices::Cut Slices::cut(size_t num_tokens, size_t chunk) const {
  const size_t slice = rounded_up(num_tokens, members_.size());
  const size_t begin = chunk_start(slice, chunk, whole_.num_chunks);
  const size_t end = chunk_start(slice, chunk + 1, whole_.num_chunks);
  Cut cut;
  cut.first = std::min(num_tokens, begin * members_.size());
  cut.count = std::min(num_tokens, end * members_.size()) - cut.first;
  cut.length = end - begin;
  return cut;
}

Slices::Part Slices::part_of(const GateOutput& gate) const {
  Part part;
  part.slice.colours = colours_;
  part.slice.known = check_whole(gate, whole_.routing);
  if (part.slice.known.kind != Problem::Kind::kNone) {
    return part;
  }
  const auto top_k = static_cast<size_t>(whole_.routing.top_k);
  part.num_tokens = std::min(gate.num_tokens, whole_.routing.max_tokens);
  part.slice.num_left_out = place_ == 0 ? (gate.num_tokens - part.num_tokens) * top_k : 0;
  part.slice.digest = digest_of(gate, part.num_tokens, top_k);
  part.weighted = gate.topk_weights != nullptr;
  for (size_t chunk = 0; chunk < whole_.num_chunks; ++chunk) {
    const Cut run = cut(part.num_tokens, chunk);
    const size_t first = run.first_of(place_);
    for (size_t token = first; token < first + run.length; ++token) {
      const bool exists = token < first + run.count_of(place_);
      part.numbers.push_back(token);
      part.slice.num_tokens += exists ? 1 : 0;
      for (size_t at = token * top_k; at < (token + 1) * top_k; ++at) {
        part.topk_idx.push_back(exists ? gate.topk_idx[at] : -1);
        if (part.weighted) {
          part.topk_weights.push_back(exists ? gate.topk_weights[at] : 0);
        }
      }
    }
  }
  part.slice.numbers = part.numbers;
  return part;
}

}  // namespace banyan::moe
