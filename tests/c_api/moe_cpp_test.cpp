// SPDX-License-Identifier: Apache-2.0
// The C++ header of the token exchange: it passes on what it is given, and refuses spans that are too small.
#include <gtest/gtest.h>

#include <banyan/moe.hpp>
#include <thread>

namespace banyan {
namespace {

banyan_moe_config config_of(int layout) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  config.num_experts = 3;
  config.top_k = 2;
  config.hidden = 2;
  config.max_tokens = 4;
  config.layout = layout;
  return config;
}

const std::vector<std::int64_t> kChoices = {0, 1, 2, 0, 1, 2};

template <typename Call>
void expect_rejected(const Call& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "not rejected: " << part;
  } catch (const Exception& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(MoeHeader, AStepThenTokensAndGradientsComeBack) {
  auto comms = Comm::local(1);
  MoeGroup group = MoeGroup::create(comms[0], config_of(BANYAN_MOE_EXPERT_MAJOR));
  EXPECT_EQ(group.local_experts(), (std::vector<int>{0, 1, 2}));
  {
    MoeHandle handle = group.route(kChoices);
    EXPECT_EQ(handle.expert_counts(), (std::vector<std::size_t>{2, 2, 2}));
    EXPECT_EQ(handle.expert_begins(), (std::vector<std::size_t>{0, 2, 4, 6}));
    const std::vector<float> tokens = {1, 2, 3, 4, 5, 6};
    std::vector<float> rows(handle.info().num_rows * 2), result(6), grads(6), weight_grads(6);
    handle.dispatch<float>(0, tokens, rows);
    handle.combine<float>(0, rows, result);
    EXPECT_EQ(result, (std::vector<float>{2, 4, 6, 8, 10, 12}));
    std::vector<float> grad_rows(rows.size());
    handle.combine_backward<float>(0, tokens, grad_rows, MoeHandle::WeightGradients<float>{rows, weight_grads});
    EXPECT_EQ(weight_grads, (std::vector<float>{5, 5, 25, 25, 61, 61}));
    handle.dispatch_backward<float>(0, grad_rows, grads);
    EXPECT_EQ(grads, result);
    EXPECT_THROW(group.free(), Exception);  // it has a handle
  }
  group.free();
}

TEST(MoeHeader, FlatRowsThenTheySayWhatTheyAreFor) {
  auto comms = Comm::local(1);
  MoeGroup group = MoeGroup::create(comms[0], config_of(BANYAN_MOE_FLAT));
  const std::vector<float> weights = {1, 2, 3, 4, 5, 6};
  const MoeHandle handle = group.route(kChoices, weights);
  const MoeHandle::Rows rows = handle.rows();
  EXPECT_EQ(rows.local_experts, kChoices);
  EXPECT_EQ(rows.weights, weights);
  EXPECT_EQ(rows.sources, (std::vector<int>{0, 0, 0}));
}

TEST(MoeHeader, NotesThenEachHandleHasThoseOfItsRoute) {
  auto comms = Comm::local(1);
  banyan_moe_config config = config_of(BANYAN_MOE_FLAT);
  config.note_bytes = sizeof(std::uint32_t);
  MoeGroup group = MoeGroup::create(comms[0], config);
  const MoeHandle before = group.route(kChoices);
  group.set_note(std::uint32_t{77});
  const MoeHandle after = group.route(kChoices);
  EXPECT_EQ(before.notes<std::uint32_t>(), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(after.notes<std::uint32_t>(), (std::vector<std::uint32_t>{77}));
  expect_rejected([&] { group.set_note(std::uint64_t{1}); }, "8 bytes, note_bytes is 4");
  expect_rejected([&] { static_cast<void>(after.notes<char>()); }, "4 bytes, not 1");
}

/// Runs both ranks of a communicator; what one throws fails the test.
template <typename Body>
void on_two_ranks(const Body& body) {
  auto comms = Comm::local(2);
  std::vector<std::thread> threads;
  for (Comm& comm : comms) {
    threads.emplace_back([&comm, &body] {
      try {
        body(comm);
      } catch (const Exception& error) {
        ADD_FAILURE() << error.what();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(MoeHeader, DuplicatesThenCallsThatWaitMoveTheirTokens) {
  on_two_ranks([](Comm& comm) {
    const std::vector<int> duplicates = {5, 5};
    banyan_moe_config config = config_of(BANYAN_MOE_EXPERT_MAJOR);
    config.duplicates = duplicates.data();
    MoeGroup group = MoeGroup::create(comm, config);
    MoeHandle handle = group.route(kChoices);
    const std::vector<float> tokens = {1, 2, 3, 4, 5, 6};
    std::vector<float> rows(handle.info().num_rows * 2 + 1), result(6);
    handle.dispatch<float>(0, tokens, rows);
    handle.combine<float>(0, rows, result);
    EXPECT_EQ(result, (std::vector<float>{2, 4, 6, 8, 10, 12}));
  });
}

TEST(MoeHeader, ARankWithoutTokensThenItAsksForGradientsOfWeightsToo) {
  on_two_ranks([](Comm& comm) {
    const bool empty = comm.rank() == 1;
    MoeGroup group = MoeGroup::create(comm, config_of(BANYAN_MOE_EXPERT_MAJOR));
    MoeHandle handle = group.route(empty ? std::vector<std::int64_t>() : kChoices);
    const std::vector<float> tokens(empty ? 0 : 6, 1.0F);
    std::vector<float> rows(handle.info().num_rows * 2), grad_rows(rows), weight_grads(tokens.size());
    handle.dispatch<float>(0, tokens, rows);
    handle.combine_backward<float>(0, tokens, grad_rows, MoeHandle::WeightGradients<float>{rows, weight_grads});
    EXPECT_EQ(weight_grads, std::vector<float>(tokens.size(), 2.0F));
  });
}

TEST(MoeHeader, ATurnThenWhatWasStartedBeforeIsDone) {
  on_two_ranks([](Comm& comm) {
    MoeGroup group = MoeGroup::create(comm, config_of(BANYAN_MOE_EXPERT_MAJOR));
    MoeHandle handle = group.route(kChoices);
    const std::vector<float> tokens(6, 1.0F);
    std::vector<float> rows(handle.info().num_rows * 2 + 1);
    MoeRequest dispatch = handle.dispatch_start<float>(0, tokens, rows);
    MoeRequest turn = group.start_turn();
    turn.wait();
    EXPECT_TRUE(dispatch.test());
  });
}

TEST(MoeHeader, SpansThatAreTooSmallThenNothingIsStarted) {
  auto comms = Comm::local(1);
  banyan_moe_config config = config_of(BANYAN_MOE_EXPERT_MAJOR);
  config.scale_bytes = 3;
  MoeGroup group = MoeGroup::create(comms[0], config);
  MoeHandle handle = group.route(kChoices);
  std::vector<float> enough(12), small(5);
  std::vector<std::uint8_t> scales(9), row_scales(18), few_scales(8);
  const auto dispatch = [&](std::span<const float> tokens, std::span<const std::uint8_t> beside, std::span<float> rows,
                            std::span<std::uint8_t> rows_beside) {
    return [&handle, tokens, beside, rows, rows_beside] {
      static_cast<void>(handle.dispatch_start<float, std::uint8_t>(0, tokens, beside, rows, rows_beside));
    };
  };
  expect_rejected(dispatch(small, scales, enough, row_scales), "tokens has 20 bytes, needs 24");
  expect_rejected(dispatch(enough, few_scales, enough, row_scales), "scales has 8 bytes, needs 9");
  expect_rejected(dispatch(enough, scales, small, row_scales), "rows has 20 bytes, needs 48");
  expect_rejected(dispatch(enough, scales, enough, few_scales), "row_scales has 8 bytes, needs 18");
  expect_rejected([&] { handle.combine<float>(0, small, enough); }, "rows has 20");
  expect_rejected([&] { handle.combine<float>(0, enough, small); }, "tokens has 20");
  expect_rejected([&] { handle.dispatch_backward<float>(0, enough, small); }, "grad_tokens has 20");
  expect_rejected(
      [&] {
        handle.combine_backward<float>(0, enough, enough, MoeHandle::WeightGradients<float>{enough, small});
      },
      "grad_weights has 20 bytes, needs 24");
  expect_rejected([&] { static_cast<void>(group.route(std::span(kChoices).first(5))); }, "topk_idx has 5 entries");
  dispatch(enough, scales, enough, row_scales)();  // its destructor waits
  EXPECT_EQ(enough[0], enough[2]);
}

}  // namespace
}  // namespace banyan
