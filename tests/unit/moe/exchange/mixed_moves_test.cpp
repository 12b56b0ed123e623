// SPDX-License-Identifier: Apache-2.0
// Ranks that make different moves at the same time hear of it; no row of one is taken for one of the other.
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "exchange_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using banyan::testing::run_ranks;
using testing::Job;

Job job_on(const banyan::testing::HostList& hosts) {
  Job job;
  job.hosts = hosts;
  job.tokens = {4, 4, 4, 4};
  job.num_experts = 8;
  job.top_k = 2;
  return job;
}

/// What a rank has for its moves: two handles of equal routing, so that sizes tell nothing.
struct Scene {
  Group& group;
  const Handle& first;
  const Handle& second;
  std::vector<std::byte> rows = std::vector<std::byte>(4096);
  std::vector<std::byte> tokens = std::vector<std::byte>(4096);
  std::vector<float> gradients = std::vector<float>(64);

  [[nodiscard]] Moves dispatch(const Handle& handle, size_t chunk) {
    return make_dispatch(group, handle.chunks()[chunk], {.tokens = tokens.data(), .rows = rows.data()});
  }
  [[nodiscard]] Moves combine(bool weighted = true) {
    return make_combine(group, first.chunks()[0], {.rows = rows.data(), .tokens = tokens.data(), .weighted = weighted});
  }
  [[nodiscard]] Moves spread(bool of_weights) {
    SpreadTerms terms{.tokens = tokens.data(), .rows = rows.data(), .expert_rows = rows.data()};
    if (of_weights) {
      terms.routing = &first.routing();
      terms.gradients = std::span(gradients).first(first.chunks()[0].plan.num_tokens * 2);
    }
    return make_spread(group, first.chunks()[0], terms);
  }
};

using MakeMoves = std::function<Moves(Scene&)>;

/// Rank 1 makes `odd`, the others `even`: all end with MISMATCH, whose text has both descriptions.
void expect_told(const MakeMoves& even, const MakeMoves& odd, const std::string& even_text,
                 const std::string& odd_text) {
  for (const auto& hosts : {consecutive({4}), consecutive({2, 2}), consecutive({1, 3})}) {
    const Job job = job_on(hosts);
    const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
      const auto rank = static_cast<size_t>(engine.communicator().rank());
      GroupTerms terms = job.terms();
      terms.num_chunks = 2;
      terms.dedup = Dedup::kNode;
      terms.timeout_s = 20;
      Group group(engine, terms);
      const auto gate = testing::gate_of(job, rank);
      const GateOutput output{
          .topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 4};
      const Handle first(group, output);
      const Handle second(group, output);
      Scene scene{.group = group, .first = first, .second = second};
      Mover(group, false).run(rank == 1 ? odd(scene) : even(scene));
    });
    for (const auto& end : ends) {
      EXPECT_EQ(end.status, BANYAN_ERR_MISMATCH) << end.text;
      EXPECT_NE(end.text.find("rank 1 has purpose " + odd_text), std::string::npos) << end.text;
      EXPECT_NE(end.text.find(" has purpose " + even_text), std::string::npos) << end.text;
    }
  }
}

TEST(MixedMoves, AnotherHandle) {
  expect_told([](Scene& scene) { return scene.dispatch(scene.first, 0); },
              [](Scene& scene) { return scene.dispatch(scene.second, 0); },
              "banyan_moe_dispatch of chunk 0 (part 0) of routing 1 in group 1",
              "banyan_moe_dispatch of chunk 0 (part 0) of routing 2 in group 1");
}

TEST(MixedMoves, AnotherChunk) {
  expect_told([](Scene& scene) { return scene.dispatch(scene.first, 1); },
              [](Scene& scene) { return scene.dispatch(scene.first, 0); }, "banyan_moe_dispatch of chunk 1",
              "banyan_moe_dispatch of chunk 0");
}

TEST(MixedMoves, AnotherCall) {
  expect_told([](Scene& scene) { return scene.dispatch(scene.first, 0); }, [](Scene& scene) { return scene.combine(); },
              "banyan_moe_dispatch of", "banyan_moe_combine of");
  expect_told([](Scene& scene) { return scene.combine(); }, [](Scene& scene) { return scene.combine(false); },
              "banyan_moe_combine of", "banyan_moe_dispatch_backward of");
  expect_told([](Scene& scene) { return scene.dispatch(scene.first, 0); },
              [](Scene& scene) { return make_turn(scene.group); }, "banyan_moe_dispatch of",
              "banyan_moe_turn_start in group 1");
}

TEST(MixedMoves, GradientsOfWeightsOnSomeRanks) {
  expect_told([](Scene& scene) { return scene.spread(false); }, [](Scene& scene) { return scene.spread(true); },
              "banyan_moe_combine_backward of", "banyan_moe_combine_backward with grad_weights of");
}

TEST(MixedMoves, ARouteThatWasBusyOnOneRankThenMovesStillMatch) {
  const Job job = job_on(consecutive({2, 2}));
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    Group group(engine, job.terms());
    const auto gate = testing::gate_of(job, rank);
    const GateOutput output{
        .topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 4};
    if (rank == 1) {  // and the others wait
      const auto request = engine.alltoall_init(nullptr, nullptr, 0, {});
      engine.start(*request);
      EXPECT_THROW(Handle(group, output), Error);
      engine.wait(*request);
    } else {
      engine.barrier();
    }
    const Handle handle(group, output);
    std::vector<std::byte> rows(4096), tokens(4096);
    Mover(group, false).run(make_dispatch(group, handle.chunks()[0], {.tokens = tokens.data(), .rows = rows.data()}));
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
}

}  // namespace
}  // namespace banyan::moe
