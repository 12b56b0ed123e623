// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "cost/cost_model.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// What a step's parts take, in seconds, by prediction or by the caller's word.
struct StepParts {
  double dispatch_s = 0;   ///< of all tokens, without what messages cost beside their bytes
  double experts_s = 0;    ///< on all rows
  double combine_s = 0;    ///< likewise
  double per_chunk_s = 0;  ///< of each chunk's dispatch, and of its combine, beside
};

/// What an all-to-all of rows takes beside their bytes: a message for each pair, sent and received, of the busiest rank
/// or host: alpha + max(2 o (ranks elsewhere), g (ranks of the host) (ranks elsewhere)), docs/cost-model.md.
[[nodiscard]] double predict_overheads(const planner::Hosts& hosts, const cost::CostModel& model);

/// Time of a step in `num_chunks` equal chunks, all dispatches started first and each combine as soon as its experts
/// are done: the links carry one chunk at a time, dispatches first, in order; experts take chunks as they arrive.
[[nodiscard]] double predict_step(const StepParts& parts, size_t num_chunks);

/// The number of chunks, from 1 to `most`, with the least predicted time: the pipeline degree of Tutel and FasterMoE.
/// Of those within 1 % of it the smallest.
[[nodiscard]] size_t choose_degree(const StepParts& parts, size_t most);

}  // namespace banyan::moe
