// SPDX-License-Identifier: Apache-2.0
// What others published of all-to-alls on their clusters, reproduced by the model in direction and order. Figures are
// theirs where a comment names the source; nothing here was fitted to make a test pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cost/profile.hpp"
#include "planner/plan.hpp"
#include "planner/traffic_matrix.hpp"
#include "simulator/simulate.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;

constexpr double kMiB = 1 << 20;

/// Hosts of GPUs, all alike.
struct Cluster {
  int gpus_per_host = 8;
  double host_bytes_per_s = 0;  ///< all NICs of a host together
  double flow_bytes_per_s = 0;  ///< one NIC
  cost::TierCost domain;
  double alpha_s = 0;           ///< between hosts
  double overhead_s = 0;        ///< between hosts
  double copy_bytes_per_s = 0;  ///< one GPU
};

/// A cluster of so many hosts.
struct Machines {
  Machines(const Cluster& cluster, int num_hosts)
      : tree(
            tree_of(std::vector<int>(static_cast<size_t>(num_hosts), cluster.gpus_per_host), cluster.flow_bytes_per_s)),
        hosts(tree),
        model(cost::nominal_model(tree)) {
    for (const int host : tree.at_tier(Tier::kNode)) {
      model.subtrees[static_cast<size_t>(host)] = {cluster.host_bytes_per_s, cluster.host_bytes_per_s, false};
    }
    for (const Tier tier : {Tier::kRack, Tier::kCluster}) {
      model.tiers[static_cast<size_t>(tier)] = {
          .alpha_s = cluster.alpha_s, .overhead_s = cluster.overhead_s, .flow_bytes_per_s = cluster.flow_bytes_per_s};
    }
    model.tiers[static_cast<size_t>(Tier::kDomain)] = cluster.domain;
    model.copy_bytes_per_s = cluster.copy_bytes_per_s;
    model.host_copy_bytes_per_s = cluster.gpus_per_host * cluster.copy_bytes_per_s;
  }
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  [[nodiscard]] Prediction predict(size_t block_bytes, const std::string& algorithm) const {
    return choose_uniform({tree, hosts, model}, block_bytes, {.algorithm = algorithm}).chosen.prediction;
  }
  /// How many times as long as `other` the first takes; `bytes`: one rank's whole send buffer.
  [[nodiscard]] double ratio(double bytes, const std::string& algorithm, const std::string& other) const {
    const auto block = static_cast<size_t>(bytes / tree.num_ranks());
    return predict(block, algorithm).total_s() / predict(block, other).total_s();
  }

  topology::LocalityTree tree;
  Hosts hosts;
  cost::CostModel model;
};

/// What NCCL's own model charges for a network post: getNetOverhead in src/graph/tuning.cc (NVIDIA/nccl@b6475625). In
/// the model of this library a message is one post at each end, o.
constexpr double kNcclPostAmdS = 2.0e-6;
constexpr double kNcclPostOtherS = 1.0e-6;

/// Azure NDv4 of Tutel (arXiv 2206.03382): 8 A100, 8 x 200 Gbit/s HDR and AMD EPYC processors a node (section 5).
/// - one all-to-all inside a node: 128 MiB per GPU in 600 us at best (their A.2), of which 7/8 cross NVLink: 196 GB/s;
/// - 2DH moves each byte once over NVLink and copies it twice by strided kernels; HBM2e at 2.0 TB/s reads and writes
/// it,
///   at 80 % of its peak 0.8 TB/s copied. Together 3 touches in 1/196 + 2/800 s per GB: 395 GB/s a touch;
/// - start of an exchange inside a node: 16.5 us (NCCL took 24.3 us for 1.8 MB of which the link takes 7.8, two H200,
///   reference/gpu-anchors.md), between nodes 19 us (8 bytes over HDR, two A100 nodes, NVIDIA/nccl-tests#150).
Cluster ndv4(double overhead_s = kNcclPostAmdS) {
  return {.gpus_per_host = 8,
          .host_bytes_per_s = 200e9,
          .flow_bytes_per_s = 25e9,
          .domain = {.alpha_s = 16.5e-6, .overhead_s = 0.1e-6, .flow_bytes_per_s = 196e9},
          .alpha_s = 19e-6,
          .overhead_s = overhead_s,
          .copy_bytes_per_s = 395e9};
}

/// 2DH is hierarchical(rail) on even hosts: gather by destination's place in the node, then one message per rail peer.
double two_dh_over_linear(double bytes, int gpus, const Cluster& cluster = ndv4()) {
  return Machines(cluster, gpus / 8).ratio(bytes, "hierarchical(rail)", "direct");
}

