// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/placement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "cost/profile.hpp"
#include "topology/discover.hpp"

namespace banyan::moe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A machine, and what terms borrow of it.
struct Machine {
  explicit Machine(const std::string& description)
      : tree(topology::LocalityTree::derive(topology::from_synthetic(description).value(description))),
        model(cost::nominal_model(tree)) {}

  [[nodiscard]] PlacementTerms terms(const std::vector<double>& load) const {
    PlacementTerms terms{.tree = tree, .model = model, .load = load, .rank_load = {}, .slots = {}, .home = {}};
    terms.num_experts = static_cast<int>(load.size());
    return terms;
  }

  topology::LocalityTree tree;
  cost::CostModel model;
};

TEST(Placement, UnreplicatedThenFirstFitDecreasing) {
  const Machine machine("1:4");
  const std::vector<double> load = {1, 10, 4, 1, 4};  // mean 5
  PlacementTerms terms = machine.terms(load);
  terms.slots_per_rank = 2;
  terms.max_replicas = 1;
  // 10 fits nowhere: rank 0. 4 fits on 1, 4 on 2, 1 on 1, 1 on 2.
  EXPECT_THAT(Placement::make(terms).replicas(),
              ElementsAre(ElementsAre(1), ElementsAre(0), ElementsAre(1), ElementsAre(2), ElementsAre(2)));
}

TEST(Placement, HotExpertThenReplicasInProportionOnDifferentHosts) {
  const Machine machine("4:2 nic=10gbit");
  const std::vector<double> load = {40, 5, 5, 5, 5, 5, 5, 5};  // n_0 = 8 * 40 / 75 = 4.3
  PlacementTerms terms = machine.terms(load);
  terms.slots_per_rank = 2;
  terms.max_replicas = 4;
  const Placement placement = Placement::make(terms);
  ASSERT_EQ(placement.replicas()[0].size(), 4U);
  std::set<int> hosts;
  for (const int rank : placement.replicas()[0]) {
    hosts.insert(placement.hosts().host_of(rank));
  }
  EXPECT_EQ(hosts.size(), 4U);
  EXPECT_NEAR(placement.figures().max_load_before, 40, 1e-9);
  EXPECT_LE(placement.figures().max_load, 10 + 1e-9);
  for (const int rank : {0, 2, 4, 6}) {  // all its rows stay in their host
    const auto shares = placement.shares(rank, 0);
    for (size_t i = 0; i < shares.size(); ++i) {
      EXPECT_NEAR(shares[i], placement.tree().same_host(rank, placement.replicas()[0][i]) ? 1 : 0, 1e-9);
    }
  }
}

TEST(Placement, RowsOfOneHostThenItsReplicasAreThere) {
  const Machine machine("2:2 nic=10gbit");
  const std::vector<double> rows = {0, 9, 0, 1,   //
                                    0, 9, 0, 1,   //
                                    9, 0, 0, 1,   //
                                    9, 0, 2, 1};  // experts 0 and 2 are used on host 1, expert 1 on host 0
  PlacementTerms terms = machine.terms({1, 1, 1, 1});
  terms.load = {};
  terms.rank_load = rows;
  terms.slots_per_rank = 2;
  const Placement placement = Placement::make(terms);
  for (const int rank : placement.replicas()[0]) {
    EXPECT_GE(rank, 2);
  }
  for (const int rank : placement.replicas()[1]) {
    EXPECT_LT(rank, 2);
  }
}

TEST(Placement, MoreCapacityIntoAHostThenItComesFirst) {
  const Machine machine("3:1 nic=[1gbit,10gbit,1gbit]");
  const std::vector<double> load = {3};
  PlacementTerms terms = machine.terms(load);
  terms.max_replicas = 1;
  EXPECT_THAT(Placement::make(terms).replicas(), ElementsAre(ElementsAre(1)));
}

TEST(Placement, SlotsPerRankNotGivenThenEachExpertOnce) {
  const Machine machine("1:3");
  const std::vector<double> load = {5, 5, 5, 5, 5, 5};
  const Placement placement = Placement::make(machine.terms(load));
  EXPECT_EQ(placement.num_replicas(), 6);
  EXPECT_NEAR(placement.figures().max_load, 10, 1e-9);
  EXPECT_EQ(placement.figures().max_load, placement.figures().max_load_before);
}

TEST(Placement, NoLoadThenExpertsAreSpread) {
  const Machine machine("2:2");
  const std::vector<double> load(4, 0);
  PlacementTerms terms = machine.terms(load);
  terms.slots_per_rank = 3;
  std::set<int> ranks;
  const Placement placement = Placement::make(terms);
  for (const auto& own : placement.replicas()) {
    ASSERT_EQ(own.size(), 1U);
    ranks.insert(own[0]);
  }
  EXPECT_EQ(ranks.size(), 4U);
}

