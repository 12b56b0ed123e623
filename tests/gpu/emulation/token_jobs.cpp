// SPDX-License-Identifier: Apache-2.0
#include "emulation/token_jobs.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace banyan::gpu_test {
namespace {

void expect_launched(cudaError_t error) {
  if (error != cudaSuccess) {
    throw std::runtime_error("a launch failed");
  }
}

}  // namespace

TokenJob::TokenJob(const Shape& shape, std::vector<int> blocks, unsigned seed)
    : shape_(shape),
      rank_of_expert_(ranks_of_experts(shape, static_cast<int>(blocks.size()))),
      blocks_(std::move(blocks)),
      ranks_(blocks_.size()),
      gpu_(static_cast<int>(blocks_.size()), seed) {
  emulation::use(gpu_);
}

cuda::Watch TokenJob::watch_of(int rank) {
  Rank& own = ranks_[static_cast<size_t>(rank)];
  return {&own.state, &own.words, timeout};
}

/// When the stream comes there.
void TokenJob::check(const std::string& what, const std::function<void()>& body) {
  try {
    if (problem_.empty()) {
      body();
    }
  } catch (const std::exception& error) {
    problem_ = what + ": " + error.what();
  }
}

void TokenJob::add_round(int number, int end) {
  steps_.push_back({Round(shape_, num_ranks(), number), number, {}});
  Step& step = steps_.back();
  for (int rank = 0; rank < num_ranks(); ++rank) {
    step.outs.push_back(std::make_unique<Memory>(step.round.batch(rank).rows.size() * 2));
  }
  for (int rank = 0; rank < std::min(end, num_ranks()); ++rank) {
    const std::string name = "rank " + std::to_string(rank);
    const auto is_alive = [this, rank] { return words(rank).valid == 0; };
    dispatch(rank, step);
    gpu_.call(rank, [this, rank, &step, name, is_alive] {
      if (is_alive()) {
        check(name + " received", [&] { expect_received(rank, step.round); });
        check(name + " computes", [&] { compute(rank, step.round); });
      }
    });
    combine(rank, step);
    gpu_.call(rank, [this, rank, &step, name, is_alive] {
      if (is_alive()) {
        check(name + " combined", [&] {
          expect_sums(step.round, shape_, rank, sums(rank, step), step.outs[static_cast<size_t>(rank)]->as<uint16_t>());
        });
      }
    });
  }
}

void TokenJob::abort(int rank, int other, uint64_t sweeps) {
  gpu_.delay(other, sweeps);
  gpu_.call(other, [this, rank] { ranks_[static_cast<size_t>(rank)].words.abort = 1; });
}

std::string TokenJob::run() {
  const std::string error = gpu_.run();
  return error.empty() ? problem_ : error;
}

RankJob::RankJob(const Shape& shape, std::vector<int> blocks, unsigned seed)
    : TokenJob(shape, std::move(blocks), seed) {
  const cuda::AreaLayout layout{num_ranks(), shape.max_tokens, shape.top_k, shape.row_bytes};
  for (int rank = 0; rank < num_ranks(); ++rank) {
    parts_.push_back({Memory(layout.bytes()),
                      Memory(sizeof(cuda::TokensState)),
                      Memory(sizeof(uint32_t) * static_cast<size_t>(shape.max_tokens * shape.top_k)),
                      Memory(sizeof(uint64_t) * static_cast<size_t>(blocks_of(rank) * num_ranks())),
                      Memory(sizeof(uint32_t) * static_cast<size_t>(num_ranks())),
                      {}});
  }
  for (int rank = 0; rank < num_ranks(); ++rank) {
    Part& part = parts_[static_cast<size_t>(rank)];
    part.tokens.rank = rank;
    part.tokens.layout = layout;
    part.tokens.num_experts = shape.num_experts;
    part.tokens.rank_of_expert = rank_of_expert_.data();
    part.tokens.state = part.state.as<cuda::TokensState>();
    part.tokens.places = part.places.as<uint32_t>();
    part.tokens.block_counts = part.counts.as<uint64_t>();
    part.tokens.totals = part.totals.as<uint32_t>();
    for (int peer = 0; peer < num_ranks(); ++peer) {
      part.tokens.areas[peer] = parts_[static_cast<size_t>(peer)].area.get();
    }
  }
}

void RankJob::dispatch(int rank, const Step& step) {
  Part& part = parts_[static_cast<size_t>(rank)];
  part.tokens.watch = watch_of(rank);
  const Batch& batch = step.round.batch(rank);
  const cuda::Dispatch dispatch{part.tokens,
                                cuda::cut_rows(shape_.row_bytes),
                                reinterpret_cast<const char*>(batch.rows.data()),
                                batch.experts.data(),
                                step.round.has_weights() ? batch.weights.data() : nullptr,
                                is_on_device(step) ? shape_.max_tokens : batch.num_tokens,
                                is_on_device(step) ? &batch.num_tokens : nullptr};
  expect_launched(launch_dispatch(dispatch, blocks_of(rank), stream(rank)));
}

void RankJob::expect_received(int rank, const Round& round) {
  const cuda::Tokens& tokens = parts_[static_cast<size_t>(rank)].tokens;
  const char* const area = tokens.areas[rank];
  expect_by_rank(round, shape_, rank,
                 {reinterpret_cast<const int*>(area + tokens.layout.counts()),
                  reinterpret_cast<const int*>(area + tokens.layout.experts()),
                  reinterpret_cast<const float*>(area + tokens.layout.weights()), area + tokens.layout.rows()});
}

void RankJob::compute(int rank, const Round& round) {
  const cuda::Tokens& tokens = parts_[static_cast<size_t>(rank)].tokens;
  const auto results = round.results_by_rank(rank);
  std::memcpy(tokens.areas[rank] + tokens.layout.rows(), results.data(), results.size() * 2);
}