/// The fewest GPUs, of 16, 32, 64 and so on, of which `ratio` says that 2DH wins.
template <typename Ratio>
int first_win(Ratio ratio) {
  int gpus = 16;
  while (gpus <= 1 << 13 && ratio(gpus) >= 1) {
    gpus *= 2;
  }
  return gpus;
}

TEST(Tutel, OneMebibyteThen2dhWinsAtTheirSmallestScaleAndGainsWithEachDoubling) {
  // Appendix A.5, from 64 GPUs on: the algorithm of "lower gradient".
  double before = 1;
  for (const int gpus : {64, 128, 256, 512, 1024, 2048, 4096}) {
    const double ratio = two_dh_over_linear(kMiB, gpus);
    EXPECT_LT(ratio, before) << gpus;
    before = ratio;
  }
}

TEST(Tutel, LargerBuffersThen2dhWinsOnlyAtLargerScale) {
  // Appendix A.5: at 32 and 256 MiB not at 64 GPUs, and later the larger the buffer.
  const auto wins_from = [](double bytes) {
    return first_win([bytes](int gpus) { return two_dh_over_linear(bytes, gpus); });
  };
  EXPECT_GT(wins_from(32 * kMiB), 64);
  EXPECT_LE(wins_from(32 * kMiB), 2048);
  EXPECT_GT(wins_from(256 * kMiB), wins_from(32 * kMiB));
  EXPECT_LE(wins_from(256 * kMiB), 2048);
}

/// The same by the simulator.
double simulated_two_dh_over_linear(double bytes, int gpus) {
  const Machines machines(ndv4(), gpus / 8);
  const auto block = static_cast<size_t>(bytes / gpus);
  const auto simulated_s = [&](const std::string& algorithm) {
    const Plan plan = make_plan({machines.tree, machines.hosts, machines.model}, uniform(block),
                                {.algorithm = algorithm}, size_t{1} << 30);
    const std::vector<uint64_t> sizes(static_cast<size_t>(gpus * gpus), block);
    return simulator::simulate(plan.schedule, {gpus, sizes}, machines.tree, machines.model).total_s;
  };
  return simulated_s("hierarchical(rail)") / simulated_s("direct");
}

TEST(Tutel, SimulatedThen2dhLosesAndWinsAsTheyFound) {
  EXPECT_LT(simulated_two_dh_over_linear(kMiB, 64), 1);
  EXPECT_LT(simulated_two_dh_over_linear(kMiB, 128), 1);
  // 32 MiB: not at 64, and less of a loss with each doubling.
  double before = 2;
  for (const int gpus : {16, 32, 64, 128}) {
    const double ratio = simulated_two_dh_over_linear(32 * kMiB, gpus);
    EXPECT_LT(ratio, before) << gpus;
    before = ratio;
    if (gpus <= 64) {
      EXPECT_GT(ratio, 1) << gpus;
    }
  }
}

/// Geometric mean over buffers from 8 to 512 MiB. Table 6a's 243 settings have 4, 16 and 64 Ki tokens a GPU of 1, 2 and
/// 4 Ki channels (section 5.1.2), in half precision.
double mean_ratio(int gpus, const Cluster& cluster = ndv4()) {
  double product = 1;
  int count = 0;
  for (double bytes = 8 * kMiB; bytes <= 512 * kMiB; bytes *= 2) {
    product *= two_dh_over_linear(bytes, gpus, cluster);
    ++count;
  }
  return std::pow(product, 1.0 / count);
}

TEST(Tutel, TheirSizesThen2dhLosesUpTo128GpusWinsFrom256AndGainsWithEachDoubling) {
  // Table 6a, 2DH over linear: 2.01/1.20, 1.45/1.16, 1.28/1.13, 1.16/1.09, 1.12/1.20 = 1.68, 1.25, 1.13, 1.06, 0.93 at
  // 16 to 256 GPUs. Of whole layers: expert computation dilutes the ratios, it does not move where they are 1.
  double before = 2;
  for (const int gpus : {16, 32, 64, 128, 256, 512, 1024, 2048}) {
    const double ratio = mean_ratio(gpus);
    EXPECT_LT(ratio, before) << gpus;
    before = ratio;
  }
  EXPECT_GT(mean_ratio(128), 1);
  EXPECT_LT(mean_ratio(256), 1);
}

TEST(Tutel, OtherReadingsOfNcclsConstantThenTheCrossingMovesByADoubling) {
  // NCCL's model charges a ring's step, a message sent and one received, one post with protocol LL and three with
  // Simple: o of 1 and 3 us. A post an end is between them, and so is the crossing.
  const auto wins_from = [](double posts_per_end) {
    const Cluster cluster = ndv4(posts_per_end * kNcclPostAmdS);
    return first_win([&cluster](int gpus) { return mean_ratio(gpus, cluster); });
  };
  EXPECT_EQ(wins_from(0.5), 512);
  EXPECT_EQ(wins_from(1.0), 256);
  EXPECT_EQ(wins_from(1.5), 128);
}

