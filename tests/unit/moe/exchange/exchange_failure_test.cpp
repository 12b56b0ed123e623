// SPDX-License-Identifier: Apache-2.0
// What is wrong on one rank is an error on all, names it, and leaves the communicator as it was.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <future>
#include <latch>
#include <new>

#include "base/error.hpp"
#include "comm/factory.hpp"
#include "exchange_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using banyan::testing::run_ranks;
using testing::Job;

Job job_of_four() {
  Job job;
  job.hosts = consecutive({2, 2});
  job.tokens = {3, 3, 3, 3};
  job.num_experts = 8;
  job.top_k = 2;
  return job;
}

/// What each rank is told when rank 2 has other terms; afterwards a barrier must still work.
std::vector<std::string> refusals(const std::function<void(GroupTerms&)>& change) {
  const Job job = job_of_four();
  std::vector<std::string> texts(4);
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const int rank = engine.communicator().rank();
    GroupTerms terms = job.terms();
    if (rank == 2) {
      change(terms);
    }
    try {
      const Group group(engine, terms);
    } catch (const Error& error) {
      texts[static_cast<size_t>(rank)] = error.what();
    }
    engine.barrier();
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  return texts;
}

void expect_all_told(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(TokenExchangeFailure, TermsThatDifferThenAllRanksHearWhichAndWhere) {
  expect_all_told(refusals([](GroupTerms& terms) { terms.hidden = 9; }),
                  "hidden is \"8\" on rank 0 and \"9\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.top_k = 3; }), "top_k is \"2\" on rank 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.dtype = device::Dtype::kBf16; }),
                  "dtype is \"FP32\" on rank 0 and \"BF16\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.dedup = Dedup::kRank; }), "\"RANK\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.num_experts = 9; }),
                  "num_experts is \"8\" on rank 0 and \"9\" on rank 2");
  const std::vector<int> offsets = {0, 1, 2, 3, 4, 5, 6, 7, 8}, others = {0, 0, 1, 2, 2, 2, 3, 3};
  expect_all_told(refusals([&](GroupTerms& terms) {
                    terms.expert_offsets = offsets;
                    terms.expert_ranks = others;
                  }),
                  "the ranks of experts 3 to 3 is \"1\" on rank 0 and \"2\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity = 2; }), "capacity");
  expect_all_told(refusals([](GroupTerms& terms) {
                    terms.routing.scope = CapacityScope::kGlobal;
                    terms.routing.capacity = 3;
                  }),
                  "capacity is \"0\" on rank 0 and \"3\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity_is_most = true; }),
                  "capacity is \"0\" on rank 0 and \"max\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity_factor = 1.25; }),
                  "capacity_factor is \"0\" on rank 0 and \"1.25\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.note_bytes = 4; }), "note_bytes is \"0\" on rank 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.drop = DropPolicy::kScore; }),
                  "drop is \"POSITION\" on rank 0");
}

TEST(TokenExchangeFailure, TermsThatAreNonsenseThenAllRanksHearThem) {
  expect_all_told(refusals([](GroupTerms& terms) { terms.num_experts = 0; }), "num_experts is 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.top_k = 9; }), "top_k is 9, must be from 1 to 8");
  expect_all_told(refusals([](GroupTerms& terms) { terms.note_bytes = 65; }), "note_bytes is 65, must be from 0 to 64");
  expect_all_told(refusals([](GroupTerms& terms) { terms.num_parts = 17; }), "num_parts is 17, must be from 0 to 16");
  expect_all_told(refusals([](GroupTerms& terms) { terms.num_parts = 3; }), "num_parts is 3, must be 0 or a power");
  expect_all_told(refusals([](GroupTerms& terms) { terms.hidden = 0; }), "hidden is 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.max_tokens = size_t{1} << 40; }), "max_tokens");
  expect_all_told(refusals([](GroupTerms& terms) { terms.combine_dtype = device::Dtype::kBytes; }), "combine_dtype");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.scope = CapacityScope::kGlobal; }),
                  "GLOBAL without a capacity");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity = 4; }), "more than max_tokens 3");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity_factor = -1; }), "capacity_factor is -1");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity_factor = std::nan(""); }), "capacity_factor");
  expect_all_told(refusals([](GroupTerms& terms) {
                    terms.routing.capacity_factor = 1;
                    terms.routing.capacity = 1;
                  }),
                  "capacity and capacity_factor");
  expect_all_told(refusals([](GroupTerms& terms) {
                    terms.routing.scope = CapacityScope::kGlobal;
                    terms.routing.capacity = 13;
                  }),
                  "capacity is 13, more than max_tokens 3 of 4 ranks");
  expect_all_told(refusals([](GroupTerms& terms) { terms.problem = "layout is 7"; }), "layout is 7");
  expect_all_told(refusals([](GroupTerms& terms) {
                    terms.layout = LayoutKind::kRankMajor;
                    terms.dedup = Dedup::kNone;
                  }),
                  "RANK_MAJOR");
}

