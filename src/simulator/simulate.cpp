// SPDX-License-Identifier: Apache-2.0
#include "simulator/simulate.hpp"

#include <algorithm>

#include "simulator/engine.hpp"
#include "simulator/schedule_source.hpp"

namespace banyan::simulator {

double wire_bound_s(const Timeline& timeline) noexcept {
  double bound = 0;
  for (const LinkTiming& link : timeline.links) {
    bound = std::max(bound, static_cast<double>(link.bytes) / link.capacity_bytes_per_s);
  }
  return bound;
}

Timeline simulate(MessageSource& source, const topology::LocalityTree& tree, const cost::CostModel& model,
                  const Options& options) {
  return Engine(source, tree, model, options).run();
}

Timeline simulate(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes,
                  const topology::LocalityTree& tree, const cost::CostModel& model, const Options& options) {
  ScheduleSource source(schedule, sizes);
  Timeline timeline = simulate(source, tree, model, options);
  timeline.messages.resize(options.keep_messages ? schedule.messages.size() : 0);
  return timeline;
}

}  // namespace banyan::simulator