void RankJob::combine(int rank, const Step& step) {
  const cuda::Combine combine{parts_[static_cast<size_t>(rank)].tokens, cuda::cut_rows(shape_.row_bytes),
                              step.outs[static_cast<size_t>(rank)]->get()};
  expect_launched(launch_combine(combine, shape_.dtype, blocks_of(rank), stream(rank)));
}

std::vector<uint16_t> RankJob::sums(int rank, const Step& step) const { return step.round.sums_by_rank(rank); }

ExpertJob::ExpertJob(const Shape& shape, std::vector<int> blocks, unsigned seed)
    : TokenJob(shape, std::move(blocks), seed), parts_(static_cast<size_t>(num_ranks())) {
  std::vector<char*> areas;
  for (int rank = 0; rank < num_ranks(); ++rank) {
    make(rank, parts_[static_cast<size_t>(rank)]);
  }
  for (Part& part : parts_) {
    for (int peer = 0; peer < num_ranks(); ++peer) {
      part.experts.areas[peer] = parts_[static_cast<size_t>(peer)].memories[0]->get();
    }
  }
}

void ExpertJob::make(int rank, Part& part) {
  const auto take = [&](size_t bytes) -> Memory& {
    part.memories.push_back(std::make_unique<Memory>(bytes));
    return *part.memories.back();
  };
  cuda::Experts& experts = part.experts;
  experts.layout = {num_ranks(), shape_.max_tokens, shape_.top_k, shape_.num_experts, shape_.row_bytes};
  static_cast<void>(take(experts.layout.bytes()));
  for (int expert = 0; expert < shape_.num_experts; ++expert) {
    if (rank_of_expert_[static_cast<size_t>(expert)] == rank) {
      part.own.push_back(expert);
    }
  }
  const auto ranks = static_cast<size_t>(num_ranks());
  const auto all = static_cast<size_t>(shape_.num_experts);
  const size_t choices = static_cast<size_t>(shape_.max_tokens) * static_cast<size_t>(shape_.top_k);
  experts.rank = rank;
  experts.num_own = static_cast<int>(part.own.size());
  experts.row_alignment = static_cast<uint32_t>(shape_.row_alignment);
  experts.max_rows = static_cast<uint32_t>(
      shape_.max_rows > 0 ? static_cast<size_t>(shape_.max_rows)
                          : ranks * choices + part.own.size() * static_cast<size_t>(shape_.row_alignment));
  experts.rank_of_expert = rank_of_expert_.data();
  experts.own_experts = part.own.data();
  experts.state = take(sizeof(cuda::ExpertState)).as<cuda::ExpertState>();
  experts.places = take(4 * choices).as<uint32_t>();
  experts.block_counts = take(8 * cuda::kMostRowPushers * (ranks + all)).as<uint64_t>();
  experts.bases = take(4 * ranks * all).as<uint32_t>();
  experts.streams = take(sizeof(cuda::Stream) * ranks * cuda::kMostRowPushers).as<cuda::Stream>();
  experts.slots = take(4 * ranks).as<uint32_t>();
  experts.positions = take(4 * ranks * choices).as<uint32_t>();
  experts.counts = take(4 * all).as<int32_t>();
  experts.offsets = take(4 * (all + 1)).as<int32_t>();
  experts.needed = take(4).as<int32_t>();
  experts.sources = take(sizeof(banyan_device_row) * experts.max_rows).as<banyan_device_row>();
  experts.rows = take(shape_.row_bytes * experts.max_rows).get();
}

void ExpertJob::dispatch(int rank, const Step& step) {
  Part& part = parts_[static_cast<size_t>(rank)];
  part.experts.watch = watch_of(rank);
  const Batch& batch = step.round.batch(rank);
  const cuda::ExpertDispatch dispatch{part.experts,
                                      cuda::cut_rows(shape_.row_bytes),
                                      reinterpret_cast<const char*>(batch.rows.data()),
                                      batch.experts.data(),
                                      step.round.has_weights() ? batch.weights.data() : nullptr,
                                      is_on_device(step) ? shape_.max_tokens : batch.num_tokens,
                                      is_on_device(step) ? &batch.num_tokens : nullptr,
                                      cuda::pushers_of(blocks_of(rank))};
  expect_launched(launch_expert_dispatch(dispatch, blocks_of(rank), stream(rank)));
}

void ExpertJob::expect_received(int rank, const Round& round) {
  const cuda::Experts& experts = parts_[static_cast<size_t>(rank)].experts;
  expect_by_expert(
      round, shape_, rank,
      {experts.own_experts, experts.counts, experts.offsets, experts.needed, experts.sources, experts.rows});
}

void ExpertJob::compute(int rank, const Round& round) {
  const auto results = round.results_by_expert(round.runs_of(rank));
  std::memcpy(parts_[static_cast<size_t>(rank)].experts.rows, results.data(), results.size() * 2);
}

void ExpertJob::combine(int rank, const Step& step) {
  const cuda::ExpertCombine combine{parts_[static_cast<size_t>(rank)].experts, cuda::cut_rows(shape_.row_bytes),
                                    step.outs[static_cast<size_t>(rank)]->get(), is_weighted(step) ? 1 : 0,
                                    cuda::senders_of(blocks_of(rank))};
  expect_launched(launch_expert_combine(combine, shape_.dtype, blocks_of(rank), stream(rank)));
}

std::vector<uint16_t> ExpertJob::sums(int rank, const Step& step) const {
  return step.round.sums_by_expert(rank, is_weighted(step));
}

}  // namespace banyan::gpu_test
