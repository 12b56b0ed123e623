// SPDX-License-Identifier: Apache-2.0
#include "profiler/clusters.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

namespace banyan::profiler {
namespace {

/// Evidence for the clusters that `labels` names, with the sign of one pair in 20 turned if `seed` is not 0.
Evidence evidence_of(const std::vector<int>& labels, unsigned seed) {
  std::mt19937 random(seed);
  Evidence evidence(static_cast<int>(labels.size()));
  for (int a = 0; a < evidence.count(); ++a) {
    for (int b = 0; b < a; ++b) {
      const bool same = labels[static_cast<size_t>(a)] == labels[static_cast<size_t>(b)];
      const bool flip = seed != 0 && random() % 20 == 0;
      evidence.set(a, b, same != flip ? 1 : -1);
    }
  }
  return evidence;
}

Clusters clusters_of(const std::vector<int>& labels) {
  Clusters clusters;
  std::map<int, size_t> number;
  for (size_t item = 0; item < labels.size(); ++item) {
    const auto [found, is_new] = number.try_emplace(labels[item], clusters.size());
    clusters.resize(number.size());
    clusters[found->second].push_back(static_cast<int>(item));
  }
  return clusters;
}

double sum_inside(const Evidence& evidence, const Clusters& clusters) {
  double sum = 0;
  for (const auto& items : clusters) {
    for (const int a : items) {
      for (const int b : items) {
        sum += a < b ? evidence.get(a, b) : 0;
      }
    }
  }
  return sum;
}

TEST(Clusters, NoItemsThenNone) { EXPECT_TRUE(cluster(Evidence(0)).empty()); }

TEST(Clusters, NoEvidenceThenEachAlone) { EXPECT_EQ(cluster(Evidence(3)), (Clusters{{0}, {1}, {2}})); }

TEST(Clusters, OnePairDeniesWhatManySayThenTheManyCount) {
  Evidence evidence = evidence_of({0, 0, 0, 0, 0, 0}, 0);
  evidence.set(0, 1, -1);
  EXPECT_EQ(cluster(evidence), (Clusters{{0, 1, 2, 3, 4, 5}}));
}

TEST(Clusters, CleanEvidenceThenAnyPartitionIsFound) {
  EXPECT_TRUE(rc::check([] {
    const auto labels = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5));
    RC_ASSERT(cluster(evidence_of(labels, 0)) == clusters_of(labels));
  }));
}

TEST(Clusters, AFewWrongSignsThenNoWorseThanTheTruth) {
  EXPECT_TRUE(rc::check([] {
    std::vector<int> labels;
    const int size = *rc::gen::inRange(8, 14);
    for (int item = 0; item < 4 * size; ++item) {
      labels.push_back(item % 4);
    }
    const Evidence evidence = evidence_of(labels, *rc::gen::inRange(1U, 1000000U));
    RC_ASSERT(sum_inside(evidence, cluster(evidence)) >= sum_inside(evidence, clusters_of(labels)));
  }));
}

}  // namespace
}  // namespace banyan::profiler
