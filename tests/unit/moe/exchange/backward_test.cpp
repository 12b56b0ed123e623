// SPDX-License-Identifier: Apache-2.0
// Gradients: of a loss that is linear in what combine gives, by definition in fp64.
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "exchange_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::run_ranks;
using testing::expert_value;
using testing::Job;

float grad_value(size_t rank, size_t at) { return static_cast<float>((at * 5 + rank * 3) % 17) / 8 - 1; }

Job backward_job(Dedup dedup) {
  Job job;
  job.hosts = banyan::testing::consecutive({2, 3});
  job.tokens = {4, 7, 0, 5, 6};
  job.num_experts = 11;
  job.top_k = 3;
  job.hidden = 12;
  job.dedup = dedup;
  job.num_chunks = 2;
  job.num_parts = 4;
  return job;
}

std::vector<float> grads_of(const Job& job, size_t rank) {
  std::vector<float> grads(job.tokens[rank] * job.hidden);
  for (size_t at = 0; at < grads.size(); ++at) {
    grads[at] = grad_value(rank, at);
  }
  return grads;
}

/// One rank: gradients of expert rows, of weights, and of tokens if experts were the identity.
void check_rank(coll::Engine& engine, const Job& job, std::string& complaints) {
  const auto rank = static_cast<size_t>(engine.communicator().rank());
  const auto gate = testing::gate_of(job, rank);
  Group group(engine, job.terms());
  const Handle handle(
      group,
      {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = job.tokens[rank]});
  Mover mover(group, job.progress_thread);
  const auto top_k = static_cast<size_t>(job.top_k);
  const auto tokens = testing::token_values(job, rank);
  const auto grads = grads_of(job, rank);
  const auto& local = group.map().experts_of(static_cast<int>(rank));
  const auto as_bytes = [](const std::vector<float>& values) {
    return reinterpret_cast<const std::byte*>(values.data());
  };
  for (const auto& chunk : handle.chunks()) {
    const size_t first = chunk.plan.first_token;
    std::vector<float> rows(chunk.layout.rows * job.hidden), row_grads(rows.size(), 9);
    mover.run(make_dispatch(
        group, chunk,
        {.tokens = as_bytes(tokens) + first * job.hidden * 4, .rows = reinterpret_cast<std::byte*>(rows.data())}));
    for (size_t expert = 0; expert < local.size(); ++expert) {
      for (size_t at = chunk.layout.expert_begin[expert] * job.hidden;
           at < chunk.layout.expert_begin[expert + 1] * job.hidden; ++at) {
        rows[at] = expert_value(local[expert], rows[at]);
      }
    }
    std::vector<float> weight_grads(chunk.plan.num_tokens * top_k, 9);
    mover.run(make_spread(group, chunk,
                          {.tokens = as_bytes(grads) + first * job.hidden * 4,
                           .rows = reinterpret_cast<std::byte*>(row_grads.data()),
                           .expert_rows = as_bytes(rows),
                           .routing = &handle.routing(),
                           .gradients = weight_grads}));
    std::vector<float> token_grads(chunk.plan.num_tokens * job.hidden, 9);
    mover.run(make_combine(
        group, chunk,
        {.rows = as_bytes(row_grads), .tokens = reinterpret_cast<std::byte*>(token_grads.data()), .weighted = false}));
    for (size_t token = 0; token < chunk.plan.num_tokens; ++token) {
      double weights = 0;
      for (size_t slot = 0; slot < top_k; ++slot) {
        const size_t pick = (first + token) * top_k + slot;
        double wanted = 0;
        for (size_t i = 0; i < job.hidden; ++i) {
          const size_t at = (first + token) * job.hidden + i;
          wanted += static_cast<double>(grads[at]) *
                    static_cast<double>(expert_value(static_cast<int>(gate.topk_idx[pick]), tokens[at]));
        }
        weights += static_cast<double>(gate.topk_weights[pick]);
        if (std::abs(wanted - static_cast<double>(weight_grads[token * top_k + slot])) > 1e-4) {
          complaints += "gradient of weight " + std::to_string(pick) + "\n";
        }
      }
      for (size_t i = 0; i < job.hidden; ++i) {
        const double wanted = weights * static_cast<double>(grads[(first + token) * job.hidden + i]);
        if (std::abs(wanted - static_cast<double>(token_grads[token * job.hidden + i])) > 1e-5) {
          complaints += "gradient of token " + std::to_string(first + token) + "\n";
        }
      }
    }
  }
}

void expect_right_gradients(const Job& job) {
  std::vector<std::string> complaints(job.size());
  const auto ends = run_ranks(job.hosts, job.settings, [&](coll::Engine& engine) {
    check_rank(engine, job, complaints[static_cast<size_t>(engine.communicator().rank())]);
  });
  for (size_t rank = 0; rank < ends.size(); ++rank) {
    EXPECT_EQ(ends[rank].text, "") << job.text();
    EXPECT_EQ(complaints[rank], "") << job.text();
  }
}

TEST(TokenExchangeBackward, EachDedupThenGradientsOfRowsWeightsAndTokensAreRight) {
  for (const Dedup dedup : {Dedup::kNone, Dedup::kRank, Dedup::kNode, Dedup::kTier}) {
    Job job = backward_job(dedup);
    expect_right_gradients(job);
    job.progress_thread = true;
    expect_right_gradients(job);
  }
}

TEST(TokenExchangeBackward, NoRowsInTheFirstStepThenGradientsAreRight) {
  Job job = backward_job(Dedup::kNode);
  job.tokens.assign(5, 0);
  expect_right_gradients(job);
}

}  // namespace
}  // namespace banyan::moe