TEST(Placement, FillSlotsThenMoreReplicasThanAskedForWhereRowsUseThem) {
  const Machine machine("4:1 nic=10gbit");
  const std::vector<double> load = {4, 4, 4, 4};
  PlacementTerms terms = machine.terms(load);
  terms.slots_per_rank = 4;
  EXPECT_EQ(Placement::make(terms).num_replicas(), 4);
  EXPECT_NEAR(Placement::make(terms).figures().remote_rows, 12, 1e-9);
  terms.fill_slots = true;
  EXPECT_EQ(Placement::make(terms).num_replicas(), 16);
  EXPECT_NEAR(Placement::make(terms).figures().remote_rows, 0, 1e-9);
}

/// Random terms with all that they borrow.
struct Case {
  explicit Case(const std::string& description) : machine(description) {}

  [[nodiscard]] PlacementTerms terms() const {
    return {.tree = machine.tree,
            .model = machine.model,
            .num_experts = num_experts,
            .load = load,
            .rank_load = rank_load,
            .slots = slots,
            .max_replicas = max_replicas,
            .home = home,
            .fill_slots = fill_slots,
            .balance_slack = balance_slack,
            .epoch = 7};
  }

  Machine machine;
  int num_experts = 0;
  std::vector<double> load;
  std::vector<double> rank_load;
  std::vector<int> slots;
  int max_replicas = 0;
  std::vector<int> home;
  bool fill_slots = false;
  double balance_slack = 0;
};

Case any_case() {
  Case c(*rc::gen::element<std::string>("1:4", "2:2 nic=10gbit", "3:[1,3,2] nic=[1gbit,10gbit,10gbit]",
                                        "4:2 nic=10gbit racks=[2,2] uplink=10gbit"));
  const auto ranks = static_cast<size_t>(c.machine.tree.num_ranks());
  const auto experts = *rc::gen::inRange<size_t>(1, 20);
  const auto rows = rc::gen::map(rc::gen::inRange(0, 100), [](int x) { return x < 20 ? 0 : std::exp(x / 15.0); });
  c.num_experts = static_cast<int>(experts);
  c.slots = *rc::gen::container<std::vector<int>>(ranks, rc::gen::inRange(0, 7));
  while (static_cast<size_t>(std::accumulate(c.slots.begin(), c.slots.end(), 0)) < experts) {
    ++*std::min_element(c.slots.begin(), c.slots.end());
  }
  const bool by_rank = *rc::gen::arbitrary<bool>();
  (by_rank ? c.rank_load : c.load) =
      *rc::gen::container<std::vector<double>>(by_rank ? ranks * experts : experts, rows);
  if (*rc::gen::arbitrary<bool>()) {
    std::vector<int> left = c.slots;
    for (size_t expert = 0; expert < experts; ++expert) {
      c.home.push_back(static_cast<int>(std::max_element(left.begin(), left.end()) - left.begin()));
      --left[static_cast<size_t>(c.home.back())];
    }
  }
  c.max_replicas = *rc::gen::inRange(0, 4);
  c.fill_slots = *rc::gen::arbitrary<bool>();
  c.balance_slack = *rc::gen::element(0.0, 0.2);
  return c;
}

void check_slots(const Case& c, const Placement& placement) {
  std::vector<int> used(c.slots.size(), 0);
  const int most = c.max_replicas == 0 ? static_cast<int>(used.size()) : c.max_replicas;
  for (size_t expert = 0; expert < placement.replicas().size(); ++expert) {
    const auto& ranks = placement.replicas()[expert];
    RC_ASSERT(!ranks.empty());
    RC_ASSERT(static_cast<int>(ranks.size()) <= most);
    RC_ASSERT(std::is_sorted(ranks.begin(), ranks.end(), std::less_equal<>()));  // each once
    if (!c.home.empty()) {
      RC_ASSERT(std::count(ranks.begin(), ranks.end(), c.home[expert]) == 1);
    }
    for (const int rank : ranks) {
      ++used[static_cast<size_t>(rank)];
    }
  }
  for (size_t rank = 0; rank < used.size(); ++rank) {
    RC_ASSERT(used[rank] <= c.slots[rank]);
  }
}