/// Out-of-place times of nccl-tests' alltoall_perf, 1 MiB to 4 GiB a GPU, on 64 NDv4 nodes: NCCL, and MSCCL's two-step
/// algorithm, which is 2DH (microsoft/msccl-leaderboard, data/64xNDv4/Alltoall-outofplace, 11 January 2022).
struct Measured {
  double mebibytes;
  double linear_us;
  double two_step_us;
};
constexpr Measured kMscclOn512[] = {
    {1, 2542.6, 764.4},   {2, 3320.9, 1027.6},    {4, 2808.1, 683.4},    {8, 5973, 1165.9},   {16, 11926, 2993.8},
    {32, 4553.1, 3511.6}, {64, 10768, 6588.5},    {128, 14770, 9820.3},  {256, 22228, 16635}, {512, 42110, 30972},
    {1024, 70684, 57037}, {2048, 130362, 111111}, {4096, 246847, 214405}};

TEST(Msccl, SmallBuffersOn512GpusThenTheTimeOfNcclsMessages) {
  // 504 messages to other nodes in 2.5 ms are 5.0 us each, sent and received; NCCL's constant says 4.
  const double predicted_s = Machines(ndv4(), 64).predict(static_cast<size_t>(kMiB / 512), "direct").total_s();
  EXPECT_NEAR(predicted_s, kMscclOn512[0].linear_us * 1e-6, 0.25 * kMscclOn512[0].linear_us * 1e-6);
}

TEST(Msccl, BuffersUpTo64MebibytesOn512GpusThenTwoStepWinsAndLessTheLargerTheBuffer) {
  // Theirs wins at all sizes, 3.3 times at 1 MiB, 1.15 times at 4 GiB. Of larger buffers the model says that it loses,
  // by up to 14 %: docs/planning.md.
  double before = 0;
  for (const Measured& measured : kMscclOn512) {
    const double ratio = two_dh_over_linear(measured.mebibytes * kMiB, 512);
    EXPECT_GT(ratio, before) << measured.mebibytes;
    before = ratio;
    if (measured.mebibytes <= 64) {
      EXPECT_EQ(ratio < 1, measured.two_step_us < measured.linear_us) << measured.mebibytes;
    }
  }
}

/// HetuMoE (arXiv 2203.14685): nodes of 8 TITAN RTX on PCIe 3 (x16: 16 GB/s) with one NIC of 100 Gbit/s; 672 GB/s of
/// GDDR6 read and write each copied byte. Start costs as on NDv4; their processors are not named, so a message costs
/// what NCCL charges where it is not told better. That GPUs of a host share a NIC's messages, g, is not assumed: 448
/// messages of 16 KiB of 8 A100 with one card took at most 0.13 us each beyond their bytes (microsoft/msccl#48).
Cluster hetu(int nics, double overhead_s = kNcclPostOtherS) {
  Cluster cluster = ndv4(overhead_s);
  cluster.host_bytes_per_s = 12.5e9 * nics;
  cluster.flow_bytes_per_s = 12.5e9;
  cluster.domain.flow_bytes_per_s = 16e9;
  cluster.copy_bytes_per_s = 0.8 * 672e9 / 2;
  return cluster;
}

/// Aggregation of a node's messages for another into one, over one message per pair of GPUs: what HetuMoE gains.
double aggregation_gain(double bytes, const Cluster& cluster, int hosts) {
  return Machines(cluster, hosts).ratio(bytes, "direct", "hierarchical(node)");
}

TEST(HetuMoe, OneNicPerNodeThenAggregationGainsAndMoreOnMoreNodes) {
  // 1.66x on 4 nodes of 8 and 2x on 8 (from memory of the paper, sizes unknown: reference notes 1.4).
  for (const double post_s : {kNcclPostOtherS, kNcclPostAmdS}) {
    const double on_four = aggregation_gain(kMiB / 16, hetu(1, post_s), 4);
    EXPECT_GT(on_four, 1.1);
    EXPECT_GT(aggregation_gain(kMiB / 16, hetu(1, post_s), 8), on_four);
  }
}

TEST(HetuMoe, OneNicPerNodeAndLargeBuffersThenTheNicIsTheLimitOfBoth) {
  for (const int hosts : {4, 8}) {
    EXPECT_NEAR(aggregation_gain(16 * kMiB, hetu(1), hosts), 1, 0.05) << hosts;
  }
}

