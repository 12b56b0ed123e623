// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "moe/targets/share.hpp"

namespace banyan::moe {

/// beta-hat of a rank of each class and tier, to any scale: the mean over the ranks that it meets there of the pair's
/// 1 / bandwidth while all pairs are at work, each link's capacity divided by the pairs that cross it (TA-MoE, arXiv
/// 2302.09915, smooths the measured matrix per level of the tree; reference ta-moe-fastmoe.md, C4, for why the load
/// must be concurrent). Pairs are those of a rank with tokens and a rank with experts. A tier without pairs has 0.
[[nodiscard]] PerClass concurrent_beta(const Shape& shape, const std::vector<Limit>& limits);

/// log(beta-hat), the distance by which the closed form departs from even dispatch; 0 where beta is 0.
[[nodiscard]] PerClass log_beta(const PerClass& beta);

/// TA-MoE's closed form (arXiv 2302.09915): c_ie = k S / (E * beta_ij * sum over l of 1 / beta_il), j the owner of e;
/// where ranks have different numbers of experts, each expert of rank l counts: x_ij = k S n_j / beta_ij / sum over l
/// of n_l / beta_il. Rows have their sums, columns need not.
[[nodiscard]] Share closed_share(const Shape& shape, const PerClass& distance);

/// max over pairs of beta * bytes: the time in TA-MoE's model, of explicit beta in seconds per byte.
[[nodiscard]] double pairwise_time_s(const Shape& shape, const PerTier& beta, const Share& share, double total_bytes);

}  // namespace banyan::moe
