/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Dispatch targets: how many tokens each rank should send to each expert, for the sake of the network. Advice for a
 * gate's auxiliary loss or capacities; exchanges never depend on it. Targets are per source rank, so a gate whose
 * weights are equal on all ranks cannot follow them unless it is told its rank. docs/targets.md derives them and has an
 * example.
 */
#ifndef BANYAN_TARGETS_H
#define BANYAN_TARGETS_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Targets of all ranks. Immutable. Any thread. */
typedef struct banyan_targets banyan_targets;

/** By which rule targets are made. All keep each rank's tokens and each expert's part of all tokens. */
typedef enum banyan_targets_method {
  /** In proportion to bandwidth under load: c_ie = k S / (E beta_ij sum_l 1/beta_il) (TA-MoE, arXiv 2302.09915), then
      Sinkhorn-scaled so that experts get equal parts. */
  BANYAN_TARGETS_CLOSED = 0,
  /** The least transfer time that any targets have, all links shared, within 1e-6 of it; of those the most even. */
  BANYAN_TARGETS_EXACT = 1,
  /** The most even targets, of least Kullback-Leibler divergence from even dispatch, that fit budget_s. */
  BANYAN_TARGETS_BUDGETED = 2
} banyan_targets_method;

/** Tiers of `tier_s_per_byte`: domain (a rank itself too), node, rack, cluster. */
#define BANYAN_TARGETS_NUM_TIERS 4

/** What targets are wanted of. Start from BANYAN_TARGETS_CONFIG_INIT; zero means default. All is borrowed for the call.
 */
typedef struct banyan_targets_config {
  size_t struct_size;
  const banyan_topology* topology; /**< required; banyan_targets_from_comm: NULL */
  const banyan_profile* profile;   /**< NULL: nominal speeds; banyan_targets_from_comm: NULL */
  int num_experts;                 /**< of all ranks; required. An expert is on one rank, without replicas */
  const int* expert_rank; /**< [num_experts]: rank of each; NULL: blocks in order of ranks, the first ranks hold one
                               more where they do not divide. A rank may have any number, 0 too */
  const size_t* tokens;   /**< [num_ranks]: tokens of each rank, 0 too; NULL: tokens_per_rank */
  size_t tokens_per_rank; /**< S of every rank, when `tokens` is NULL */
  int top_k;              /**< experts that a token goes to; default 1 */
  size_t row_bytes;       /**< bytes of a token on the wire, hidden times bytes of an element; required */
  int method;             /**< a banyan_targets_method; default: CLOSED */
  double budget_s;        /**< BUDGETED: the longest transfer time, seconds */
  const double* tier_s_per_byte; /**< CLOSED: [BANYAN_TARGETS_NUM_TIERS] beta of a pair by tier, in place of topology's
                                      speeds; times are then max over pairs of beta * bytes. NULL: from the model */
  int unbalanced;                /**< CLOSED: 1 leaves out Sinkhorn's scaling; experts then get unequal parts */
} banyan_targets_config;

#define BANYAN_TARGETS_CONFIG_INIT \
  { sizeof(banyan_targets_config), 0, 0, 0, 0, 0, 0, 0, 0, BANYAN_TARGETS_CLOSED, 0, 0, 0 }

/**
 * Computes targets, without a communicator. A pure function: equal input gives equal targets on all ranks. Time grows
 * with the number of kinds of ranks, not with ranks squared. Any thread.
 * Transfer times are those of the cost model's links, max of bytes / capacity, without latency and cost per message,
 * which depend on the algorithm and not on the targets, and with every copy of a token on the wire, as without
 * deduplication. A budget that no targets meet is no error: banyan_targets_info.budget_met is 0, and the targets are
 * the exact ones. Errors: INVALID_ARGUMENT (the text names field, index, value and what is allowed), LIMIT (2^53 token
 * copies or more, bytes that overflow).
 */
BANYAN_API banyan_status banyan_targets_create(const banyan_targets_config* config, banyan_targets** targets);

