// SPDX-License-Identifier: Apache-2.0
#include "pipeline.hpp"

#include <banyan/banyan.h>

#include <algorithm>
#include <chrono>

#include "layer/values.hpp"

namespace banyan::perf {
namespace {

using Clock = std::chrono::steady_clock;

/// Rounds of arithmetic between looks at the clock: some microseconds.
constexpr int kRounds = 2000;

/// Computes until then; what is computed is of no use, but the compiler cannot know.
void be_busy(Clock::time_point end, const std::vector<banyan_moe_request*>& under_way) {
  volatile double result = 1;
  while (Clock::now() < end) {
    double value = result;
    for (int round = 0; round < kRounds; ++round) {
      value = value * 0.999999 + 1e-6;
    }
    result = value;
    for (banyan_moe_request* request : under_way) {
      const banyan_status status = banyan_moe_request_test(request);
      if (status == BANYAN_IN_PROGRESS) {
        break;  // it moved all on
      }
      require(status, "banyan_moe_request_test");
    }
  }
}

void finish(banyan_moe_request* request) {
  require(banyan_moe_request_wait(request), "banyan_moe_request_wait");
  require(banyan_moe_request_free(request), "banyan_moe_request_free");
}

}  // namespace

Pipeline::Pipeline(banyan_comm* comm, const Layer& layer, int rank, const PipelineTerms& terms)
    : layer_(layer),
      experts_s_(terms.experts_s),
      polls_(!terms.progress_thread),
      tokens_(tokens_of(layer, rank)),
      combined_(tokens_.size()),
      experts_(experts_of_rank(layer.where, rank)) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  config.num_experts = layer.num_experts;
  config.top_k = layer.top_k;
  config.hidden = layer.hidden;
  config.max_tokens = layer.tokens;
  config.expert_offsets = layer.where.offsets.data();
  config.expert_ranks = layer.where.ranks.data();
  config.dtype = layer.dtype_code;
  config.num_chunks = terms.num_chunks;
  config.experts_s = terms.experts_s;
  config.progress_thread = terms.progress_thread ? 1 : 0;
  banyan_moe_group* group = nullptr;
  require(banyan_moe_group_create(comm, &config, &group), "banyan_moe_group_create");
  group_.reset(group);
  info_.struct_size = sizeof info_;
  require(banyan_moe_group_get_info(group, &info_), "banyan_moe_group_get_info");
  const GateOutput gate = gate_of(layer, rank);
  banyan_moe_handle* handle = nullptr;
  require(banyan_moe_route(group, gate.topk_idx.data(), gate.topk_weights.data(), layer.tokens_of(rank), &handle),
          "banyan_moe_route");
  handle_.reset(handle);
  for (size_t chunk = 0; chunk < num_chunks(); ++chunk) {
    banyan_moe_chunk_info info{};
    info.struct_size = sizeof info;
    require(banyan_moe_handle_get_info(handle, chunk, &info), "banyan_moe_handle_get_info");
    rows_.emplace_back(info.num_rows * layer.row_bytes());
  }
}

void Pipeline::in_turn(double experts_s) {
  for (size_t chunk = 0; chunk < num_chunks(); ++chunk) {
    require(banyan_moe_dispatch(handle_.get(), chunk, tokens_.data(), nullptr, rows_[chunk].data(), nullptr),
            "banyan_moe_dispatch");
    compute(chunk, experts_s, {});
    require(banyan_moe_combine(handle_.get(), chunk, rows_[chunk].data(), combined_.data()), "banyan_moe_combine");
  }
}

void Pipeline::overlapped() {
  std::vector<banyan_moe_request*> arriving(num_chunks()), returning;
  for (size_t chunk = 0; chunk < num_chunks(); ++chunk) {
    require(banyan_moe_dispatch_start(handle_.get(), chunk, tokens_.data(), nullptr, rows_[chunk].data(), nullptr,
                                      &arriving[chunk]),
            "banyan_moe_dispatch_start");
  }
  for (size_t chunk = 0; chunk < num_chunks(); ++chunk) {
    finish(arriving[chunk]);
    std::vector<banyan_moe_request*> under_way;
    if (polls_) {
      under_way.assign(arriving.begin() + static_cast<std::ptrdiff_t>(chunk) + 1, arriving.end());
      under_way.insert(under_way.end(), returning.begin(), returning.end());
    }
    compute(chunk, experts_s_, under_way);
    banyan_moe_request* request = nullptr;
    require(banyan_moe_combine_start(handle_.get(), chunk, rows_[chunk].data(), combined_.data(), &request),
            "banyan_moe_combine_start");
    returning.push_back(request);
  }
  std::for_each(returning.begin(), returning.end(), finish);
}

void Pipeline::compute(size_t chunk, double experts_s, const std::vector<banyan_moe_request*>& under_way) {
  const auto share = std::chrono::duration<double>(experts_s / static_cast<double>(num_chunks()));
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(share);
  std::vector<size_t> counts(experts_.size()), begins(experts_.size() + 1);
  require(banyan_moe_handle_experts(handle_.get(), chunk, counts.data(), begins.data()), "banyan_moe_handle_experts");
  for (size_t n = 0; n < experts_.size(); ++n) {
    run_expert(layer_, experts_[n], rows_[chunk].data() + begins[n] * layer_.row_bytes(), counts[n]);
  }
  be_busy(end, under_way);
}

}  // namespace banyan::perf