/// Adds up, source by source, what shares mean for loads and for rows between hosts.
void check_figures(const Case& c, const Placement& placement) {
  const int num_ranks = placement.hosts().num_ranks();
  std::vector<double> loads(static_cast<size_t>(num_ranks), 0);
  std::vector<std::vector<double>> used(static_cast<size_t>(c.num_experts));  // rows of each replica
  double remote = 0;
  double total = 0;
  for (int source = 0; source < num_ranks; ++source) {
    for (int expert = 0; expert < c.num_experts; ++expert) {
      const auto shares = placement.shares(source, expert);
      RC_ASSERT(std::abs(std::accumulate(shares.begin(), shares.end(), 0.0) - 1) < 1e-12);
      const double rows = c.load.empty() ? c.rank_load[static_cast<size_t>(source * c.num_experts + expert)]
                                         : c.load[static_cast<size_t>(expert)] / num_ranks;
      total += rows;
      used[static_cast<size_t>(expert)].resize(shares.size(), 0);
      for (size_t i = 0; i < shares.size(); ++i) {
        const int rank = placement.replicas()[static_cast<size_t>(expert)][i];
        RC_ASSERT(shares[i] >= 0);
        loads[static_cast<size_t>(rank)] += rows * shares[i];
        used[static_cast<size_t>(expert)][i] += rows * shares[i];
        remote += placement.tree().same_host(source, rank) ? 0 : rows * shares[i];
      }
    }
  }
  for (size_t expert = 0; expert < used.size(); ++expert) {
    for (size_t i = 0; i < used[expert].size() && used[expert].size() > 1; ++i) {
      if (c.home.empty() || placement.replicas()[expert][i] != c.home[expert]) {
        RC_ASSERT(used[expert][i] > 0);
      }
    }
  }
  const PlacementFigures& figures = placement.figures();
  const double close = 1e-9 * (total + 1);
  RC_ASSERT(std::abs(*std::max_element(loads.begin(), loads.end()) - figures.max_load) <= close);
  RC_ASSERT(std::abs(remote - figures.remote_rows) <= close);
  RC_ASSERT(std::abs(total / num_ranks - figures.mean_load) <= close);
  RC_ASSERT(figures.max_load <= figures.max_load_before + close);
  RC_ASSERT(figures.mean_load <= figures.max_load + close);
}

TEST(Placement, RandomThenAllItsPropertiesHold) {
  EXPECT_TRUE(rc::check([] {
    const auto c = any_case();
    const Placement placement = Placement::make(c.terms());
    RC_ASSERT(placement.num_experts() == c.num_experts);
    RC_ASSERT(placement.epoch() == 7U);
    check_slots(c, placement);
    check_figures(c, placement);
  }));
}

TEST(Placement, EqualInputThenEqualOutputAndDigest) {
  EXPECT_TRUE(rc::check([] {
    const auto c = any_case();
    const Placement first = Placement::make(c.terms());
    const Placement second = Placement::make(c.terms());
    RC_ASSERT(first.to_json() == second.to_json());
    RC_ASSERT(first.to_text() == second.to_text());
    RC_ASSERT(first.digest() == second.digest());
    const Placement later = first.with_epoch(8);
    RC_ASSERT(later.epoch() == 8U);
    RC_ASSERT(later.replicas() == first.replicas());
    RC_ASSERT(later.digest() != first.digest());
  }));
}

TEST(Placement, SplitThenAllRowsAndEachReplicaWithinOneOfItsShare) {
  EXPECT_TRUE(rc::check([] {
    const auto c = any_case();
    const Placement placement = Placement::make(c.terms());
    const int source = *rc::gen::inRange(0, placement.hosts().num_ranks());
    const int expert = *rc::gen::inRange(0, placement.num_experts());
    const auto rows = *rc::gen::inRange<size_t>(0, 100000);
    const auto counts = placement.split(source, expert, rows);
    const auto shares = placement.shares(source, expert);
    RC_ASSERT(std::accumulate(counts.begin(), counts.end(), size_t{0}) == rows);
    for (size_t i = 0; i < counts.size(); ++i) {
      RC_ASSERT(std::abs(static_cast<double>(counts[i]) - shares[i] * static_cast<double>(rows)) <= 1 + 1e-6);
      RC_ASSERT(shares[i] > 0 || counts[i] == 0);
    }
  }));
}

