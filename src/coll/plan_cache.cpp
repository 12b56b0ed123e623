// SPDX-License-Identifier: Apache-2.0
#include "coll/plan_cache.hpp"

#include <algorithm>
#include <limits>

#include "base/log.hpp"

namespace banyan::coll {
namespace {

/// Plans kept for one-shot calls; when there are as many, all are forgotten.
constexpr size_t kMaxKept = 64;
/// In place of bytes per pair, which no exchange can have.
constexpr size_t kVariable = std::numeric_limits<size_t>::max();

}  // namespace

planner::Wish PlanCache::wish(const Options& options) const {
  return {.algorithm = options.algorithm.empty() ? comm_.settings().algorithm : std::string(options.algorithm),
          .aggregate_limit_bytes = comm_.settings().aggregate_limit_bytes,
          .pace = {comm_.settings().chunk_bytes, comm_.settings().window, comm_.settings().window_bytes}};
}

Place PlanCache::place() const {
  const transport::Fabric& fabric = comm_.fabric();
  return {.hosts = hosts_,
          .rank = comm_.rank(),
          .mapped = comm_.mapped(),
          .ring_capacity = fabric.ring_capacity,
          .num_rails = std::max<size_t>(1, fabric.rail_pattern.size()),
          .own_rail = comm_.settings().own_rail};
}

std::shared_ptr<Planned> PlanCache::make_uniform(size_t block_bytes, const Options& options) const {
  return compile_uniform(place(), planner::choose_uniform(situation(), block_bytes, wish(options)), block_bytes);
}

std::shared_ptr<Planned> PlanCache::make_variable(const Options& options) const {
  return compile_variable(place(), planner::choose_v(situation(), wish(options)));
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
    planned = compile_variable(place(), ways_[tuner_->way()]);
  }
  return planned;
}

void PlanCache::note_tuned(executor::Exchange& exchange) const {
  exchange.carries_notes = tuner_ && tuner_->carries_note();
  exchange.note = exchange.carries_notes ? tuner_->note() : 0;
}

void PlanCache::tuned_finished(double seconds, std::span<const uint32_t> notes) {
  if (!tuner_ || !tuner_->finished(seconds, notes)) {  // none: the model changed meanwhile
    return;
  }
  for (size_t way = 0; way < ways_.size(); ++way) {
    BANYAN_LOG(kDebug, "coll", "rank {}: all-to-all-v by {} up to {} bytes took {:.1f} us{}", comm_.rank(),
               planner::algorithm_name(ways_[way].chosen.algorithm), ways_[way].block_limit, 1e6 * tuner_->time_s(way),
               way == tuner_->way() ? ", chosen" : "");
  }
}

void PlanCache::clear() {
  kept_.clear();
  tuner_.reset();
  hosts_ = planner::Hosts(comm_.tree());
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
