// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/hosts.hpp"
#include "schedule/schedule.hpp"

/// Bruck's index algorithm (Bruck, Ho, Kipnis, Upfal, Weathersby, IEEE TPDS 8(11), 1997) of radix r over hosts: few
/// messages, for which each byte crosses the network several times. Right for tiny messages on many hosts.
///
/// P ranks, n hosts of m ranks, b bytes per pair. The distance D of two hosts on the ring of hosts is written in base
/// r. A block of distance D travels one hop for each digit of D that is not 0, lowest first: in round k, K = ceil(log_r
/// n) of them, from host x to host x + z r^k for digit z. All blocks of a host for the same (k, z) make one message.
/// - messages between hosts: at most n K (r - 1), K rounds; with r >= n those of hierarchical(node);
/// - bytes between hosts: m^2 n b H, H = the sum over D = 1 .. n - 1 of its digits that are not 0, about
///   (n - 1) K (r - 1) / r;
/// - in a host: before, after and between rounds blocks move between the ranks that carry the messages, (k, z) dealt
///   round them; with one rank a host none do.
/// Hosts may have different numbers of ranks.
namespace banyan::planner::bruck {

/// How to build. The same on all ranks.
struct Options {
  int radix = 2;                 ///< at least 2
  bool mapped = true;            ///< messages between ranks that share memory are kMapped
  bool self_describing = false;  ///< all-to-all-v: headers carry the sizes
};

/// What a distance means in a radix; of `num_hosts` hosts.
class Digits {
 public:
  Digits(int num_hosts, int radix);

  [[nodiscard]] int num_hosts() const noexcept { return num_hosts_; }
  [[nodiscard]] int radix() const noexcept { return radix_; }
  /// K.
  [[nodiscard]] int num_rounds() const noexcept { return static_cast<int>(powers_.size()); }
  /// r^round.
  [[nodiscard]] int power(int round) const { return powers_[static_cast<size_t>(round)]; }
  [[nodiscard]] int digit(int distance, int round) const { return distance / power(round) % radix_; }
  /// The first round from `round` on in which the distance has a digit that is not 0; num_rounds() if none.
  [[nodiscard]] int next_round(int distance, int round) const;
  /// Hops of a block.
  [[nodiscard]] int num_hops(int distance) const;
  /// Whether any block travels in this round by that digit.
  [[nodiscard]] bool used(int round, int digit) const { return digit * power(round) < num_hosts_; }
  /// Pairs of hosts whose blocks are in one message of this round and digit.
  [[nodiscard]] int num_pairs(int round, int digit) const;

 private:
  int num_hosts_;
  int radix_;
  std::vector<int> powers_;
};

/// The rank's part.
[[nodiscard]] schedule::RankSchedule build(const Hosts& hosts, int rank, const Options& options);

}  // namespace banyan::planner::bruck