/**
 * The same with the topology and profile of `comm`. Local, not collective: the same on every rank whose config is the
 * same. The communicator's thread.
 */
BANYAN_API banyan_status banyan_targets_from_comm(const banyan_comm* comm, const banyan_targets_config* config,
                                                  banyan_targets** targets);

/** What targets come to. Times in seconds, nominal or measured as `measured` says. */
typedef struct banyan_targets_info {
  size_t struct_size; /**< in: sizeof(banyan_targets_info) */
  int num_ranks;
  int num_experts;
  double even_time_s;     /**< transfer time of even dispatch: before */
  double time_s;          /**< of these targets: after */
  double least_time_s;    /**< of any targets; 0 with tier_s_per_byte */
  double divergence_nats; /**< from even dispatch, per token copy: sum of x ln(x / even) / all copies; 0: even */
  double gap_nats;        /**< EXACT, BUDGETED: by at most how much less it might be; CLOSED: 0 */
  double column_error;    /**< by how much an expert's sum misses its part, relative; 0 but for `unbalanced` */
  double most_per_token;  /**< largest c_ie / S_i; above 1 no gate gets there, as a token goes to an expert once */
  int budget_met;         /**< BUDGETED: whether time_s <= budget_s; 1 for other methods */
  int measured;           /**< 1: speeds come from a profile, 0: nominal */
} banyan_targets_info;

/** Fills `info`; its `struct_size` must be set. */
BANYAN_API banyan_status banyan_targets_get_info(const banyan_targets* targets, banyan_targets_info* info);

/**
 * c_hat of a rank: tokens that it should send to each expert, of sum top_k * its tokens. c_hat: [num_experts], written.
 * All zeros for a rank without tokens. Error: INVALID_ARGUMENT (no such rank).
 */
BANYAN_API banyan_status banyan_targets_row(const banyan_targets* targets, int rank, double* c_hat);

/**
 * The same by receiving rank, experts of a rank together: `weights` of banyan_weighted_options. tokens: [num_ranks].
 */
BANYAN_API banyan_status banyan_targets_rank_row(const banyan_targets* targets, int rank, double* tokens);

/**
 * Room for each expert in rows, by the rules of banyan_weighted_capacities with weights c_hat, rows top_k * the rank's
 * tokens, and this factor (0: 1) and least capacity: about ceil(factor * c_hat_ie), at least min_capacity where c_hat
 * is not 0. capacities: [num_experts]. Error: INVALID_ARGUMENT (rank; a factor that is negative, infinite or NaN).
 */
BANYAN_API banyan_status banyan_targets_capacities(const banyan_targets* targets, int rank, double factor,
                                                   size_t min_capacity, size_t* capacities);

/**
 * Weights of an auxiliary loss: p_ie = num_experts * (1 / c_ie) / sum over f of 1 / c_if. Their mean is 1, and even
 * targets give 1 for each, so that num_experts * sum over e of p_ie f_ie m_ie (f: fraction of the rank's tokens sent,
 * m: mean gate probability) is the plain loss of GShard and Switch then. A c_ie below 1/1000 of the rank's mean counts
 * as that, lest its weight be all there is; a rank without tokens has 1 for each. weights: [num_experts].
 */
BANYAN_API banyan_status banyan_targets_weights(const banyan_targets* targets, int rank, double* weights);

/**
 * Renders as TEXT (times before and after, tokens by kind of rank and tier) or JSON ("banyan-targets-1",
 * docs/targets.md). Free the text with banyan_string_free. Errors: NOT_SUPPORTED (another format), LIMIT (JSON of ranks
 * of more than 512 kinds).
 */
BANYAN_API banyan_status banyan_targets_export(const banyan_targets* targets, banyan_format format, char** text);

/** Frees targets. NULL is allowed. */
BANYAN_API void banyan_targets_free(banyan_targets* targets);

#ifdef __cplusplus
}
#endif

#endif