TEST(Placement, GivenReplicasThenTheseAndTheirShares) {
  const Machine machine("2:2");
  const std::vector<double> load = {8, 4};
  const std::vector<int> numbers = {2, 1};
  const std::vector<int> ranks = {3, 0, 1};
  const Placement placement = Placement::from_replicas(machine.terms(load), numbers.data(), ranks.data());
  EXPECT_THAT(placement.replicas(), ElementsAre(ElementsAre(0, 3), ElementsAre(1)));
  EXPECT_THAT(placement.shares(1, 0), ElementsAre(1, 0));
  EXPECT_THAT(placement.shares(2, 0), ElementsAre(0, 1));
  EXPECT_NEAR(placement.figures().max_load, 4, 1e-9);
  EXPECT_NEAR(placement.figures().remote_rows, 2, 1e-9);
}

template <typename Make>
void expect_error(const Make& make, banyan_status status, const std::string& text) {
  try {
    static_cast<void>(make());
    ADD_FAILURE() << "no error: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

template <typename Change>
void expect_rejected(const Change& change, const std::string& text) {
  const Machine machine("2:2");
  const std::vector<double> load = {1, 2, 3, 4, 5};
  PlacementTerms terms = machine.terms(load);
  change(terms);
  expect_error([&] { return Placement::make(terms); }, BANYAN_ERR_INVALID_ARGUMENT, text);
}

TEST(Placement, BadTermsThenNamed) {
  const std::vector<double> negative = {1, 2, -3, 4, 5};
  const std::vector<double> nan = {1, 2, 3, 4, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<double> huge(5, std::numeric_limits<double>::max());
  const std::vector<double> by_rank(20, 1);
  const std::vector<int> few = {1, 1, 1, 1};
  const std::vector<int> below = {9, -1, 1, 1};
  const std::vector<int> crowd = {0, 1, 0, 0, 2};
  const std::vector<int> beyond = {0, 1, 2, 3, 4};
  expect_rejected([](auto& t) { t.num_experts = 0; }, "num_experts is 0");
  expect_rejected([](auto& t) { t.load = {}; }, "load and rank_load are both NULL");
  expect_rejected([&](auto& t) { t.rank_load = by_rank; }, "both given");
  expect_rejected([&](auto& t) { t.load = negative; }, "load[2] is -3");
  expect_rejected([&](auto& t) { t.load = nan; }, "load[4] is nan");
  expect_rejected([&](auto& t) { t.load = huge; }, "not finite");
  expect_rejected([](auto& t) { t.slots_per_rank = -1; }, "slots_per_rank is -1");
  expect_rejected([](auto& t) { t.slots_per_rank = 1; }, "4 slots on all ranks are too few for 5 experts");
  expect_rejected([&](auto& t) { t.slots = few; }, "4 slots on all ranks are too few");
  expect_rejected([&](auto& t) { t.slots = below; }, "slots[1] is -1");
  expect_rejected([](auto& t) { t.max_replicas = -2; }, "max_replicas is -2");
  expect_rejected([&](auto& t) { t.home = crowd; }, "home[3] is 0, but rank 0 has 2 slots");
  expect_rejected([&](auto& t) { t.home = beyond; }, "home[4] is 4, must be a rank of 0 to 3");
  expect_rejected([](auto& t) { t.balance_slack = -0.5; }, "balance_slack is -0.5");
}

TEST(Placement, BadReplicasOrQuestionsThenNamed) {
  const Machine machine("1:2");
  const std::vector<double> load = {1, 1};
  const auto given = [&](std::vector<int> numbers, std::vector<int> ranks) {
    return Placement::from_replicas(machine.terms(load), numbers.data(), ranks.data());
  };
  expect_error([&] { return given({1, 0}, {0}); }, BANYAN_ERR_INVALID_ARGUMENT, "num_replicas[1] is 0");
  expect_error([&] { return given({1, 3}, {0, 0, 1, 1}); }, BANYAN_ERR_INVALID_ARGUMENT, "num_replicas[1] is 3");
  expect_error([&] { return given({1, 1}, {0, 2}); }, BANYAN_ERR_INVALID_ARGUMENT, "ranks of expert 1 have 2");
  expect_error([&] { return given({2, 1}, {1, 1, 0}); }, BANYAN_ERR_INVALID_ARGUMENT, "ranks of expert 0 have 1 twice");
  const Placement placement = given({1, 1}, {0, 1});
  expect_error([&] { return placement.shares(2, 0).size(); }, BANYAN_ERR_INVALID_ARGUMENT, "source_rank is 2");
  expect_error([&] { return placement.shares(0, -1).size(); }, BANYAN_ERR_INVALID_ARGUMENT, "expert is -1");
  expect_error([&] { return placement.split(0, 0, size_t{1} << 53); }, BANYAN_ERR_LIMIT, "below 2^53");
  EXPECT_THAT(placement.split(0, 0, 0), ElementsAre(0));
}

}  // namespace
}  // namespace banyan::moe
