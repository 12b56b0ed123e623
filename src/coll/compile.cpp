// SPDX-License-Identifier: Apache-2.0
#include "coll/compile.hpp"

#include <string>
#include <vector>

#include "planner/algorithms/direct.hpp"

namespace banyan::coll {
namespace {

/// FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/, parameters as published there.
uint32_t fingerprint_of(const std::string& text) {
  uint32_t hash = 2166136261U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return hash;
}

/// Messages that tell the sizes of direct pairs carry blocks up to this size too: about a packet, cheap to copy.
constexpr size_t kBesideSizeBytes = 4096;

void append(std::vector<int>& to, const std::vector<int>& from) { to.insert(to.end(), from.begin(), from.end()); }

executor::CompileOptions options_of(const Place& place, const planner::Pace& pace) {
  executor::CompileOptions options;
  options.num_ranks = place.hosts.num_ranks();
  options.rule.ring_capacity = place.ring_capacity;
  options.chunk_bytes = pace.chunk_bytes;
  options.window = pace.window;
  options.window_bytes = pace.window_bytes;
  options.max_pieces = place.own_rail ? 1 : place.num_rails;
  options.place_step = place.own_rail ? 0 : 1;
  options.least_piece_bytes = pace.least_piece_bytes;
  const auto& hosts = place.hosts;
  for (int peer = 0; peer < options.num_ranks; ++peer) {
    const bool local = hosts.host_of(peer) == hosts.host_of(place.rank);
    options.send_phase.push_back(local ? -1 : planner::direct::phase(hosts, place.rank, peer));
    options.receive_phase.push_back(local ? -1 : planner::direct::phase(hosts, peer, place.rank));
    const auto first = [&](int from, int to) {
      return place.own_rail ? hosts.local_index(from) : planner::direct::first_place(hosts, from, to);
    };
    options.send_place.push_back(local ? 0 : first(place.rank, peer));
    options.receive_place.push_back(local ? 0 : first(peer, place.rank));
  }
  return options;
}

}  // namespace

std::shared_ptr<Planned> compile_uniform(const Place& place, const planner::Choice& choice, size_t block_bytes) {
  const std::string name = planner::algorithm_name(choice.chosen.algorithm);
  executor::CompileOptions options = options_of(place, choice.pace);
  options.rule.block_bytes = block_bytes;
  options.fingerprint = fingerprint_of("alltoall " + name + " " + std::to_string(block_bytes) + " " +
                                       std::to_string(options.chunk_bytes));
  const auto part = planner::build_part(place.hosts, place.rank, choice.chosen.algorithm, place.mapped,
                                        /*self_describing=*/false);
  return std::make_shared<Planned>(name, part, options);
}

namespace {

/// For pairs of unequal sizes; `operation` tells apart kinds of exchange.
executor::CompileOptions variable_options(const Place& place, const planner::Choice& choice, size_t block_limit,
                                          const std::string& operation) {
  executor::CompileOptions options = options_of(place, choice.pace);
  options.rule.uniform = false;
  options.rule.block_limit = block_limit;
  options.fingerprint = fingerprint_of(operation + " " + planner::algorithm_name(choice.chosen.algorithm) + " " +
                                       std::to_string(block_limit) + " " + std::to_string(options.chunk_bytes));
  append(options.direct_send_order, planner::direct::remote_send_order(place.hosts, place.rank));
  append(options.direct_send_order, planner::direct::local_send_order(place.hosts, place.rank));
  append(options.direct_receive_order, planner::direct::remote_receive_order(place.hosts, place.rank));
  append(options.direct_receive_order, planner::direct::local_receive_order(place.hosts, place.rank));
  return options;
}

}  // namespace

std::shared_ptr<Planned> compile_variable(const Place& place, const planner::Choice& choice) {
  const auto options = variable_options(place, choice, choice.block_limit, "alltoallv");
  schedule::RankSchedule part;
  part.rank = place.rank;
  if (choice.chosen.algorithm != planner::Algorithm::kDirect) {
    part = planner::build_part(place.hosts, place.rank, choice.chosen.algorithm, place.mapped,
                               /*self_describing=*/true);
  }
  return std::make_shared<Planned>(planner::algorithm_name(choice.chosen.algorithm), part, options);
}

schedule::RankSchedule bounded_part(const planner::Hosts& hosts, int rank, planner::Algorithm algorithm, bool mapped) {
  auto part = planner::build_part(hosts, rank, algorithm, mapped, /*self_describing=*/true);
  for (auto* messages : {&part.sends, &part.receives}) {
    for (schedule::Message& message : *messages) {
      message.self_describing = true;  // also those of direct
    }
  }
  return part;
}

std::shared_ptr<Planned> compile_bounded(const Place& place, const planner::Choice& choice, uint64_t number) {
  const size_t block_limit = choice.block_limit > 0 ? choice.block_limit : kBesideSizeBytes;
  const auto options = variable_options(place, choice, block_limit, "weighted_alltoall " + std::to_string(number));
  const auto part = bounded_part(place.hosts, place.rank, choice.chosen.algorithm, place.mapped);
  return std::make_shared<Planned>(planner::algorithm_name(choice.chosen.algorithm), part, options);
}

}  // namespace banyan::coll
