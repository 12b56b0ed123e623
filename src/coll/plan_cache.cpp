// SPDX-License-Identifier: Apache-2.0
#include "coll/plan_cache.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/log.hpp"

namespace banyan::coll {
namespace {

/// Kinds of calls that are kept; when there are as many, all are forgotten.
constexpr size_t kMaxKept = 64;
/// In place of bytes per pair, which no exchange can have.
constexpr size_t kVariable = std::numeric_limits<size_t>::max();

}  // namespace

PlanCache::PlanCache(comm::Communicator& communicator)
    : comm_(communicator), hosts_(std::make_shared<const planner::Hosts>(communicator.tree())) {
  if (const auto& file = communicator.tuning_file()) {
    const std::string name = "tuning file " + file->path;
    rules_ = planner::TuningRules::parse(file->text, name).value("rank 0's " + name);
  }
}

planner::Wish PlanCache::wish(const Options& options, std::optional<size_t> block_bytes) const {
  const comm::Settings& settings = comm_.settings();
  planner::Wish wish{.algorithm = std::string(options.algorithm),
                     .aggregate_limit_bytes = settings.aggregate_limit_bytes,
                     .pace = {settings.chunk_bytes, settings.window, settings.window_bytes}};
  if (!wish.algorithm.empty()) {
    return wish;
  }
  if (!settings.algorithm.empty()) {
    wish.algorithm = settings.algorithm;
    wish.origin = "BANYAN_ALGORITHM";
  } else if (auto match = rules_.find(planner::tuning_case(*hosts_, block_bytes))) {
    BANYAN_LOG(kInfo, "coll", "{}: {} by {}",
               block_bytes ? "all-to-all of " + std::to_string(*block_bytes) + " bytes per pair" : "all-to-all-v",
               match->algorithm, match->origin);
    wish.algorithm = std::move(match->algorithm);
    wish.origin = std::move(match->origin);
  }
  return wish;
}

size_t PlanCache::num_rails() const { return std::max<size_t>(1, comm_.fabric().rail_pattern.size()); }

planner::Situation PlanCache::situation() const {
  const int rails = comm_.settings().own_rail ? 1 : static_cast<int>(num_rails());
  return {comm_.tree(), *hosts_, comm_.model(), rails};
}

Place PlanCache::place() const {
  const transport::Fabric& fabric = comm_.fabric();
  return {.hosts = *hosts_,
          .rank = comm_.rank(),
          .mapped = comm_.mapped(),
          .ring_capacity = fabric.ring_capacity,
          .num_rails = num_rails(),
          .own_rail = comm_.settings().own_rail};
}

/// What compiles choices of all-to-alls of `block_bytes`, or of all-to-all-v, also after the cache was cleared.
Compile PlanCache::compile_of(std::optional<size_t> block_bytes) const {
  return [place = place(), hosts = hosts_, block_bytes](const planner::Choice& choice) {
    return block_bytes ? compile_uniform(place, choice, *block_bytes) : compile_variable(place, choice);
  };
}

std::shared_ptr<Planned> PlanCache::make_bounded(const planner::Choice& choice, uint64_t number) const {
  return compile_bounded(place(), choice, number);
}

Kept PlanCache::make_uniform(size_t block_bytes, const Options& options) {
  const auto wanted = wish(options, block_bytes);
  const Compile compile = compile_of(block_bytes);
  auto choices = comm_.settings().tunes
                     ? planner::ways_uniform(situation(), block_bytes, wanted)
                     : std::vector<planner::Choice>{planner::choose_uniform(situation(), block_bytes, wanted)};
  if (choices.size() == 1) {
    return {compile(choices[0]), nullptr};
  }
  Ways ways(std::move(choices), compile);
  auto planned = ways.plan(0);
  return {planned, std::make_shared<TunedUniform>(std::move(ways), variable(options).planned, block_bytes,
                                                  static_cast<size_t>(comm_.size()))};
}

Kept PlanCache::make_variable(const Options& options) const {
  const auto wanted = wish(options, std::nullopt);
  Ways ways(comm_.settings().tunes ? planner::ways_v(situation(), wanted)
                                   : std::vector<planner::Choice>{planner::choose_v(situation(), wanted)},
            compile_of(std::nullopt));
  auto planned = ways.plan(0);
  return {planned, ways.size() == 1 ? nullptr : std::make_shared<TunedVariable>(std::move(ways), comm_.rank())};
}

void PlanCache::clear() {
  kept_.clear();
  hosts_ = std::make_shared<const planner::Hosts>(comm_.tree());
}

template <typename Make>
const Kept& PlanCache::kept(const KeyView& key, Make make) {
  const auto found = kept_.find(key);
  if (found != kept_.end()) {
    return found->second;
  }
  if (kept_.size() >= kMaxKept) {
    kept_.clear();
  }
  return kept_[Key(key)] = make();
}

const Kept& PlanCache::uniform(size_t block_bytes, const Options& options) {
  return kept({block_bytes, options.algorithm}, [&] { return make_uniform(block_bytes, options); });
}

const Kept& PlanCache::variable(const Options& options) {
  return kept({kVariable, options.algorithm}, [&] { return make_variable(options); });
}

}  // namespace banyan::coll