void expect_wrong_gate_told(const Job& job) {
  std::vector<std::string> texts(4);
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    Group group(engine, job.terms());
    auto gate = testing::gate_of(job, rank);
    const auto right = gate.topk_idx;
    if (rank == 1) {
      gate.topk_idx[3] = 8;
    }
    const auto output = [&] {
      return GateOutput{.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3};
    };
    try {
      const Handle handle(group, output());
    } catch (const Error& error) {
      texts[rank] = error.what();
    }
    gate.topk_idx = right;
    const Handle handle(group, output());
    EXPECT_EQ(handle.routing().num_tokens(), 3U);
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  expect_all_told(texts, "rank 1: topk_idx[1][1] is 8");
}

TEST(TokenExchangeFailure, AGateThatIsWrongThenAllRanksHearItAndTheNextOneWorks) {
  Job job = job_of_four();
  expect_wrong_gate_told(job);
  job.capacity = 1;
  job.scope = CapacityScope::kGlobal;
  job.drop = DropPolicy::kScore;
  expect_wrong_gate_told(job);
}

TEST(TokenExchangeFailure, ARankThatIsGoneThenOthersGetAnErrorNotAHang) {
  const Job job = job_of_four();
  comm::Settings settings;
  settings.timeout_s = 1;
  const auto ends = run_ranks(job.hosts, settings, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    Group group(engine, job.terms());
    if (rank == 3) {
      return;
    }
    const auto gate = testing::gate_of(job, rank);
    const Handle handle(group,
                        {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3});
  });
  for (size_t rank = 0; rank < 3; ++rank) {
    EXPECT_NE(ends[rank].status, BANYAN_OK) << rank;
    EXPECT_NE(ends[rank].text.find("rank 3"), std::string::npos) << ends[rank].text;
  }
}

/// A rank of its own that finds an error, while the others wait for it: not in an exchange of Banyan, so that whatever
/// the rank knows it knows from its own.
std::string alone(int failing, const std::function<void(coll::Engine&, Group&, const Handle&)>& body) {
  const Job job = job_of_four();
  std::promise<void> ended;
  const std::shared_future<void> end = ended.get_future().share();
  std::latch all_here(4);
  std::string complaints;
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    GroupTerms terms = job.terms();
    terms.timeout_s = 0.5;
    Group group(engine, terms);
    const auto gate = testing::gate_of(job, rank);
    const Handle handle(group,
                        {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3});
    all_here.arrive_and_wait();  // or one might hear of the error before it has its handle
    if (static_cast<int>(rank) != failing) {
      end.wait();
      return;
    }
    try {
      body(engine, group, handle);
    } catch (...) {
      complaints = "it threw";
    }
    ended.set_value();
  });
  for (const auto& outcome : ends) {
    complaints += outcome.text;
  }
  return complaints;
}

TEST(TokenExchangeFailure, AHopInsideTheHostThatFailsThenTheGroupsCommunicatorIsUnusableToo) {
  EXPECT_EQ(alone(2,
                  [](coll::Engine& engine, Group& group, const Handle& handle) {
                    Mover mover(group, false);
                    std::vector<std::byte> rows(4096), tokens(4096);
                    const auto combine =
                        make_combine(group, handle.chunks()[0], {.rows = rows.data(), .tokens = tokens.data()});
                    EXPECT_THROW(mover.run(combine), Error);
                    EXPECT_TRUE(engine.communicator().control().state().raised());
                  }),
            "");
}