TEST(HetuMoe, ANicForEachGpuThenAggregationThroughOneGpuForfeitsThem) {
  // Reference notes 1.1: with k NICs a leader forfeits (k - 1)/k of the bandwidth. On two nodes one GPU leads.
  const double with_one = aggregation_gain(64 * kMiB, hetu(1), 2);
  const double with_eight = aggregation_gain(64 * kMiB, hetu(8), 2);
  EXPECT_GT(with_one, 0.5);    // the one NIC is the limit for both
  EXPECT_LT(with_eight, 0.3);  // an eighth of the wires is used
}

/// Bytes that the fullest rank and the fullest host send, as multiples of one rank's send buffer.
std::pair<double, double> egress_per_buffer(int gpus_per_host, int num_hosts) {
  Cluster cluster = ndv4();
  cluster.gpus_per_host = gpus_per_host;
  const Machines machines(cluster, num_hosts);
  const size_t block = 1024;
  const Plan plan =
      make_plan({machines.tree, machines.hosts, machines.model}, uniform(block), {.algorithm = "direct"}, 0);
  std::vector<double> sent(static_cast<size_t>(plan.num_ranks));
  for (size_t i = 0; i < plan.schedule.messages.size(); ++i) {
    sent[static_cast<size_t>(plan.schedule.messages[i].from)] += static_cast<double>(plan.message_bytes[i]);
  }
  double host = 0;
  for (const LinkLoad& link : plan.movement.links) {
    host = std::max(host, static_cast<double>(link.bytes));
  }
  const double buffer = static_cast<double>(block) * plan.num_ranks;
  return {*std::max_element(sent.begin(), sent.end()) / buffer, host / buffer};
}

TEST(FasterMoe, UniformRoutingThenTheTrafficOfItsClusters) {
  // E3: worker traffic (MN - 1)/(MN), node traffic M(N - 1)/N of a worker's batch; "johnny" 8 x 2, "trevor" 4 x 16.
  EXPECT_EQ(egress_per_buffer(8, 2), std::pair(0.9375, 4.0));
  EXPECT_EQ(egress_per_buffer(4, 16), std::pair(0.984375, 3.75));
}

/// What dispatching in proportion to bandwidth gains over even dispatch, hosts of 8: {bound, prediction}. The pairwise
/// bandwidths of TA-MoE are each pair's share while all pairs are at work (reference notes C4): outside 1, inside
/// `rho`.
std::pair<double, double> uneven_gain(int num_ranks, double rho) {
  constexpr int kRanks = 8;
  constexpr double kPair = 1e8;  // bytes/s of a pair of hosts' ranks
  Cluster cluster;
  cluster.host_bytes_per_s = kPair * kRanks * (num_ranks - kRanks);
  cluster.copy_bytes_per_s = 2 * (kRanks - 1) * rho * kPair;  // each byte is written and read
  const Machines machines(cluster, num_ranks / kRanks);
  const double sent = 1e6 * num_ranks;
  const double outside = sent / (kRanks * rho + (num_ranks - kRanks));  // bytes of a pair, TA-MoE's closed form
  const auto demand = [&](double in_host, double between) {
    TrafficMatrix matrix{num_ranks, std::vector<uint64_t>(static_cast<size_t>(num_ranks * num_ranks))};
    for (int i = 0; i < num_ranks; ++i) {
      for (int j = 0; j < num_ranks; ++j) {
        matrix.at(i, j) = static_cast<uint64_t>(i / kRanks == j / kRanks ? in_host : between);
      }
    }
    return matrix;
  };
  const auto plan = [&](const TrafficMatrix& matrix) {
    return outline_plan({machines.tree, machines.hosts, machines.model}, of(matrix.bytes), {.algorithm = "direct"});
  };
  const TrafficMatrix even = demand(1e6, 1e6);
  const TrafficMatrix uneven = demand(outside * rho, outside);
  const Plan slow = plan(even);
  const Plan fast = plan(uneven);
  return {slow.lower_bound_s / fast.lower_bound_s,
          slow.choice.chosen.prediction.total_s() / fast.choice.chosen.prediction.total_s()};
}

TEST(TaMoe, DispatchByBandwidthThenTheGainOfThePairwiseModel) {
  // E12: (m rho + P - m)/P for hosts of m = 8: 4.50, 2.75, 2.17, 1.875 with rho 8; 2.50, 1.75, 1.50, 1.375 with rho 4.
  for (const double rho : {8.0, 4.0}) {
    double before = std::numeric_limits<double>::infinity();
    for (const int ranks : {16, 32, 48, 64}) {
      const auto [bound, prediction] = uneven_gain(ranks, rho);
      EXPECT_NEAR(bound, (8 * rho + ranks - 8) / ranks, 0.001) << ranks;
      EXPECT_GT(prediction, 1) << ranks;
      EXPECT_LT(prediction, before) << ranks;
      before = prediction;
    }
  }
  EXPECT_GT(uneven_gain(16, 8).second, uneven_gain(16, 4).second);
}

}  // namespace
}  // namespace banyan::planner
