// SPDX-License-Identifier: Apache-2.0
#include "coll/plan_cache.hpp"

#include <algorithm>
#include <limits>

#include "planner/algorithms/direct.hpp"

namespace banyan::coll {
namespace {

/// Plans kept for one-shot calls; when there are as many, all are forgotten.
constexpr size_t kMaxKept = 64;
/// In place of bytes per pair, which no exchange can have.
constexpr size_t kVariable = std::numeric_limits<size_t>::max();

/// FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/, parameters as published there.
uint32_t fingerprint_of(const std::string& text) {
  uint32_t hash = 2166136261U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return hash;
}

void append(std::vector<int>& to, const std::vector<int>& from) { to.insert(to.end(), from.begin(), from.end()); }

}  // namespace

planner::Wish PlanCache::wish(const Options& options) const {
  return {.algorithm = options.algorithm.empty() ? comm_.settings().algorithm : std::string(options.algorithm),
          .aggregate_limit_bytes = comm_.settings().aggregate_limit_bytes,
          .pace = {comm_.settings().chunk_bytes, comm_.settings().window, comm_.settings().window_bytes}};
}

void PlanCache::set_pace(executor::CompileOptions& compile, const planner::Pace& pace) const {
  compile.chunk_bytes = pace.chunk_bytes;
  compile.window = pace.window;
  compile.window_bytes = pace.window_bytes;
  compile.max_pieces = std::max<size_t>(1, comm_.fabric().rail_pattern.size());
  compile.least_piece_bytes = pace.least_piece_bytes;
  const int rank = comm_.rank();
  for (int peer = 0; peer < comm_.size(); ++peer) {
    const bool local = hosts_.host_of(peer) == hosts_.host_of(rank);
    compile.send_phase.push_back(local ? -1 : planner::direct::phase(hosts_, rank, peer));
    compile.receive_phase.push_back(local ? -1 : planner::direct::phase(hosts_, peer, rank));
    // One after the other for a rank from phase to phase, and for the ranks of a host in one phase.
    compile.send_place.push_back(local ? 0 : compile.send_phase.back() + hosts_.local_index(rank));
    compile.receive_place.push_back(local ? 0 : compile.receive_phase.back() + hosts_.local_index(peer));
  }
}

std::shared_ptr<Planned> PlanCache::make_uniform(size_t block_bytes, const Options& options) const {
  const auto choice = planner::choose_uniform(situation(), block_bytes, wish(options));
  const std::string name = planner::algorithm_name(choice.chosen.algorithm);
  executor::CompileOptions compile;
  compile.num_ranks = comm_.size();
  compile.rule.block_bytes = block_bytes;
  compile.rule.ring_capacity = comm_.fabric().ring_capacity;
  set_pace(compile, choice.pace);
  compile.fingerprint = fingerprint_of("alltoall " + name + " " + std::to_string(block_bytes) + " " +
                                       std::to_string(compile.chunk_bytes));
  const auto part =
      planner::build_part(hosts_, comm_.rank(), choice.chosen.algorithm, comm_.mapped(), /*self_describing=*/false);
  return std::make_shared<Planned>(name, part, compile);
}

std::shared_ptr<Planned> PlanCache::make_variable(const Options& options) const {
  return make_variable(planner::choose_v(situation(), wish(options)));
}

std::shared_ptr<Planned> PlanCache::make_variable(const planner::Choice& choice) const {
  const std::string name = planner::algorithm_name(choice.chosen.algorithm);
  executor::CompileOptions compile;
  compile.num_ranks = comm_.size();
  compile.rule = {.uniform = false,
                  .block_bytes = 0,
                  .block_limit = choice.block_limit,
                  .ring_capacity = comm_.fabric().ring_capacity};
  set_pace(compile, choice.pace);
  compile.fingerprint = fingerprint_of("alltoallv " + name + " " + std::to_string(choice.block_limit) + " " +
                                       std::to_string(compile.chunk_bytes));
  const int rank = comm_.rank();
  append(compile.direct_send_order, planner::direct::remote_send_order(hosts_, rank));
  append(compile.direct_send_order, planner::direct::local_send_order(hosts_, rank));
  append(compile.direct_receive_order, planner::direct::remote_receive_order(hosts_, rank));
  append(compile.direct_receive_order, planner::direct::local_receive_order(hosts_, rank));
  schedule::RankSchedule part;
  part.rank = rank;
  if (choice.chosen.algorithm != planner::Algorithm::kDirect) {
    part = planner::build_part(hosts_, rank, choice.chosen.algorithm, comm_.mapped(), /*self_describing=*/true);
  }
  return std::make_shared<Planned>(name, part, compile);
}

bool PlanCache::tunes(const Options& options) const {
  const std::string_view algorithm = options.algorithm.empty() ? comm_.settings().algorithm : options.algorithm;
  return comm_.settings().tunes && (algorithm.empty() || algorithm == "auto");
}

const std::shared_ptr<Planned>& PlanCache::tuned() {
  if (!tuner_) {
    ways_ = planner::ways_v(situation(), wish({.algorithm = "auto", .timeout_s = 0}));
    way_plans_.assign(ways_.size(), nullptr);
    tuner_.emplace(ways_.size());
  }
  auto& planned = way_plans_[tuner_->way()];
  if (planned == nullptr) {
    planned = make_variable(ways_[tuner_->way()]);
  }
  return planned;
}

void PlanCache::note_tuned(executor::Exchange& exchange) const {
  exchange.carries_notes = tuner_ && tuner_->carries_note();
  exchange.note = exchange.carries_notes ? tuner_->note() : 0;
}

void PlanCache::tuned_finished(double seconds, std::span<const uint32_t> notes) {
  if (tuner_) {  // else the model changed meanwhile
    tuner_->finished(seconds, notes);
  }
}

void PlanCache::clear() {
  kept_.clear();
  tuner_.reset();
}

template <typename Make>
const std::shared_ptr<Planned>& PlanCache::kept(const KeyView& key, Make make) {
  const auto found = kept_.find(key);
  if (found != kept_.end()) {
    return found->second;
  }
  if (kept_.size() >= kMaxKept) {
    kept_.clear();
  }
  return kept_[Key(key)] = make();
}

const std::shared_ptr<Planned>& PlanCache::uniform(size_t block_bytes, const Options& options) {
  return kept({block_bytes, options.algorithm}, [&] { return make_uniform(block_bytes, options); });
}

const std::shared_ptr<Planned>& PlanCache::variable(const Options& options) {
  return kept({kVariable, options.algorithm}, [&] { return make_variable(options); });
}

}  // namespace banyan::coll