TEST(TokenExchangeFailure, ARankWithoutMemoryThenTheGroupsCommunicatorIsUnusableAndSaysWhy) {
  EXPECT_EQ(alone(1,
                  [](coll::Engine& engine, Group& group, const Handle&) {
                    try {
                      group.collectively([] { throw std::bad_alloc(); });
                      ADD_FAILURE() << "no error";
                    } catch (const Error& error) {
                      EXPECT_EQ(error.status(), BANYAN_ERR_NO_MEMORY);
                    }
                    EXPECT_EQ(engine.communicator().control().state().status(), BANYAN_ERR_NO_MEMORY);
                    EXPECT_EQ(engine.communicator().control().state().text(), "rank 1 is out of memory");
                  }),
            "");
}

TEST(TokenExchangeFailure, AnAbortThenItEndsAWaitInsideAHostToo) {
  std::promise<void> ended;
  const std::shared_future<void> end = ended.get_future().share();
  const auto ends = run_ranks(consecutive({2}), {}, [&](coll::Engine& engine) {
    comm::Communicator& world = engine.communicator();
    const auto split = comm::split(world, 0, world.rank());
    coll::Engine inside(*split);
    inside.heed(world);
    if (world.rank() == 1) {
      end.wait();
      return;
    }
    const auto request = inside.alltoall_init(nullptr, nullptr, 0, {});
    inside.start(*request);
    world.control().abort(BANYAN_ERR_ABORTED, "enough");
    try {
      inside.wait(*request);  // for rank 1
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BANYAN_ERR_ABORTED);
    }
    ended.set_value();
  });
  EXPECT_EQ(ends[0].text, "");
}

TEST(TokenExchangeFailure, ARequestThatIsActiveThenBusyBeforeAnythingIsSent) {
  const Job job = job_of_four();
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    Group group(engine, job.terms());
    const auto gate = testing::gate_of(job, rank);
    const Handle handle(group,
                        {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3});
    Mover mover(group, false);
    std::vector<std::byte> rows(4096), tokens(4096);
    const auto combine = [&] {
      mover.run(make_combine(group, handle.chunks()[0], {.rows = rows.data(), .tokens = tokens.data()}));
    };
    if (rank == 2) {  // and the others wait
      const auto request = engine.alltoall_init(nullptr, nullptr, 0, {});
      engine.start(*request);
      try {
        combine();
        ADD_FAILURE() << "not busy";
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), BANYAN_ERR_BUSY);
      }
      engine.wait(*request);
    } else {
      engine.barrier();
    }
    combine();
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
}

TEST(TokenExchangeFailure, LayoutsThatAreTooLargeThenTheGroupIsRefusedNotAStepOfIt) {
  const auto aligned = [](size_t alignment, size_t capacity) {
    return refusals([=](GroupTerms& terms) {
      terms.num_experts = 65536;
      terms.alignment = alignment;
      terms.routing.capacity = capacity;
    });
  };
  expect_all_told(aligned(size_t{1} << 20, 0), "alignment 1048576");
  expect_all_told(aligned((size_t{1} << 18) + 1, 1), "alignment 262145");
  expect_all_told(aligned((size_t{1} << 18) - 1, 1), "num_experts");  // just not too many: differs, that is all
}

TEST(TokenExchangeFailure, AProfileThatChangesRacksThenWhatTheGroupPredictedStays) {
  Job job = job_of_four();
  job.racks = {{0}, {1}};
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    testing::set_racks(engine, job);
    const Group group(engine, job.terms());
    const double predicted = group.predicted_dispatch_s();
    EXPECT_GT(predicted, 0);
    engine.communicator().set_profile({});
    engine.forget_plans();
    EXPECT_EQ(group.predicted_dispatch_s(), predicted);
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
}

}  // namespace
}  // namespace banyan::moe
