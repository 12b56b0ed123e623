/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Gates: from scores to topk_idx and topk_weights on the host, and what capacities make of them. docs/gates.md has the
 * formulas, their sources and what each gate means for the exchange.
 *
 * All functions here are pure: the same input gives the same output, on any thread and any number of them. They are
 * for reference and for gates on the host; the library takes choices of any gate. Arithmetic is in double. Equal scores
 * are decided for the lower expert index, equal tokens for the lower token index. Arrays are borrowed for the call.
 *
 * Shapes: scores [num_tokens, num_experts] float, row-major; topk_idx [num_tokens, top_k] int64, an expert or -1: no
 * choice, or one that was dropped; topk_weights [num_tokens, top_k] float, 0 where topk_idx is -1. num_tokens may be 0,
 * with NULL arrays.
 *
 * Errors of all: INVALID_ARGUMENT, the text names field, place and value: a NULL pointer, a struct_size that is not
 * known, a score that is NaN or infinite, an option out of range. LIMIT: a product of sizes that overflows.
 */
#ifndef BANYAN_GATE_H
#define BANYAN_GATE_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a gate says of each token and expert. Start from BANYAN_GATE_SCORES_INIT. */
typedef struct banyan_gate_scores {
  size_t struct_size;
  const float* values; /**< [num_tokens, num_experts]: logits, or weights for BANYAN_GATE_IDENTITY; finite */
  size_t num_tokens;
  size_t num_experts; /**< 1 to 2^31 - 1 */
} banyan_gate_scores;

#define BANYAN_GATE_SCORES_INIT \
  { sizeof(banyan_gate_scores), 0, 0, 0 }

/** What turns scores into weights. */
typedef enum banyan_gate_activation {
  BANYAN_GATE_SOFTMAX = 0,           /**< over all experts, then chosen (Switch, GShard) */
  BANYAN_GATE_SOFTMAX_OF_CHOSEN = 1, /**< over the chosen ones only (Mixtral: arXiv 2401.04088, section 2.1) */
  BANYAN_GATE_SIGMOID = 2,           /**< of each score (DeepSeek-V3: arXiv 2412.19437, equation 15) */
  BANYAN_GATE_IDENTITY = 3           /**< scores are weights */
} banyan_gate_activation;

/** How a group of experts is graded, from activated scores plus bias. */
typedef enum banyan_gate_group_score {
  BANYAN_GATE_GROUP_MAX = 0,      /**< its best expert (DeepSeek-V2: arXiv 2405.04434, device-limited routing) */
  BANYAN_GATE_GROUP_TOP2_SUM = 1, /**< its two best (DeepSeek-V3: arXiv 2412.19437, section 2.1.2, its K_r/M being 2) */
  BANYAN_GATE_GROUP_SUM = 2       /**< all its experts (SAM in HetuMoE: arXiv 2203.14685) */
} banyan_gate_group_score;

/** How the second of two choices is made. */
typedef enum banyan_gate_second {
  BANYAN_GATE_SECOND_BEST = 0,
  BANYAN_GATE_SECOND_BY_WEIGHT = 1, /**< kept with probability min(1, 2 g2 / (g1 + g2)) (GShard: arXiv 2006.16668,
                                         algorithm 1), else -1; the first keeps the weight that it has beside it */
  BANYAN_GATE_SECOND_GUMBEL = 2     /**< best of the others after Gumbel noise on the keys that choose (DeepSpeed's
                                         top2_2nd_expert_sampling, sharded_moe.py) */
} banyan_gate_second;

/** Options of banyan_gate_topk. Start from BANYAN_GATE_TOPK_OPTIONS_INIT. */
typedef struct banyan_gate_topk_options {
  size_t struct_size;
  size_t top_k;      /**< experts of each token; default 1 */
  int activation;    /**< a banyan_gate_activation */
  int renormalize;   /**< not 0: weights of a token are divided by their sum (unless that is 0) */
  double scale;      /**< weights are multiplied by it at last (routed_scaling_factor); default 1 */
  const float* bias; /**< [num_experts]: added to activated scores to choose only (arXiv 2408.15664); or NULL */
  size_t num_groups; /**< groups of num_experts / num_groups consecutive experts; default 1; divides num_experts */
  size_t top_groups; /**< experts come from this many best groups only; default: all. 1: SAM; more: node-limited */
  int group_score;   /**< a banyan_gate_group_score */
  int second;        /**< a banyan_gate_second; other than BEST needs top_k 2 */
  uint64_t seed;     /**< of `second`; draws depend on seed, token and expert, so ranks need different seeds */
} banyan_gate_topk_options;

#define BANYAN_GATE_TOPK_OPTIONS_INIT \
  { sizeof(banyan_gate_topk_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * The top_k best experts of each token, best first. Without a bias scores are compared, with one activated scores plus
 * bias. Weights: activated scores of the chosen, renormalised and scaled as options say. options NULL: Switch (arXiv
 * 2101.03961, section 2.1). topk_idx, topk_weights: [num_tokens, top_k].
 */
BANYAN_API banyan_status banyan_gate_topk(const banyan_gate_scores* scores, const banyan_gate_topk_options* options,
                                          int64_t* topk_idx, float* topk_weights);

/**
 * The biases of the next step (auxiliary-loss-free balancing: Wang et al., arXiv 2408.15664, algorithm 1): bias[e]
 * rises by `rate` where counts[e] is below the mean, and falls by it above. counts: [num_experts], choices of all
 * ranks. bias: [num_experts], changed in place, on success only. The paper's rate is 0.001.
 */
BANYAN_API banyan_status banyan_gate_update_bias(const size_t* counts, size_t num_experts, double rate, float* bias);

/** Options of banyan_gate_ktop1. Start from BANYAN_GATE_KTOP1_OPTIONS_INIT. */
typedef struct banyan_gate_ktop1_options {
  size_t struct_size;
  size_t num_prototypes; /**< default 1; divides num_experts */
  int renormalize;       /**< not 0: weights of a token are divided by their sum */
} banyan_gate_ktop1_options;

#define BANYAN_GATE_KTOP1_OPTIONS_INIT \
  { sizeof(banyan_gate_ktop1_options), 0, 0 }

/**
 * k top-1 (M6-T: arXiv 2105.15082): experts are num_prototypes ranges of consecutive ones; choice i is the
 * best of range i, weighted by the softmax of that range. topk_idx, topk_weights: [num_tokens, num_prototypes].
 */
BANYAN_API banyan_status banyan_gate_ktop1(const banyan_gate_scores* scores, const banyan_gate_ktop1_options* options,
                                           int64_t* topk_idx, float* topk_weights);

/** Options of banyan_gate_hash. Start from BANYAN_GATE_HASH_OPTIONS_INIT. */
typedef struct banyan_gate_hash_options {
  size_t struct_size;
  size_t num_experts;   /**< required */
  uint64_t seed;        /**< equal on all ranks, so that a token id has one expert everywhere */
  const int64_t* table; /**< [table_size]: expert of each token id; NULL: a hash decides */
  size_t table_size;
} banyan_gate_hash_options;

#define BANYAN_GATE_HASH_OPTIONS_INIT \
  { sizeof(banyan_gate_hash_options), 0, 0, 0, 0 }

/**
 * One expert for each token, by its id alone (Hash Layers: arXiv 2106.04426): table[id], or SplitMix64 of seed and id
 * modulo num_experts. Weights are 1. token_ids, topk_idx, topk_weights: [num_tokens].
 */
BANYAN_API banyan_status banyan_gate_hash(const int64_t* token_ids, size_t num_tokens,
                                          const banyan_gate_hash_options* options, int64_t* topk_idx,
                                          float* topk_weights);

/** Options of banyan_gate_expert_choice. Start from BANYAN_GATE_EXPERT_CHOICE_OPTIONS_INIT. */
typedef struct banyan_gate_expert_choice_options {
  size_t struct_size;
  size_t capacity; /**< tokens that each expert takes; at most num_tokens; required */
  size_t top_k;    /**< most experts of a token; default: num_experts */
  int activation;  /**< SOFTMAX, over the experts of a token as in the paper, SIGMOID or IDENTITY */
} banyan_gate_expert_choice_options;

#define BANYAN_GATE_EXPERT_CHOICE_OPTIONS_INIT \
  { sizeof(banyan_gate_expert_choice_options), 0, 0, 0 }

/** Where banyan_gate_expert_choice writes. Set struct_size and the arrays; any of these may be NULL. */
typedef struct banyan_gate_expert_choice_result {
  size_t struct_size;  /**< in: sizeof(banyan_gate_expert_choice_result) */
  int64_t* tokens;     /**< [num_experts, capacity]: tokens of each expert, best first; -1: given up */
  float* weights;      /**< [num_experts, capacity] */
  int64_t* topk_idx;   /**< [num_tokens, top_k]: experts of each token, largest weight first, then -1 */
  float* topk_weights; /**< [num_tokens, top_k] */
  size_t most_choices; /**< out: experts that chose the same token, at most: the top_k that gives nothing up */
  size_t num_given_up; /**< out: choices given up because a token had more than top_k, the weakest, in both views */
} banyan_gate_expert_choice_result;

/** Each expert takes its `capacity` best tokens (Zhou et al.: arXiv 2202.09368, section 3; capacity is its k). */
BANYAN_API banyan_status banyan_gate_expert_choice(const banyan_gate_scores* scores,
                                                   const banyan_gate_expert_choice_options* options,
                                                   banyan_gate_expert_choice_result* result);

/**
 * One expert for each token such that every expert gets floor(T / E) or ceil(T / E) of the T tokens and the sum of
 * scores is the largest possible (BASE: arXiv 2103.16716, section 3, for T that E need not divide). Exact, but for
 * roundings of double, by successive shortest paths instead of the paper's auction. Weights: sigmoid(score), as there.
 * *total: the sum. *gap: no balanced assignment has a sum above total + gap, which the dual prices prove; about 1e-15
 * of the scores. Both may be NULL. About T E^2 + T^2 steps: less than 0.1 s for 4096 tokens of 64 experts. Among
 * equally good assignments the input decides, not the lower index. topk_idx, topk_weights: [num_tokens].
 */
BANYAN_API banyan_status banyan_gate_balanced(const banyan_gate_scores* scores, int64_t* topk_idx, float* topk_weights,
                                              double* total, double* gap);

/** Options of banyan_gate_dense_to_sparse. Start from BANYAN_GATE_DENSE_TO_SPARSE_OPTIONS_INIT. */
typedef struct banyan_gate_dense_to_sparse_options {
  size_t struct_size;
  size_t top_k;             /**< most experts of a token; default: num_experts */
  double start_temperature; /**< at step 0; default 2 */
  double end_temperature;   /**< from step anneal_steps on; default 0.3 */
  size_t anneal_steps;      /**< default 0: end_temperature always */
  size_t step;
  double threshold; /**< experts of a smaller weight are left out, but never the best one; 0 to 1 */
  int no_noise;     /**< not 0: plain softmax of scores / temperature */
  int renormalize;  /**< not 0: weights of a token are divided by their sum */
  uint64_t seed;    /**< of the noise; draws depend on seed, token and expert, so give each step and rank its own */
} banyan_gate_dense_to_sparse_options;

#define BANYAN_GATE_DENSE_TO_SPARSE_OPTIONS_INIT \
  { sizeof(banyan_gate_dense_to_sparse_options), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * A gate that grows sparse (dense-to-sparse of EvoMoE: arXiv 2112.14397): weights are the softmax of
 * (scores + Gumbel noise) / temperature, experts below the threshold are left out. The temperature falls geometrically,
 * start * (end / start)^(step / anneal_steps); this schedule and the defaults are ours. *used_k: the most choices that
 * a token has, so columns from used_k on are all -1. topk_idx, topk_weights: [num_tokens, top_k].
 */
BANYAN_API banyan_status banyan_gate_dense_to_sparse(const banyan_gate_scores* scores,
                                                     const banyan_gate_dense_to_sparse_options* options,
                                                     int64_t* topk_idx, float* topk_weights, size_t* used_k);

/** Options of banyan_gate_topology. Start from BANYAN_GATE_TOPOLOGY_OPTIONS_INIT. */
typedef struct banyan_gate_topology_options {
  size_t struct_size;
  const unsigned char* is_local; /**< [num_experts]: not 0: the expert is in this rank's node; required */
  size_t limit;                  /**< tokens that may leave the node */
  size_t top_k;                  /**< default 2 */
  int activation;                /**< a banyan_gate_activation */
  int renormalize;               /**< not 0: weights of a token are divided by their sum */
} banyan_gate_topology_options;

#define BANYAN_GATE_TOPOLOGY_OPTIONS_INIT \
  { sizeof(banyan_gate_topology_options), 0, 0, 0, 0, 0 }

/**
 * Top-k of which at most `limit` tokens leave the node (FasterMoE: doi 10.1145/3503221.3508418, topology-aware gate):
 * of the tokens with a choice that is not local, those with the largest weight of such a choice keep their choices, all
 * others choose again among local experts, of which there may be less than top_k. A hard limit for every top_k, unlike
 * the released code, which counts first choices only. *num_leaving: tokens that leave. topk_idx, topk_weights:
 * [num_tokens, top_k].
 */
BANYAN_API banyan_status banyan_gate_topology(const banyan_gate_scores* scores,
                                              const banyan_gate_topology_options* options, int64_t* topk_idx,
                                              float* topk_weights, size_t* num_leaving);

/**
 * Which share of a rank's tokens should leave a node whose `ranks_per_node` ranks have links of local_bytes_per_s
 * inside and share net_bytes_per_s to the outside. *first_order: W_net / (M W_local), at most 1: FasterMoE's limit L
 * divided by the tokens B. *link_sum: W_net / (M W_local + W_net), with which links inside and outside are done at
 * once. Each output may be NULL. Speeds must be positive and finite.
 */
BANYAN_API banyan_status banyan_gate_outgoing_share(double net_bytes_per_s, double local_bytes_per_s,
                                                    size_t ranks_per_node, double* first_order, double* link_sum);

/** Whose formula for an expert's capacity in tokens; T tokens, E experts, k choices, f factor. */
typedef enum banyan_gate_capacity_formula {
  BANYAN_GATE_CAPACITY_SWITCH = 0,    /**< ceil(f T / E); Switch, arXiv 2101.03961, equation 3; k is not in it */
  BANYAN_GATE_CAPACITY_GSHARD = 1,    /**< ceil(2 f T / E), T of a group; GShard, arXiv 2006.16668, algorithm 1 */
  BANYAN_GATE_CAPACITY_DEEPSPEED = 2, /**< ceil(f k T / E); DeepSpeed's sharded_moe.py */
  BANYAN_GATE_CAPACITY_TUTEL = 3      /**< k floor(f ceil(T / E)); Tutel's fast_dispatch.py */
} banyan_gate_capacity_formula;

/** Options of banyan_gate_capacity. Start from BANYAN_GATE_CAPACITY_OPTIONS_INIT. */
typedef struct banyan_gate_capacity_options {
  size_t struct_size;
  int formula;         /**< a banyan_gate_capacity_formula */
  size_t num_tokens;   /**< of the group of tokens that shares the capacity */
  size_t num_experts;  /**< required */
  size_t top_k;        /**< default 1 */
  double factor;       /**< default 1 */
  size_t min_capacity; /**< least result (DeepSpeed's default is 4); default 0 */
} banyan_gate_capacity_options;

#define BANYAN_GATE_CAPACITY_OPTIONS_INIT \
  { sizeof(banyan_gate_capacity_options), 0, 0, 0, 0, 0, 0 }

/** The capacity of an expert. A quota that is within 1e-12 of itself of a whole number counts as that number. */
BANYAN_API banyan_status banyan_gate_capacity(const banyan_gate_capacity_options* options, size_t* capacity);

/** Whom a full expert turns away. First choices are always served before second ones, and so on. */
typedef enum banyan_gate_drop {
  BANYAN_GATE_DROP_POSITION = 0, /**< the tokens that come last (GShard, Switch) */
  BANYAN_GATE_DROP_SCORE = 1,    /**< tokens whose largest weight is least (batch priority: arXiv 2106.05974, 4) */
  BANYAN_GATE_DROP_RANDOM = 2,   /**< at random (DeepSpeed's random token selection), by seed */
  BANYAN_GATE_DROP_NONE = 3      /**< nobody; capacities are not looked at */
} banyan_gate_drop;

/** Options of banyan_gate_apply_capacity. Start from BANYAN_GATE_DROP_OPTIONS_INIT. */
typedef struct banyan_gate_drop_options {
  size_t struct_size;
  size_t num_tokens;
  size_t num_experts;       /**< required */
  size_t top_k;             /**< default 1 */
  size_t capacity;          /**< of each expert, in tokens; required where capacities is NULL, unless policy is NONE */
  const size_t* capacities; /**< [num_experts]; NULL: `capacity` */
  int policy;               /**< a banyan_gate_drop */
  uint64_t seed;            /**< of RANDOM; draws depend on seed and token */
} banyan_gate_drop_options;

#define BANYAN_GATE_DROP_OPTIONS_INIT \
  { sizeof(banyan_gate_drop_options), 0, 0, 0, 0, 0, 0, 0 }

/** Where banyan_gate_apply_capacity writes. Set struct_size and the arrays; any of these may be NULL. */
typedef struct banyan_gate_drop_result {
  size_t struct_size; /**< in: sizeof(banyan_gate_drop_result) */
  int64_t* positions; /**< [num_tokens, top_k]: place in the expert's buffer, 0 to kept - 1, no place twice; -1: none */
  size_t* requested;  /**< [num_experts]: choices before */
  size_t* kept;       /**< [num_experts]: choices after */
  size_t num_dropped; /**< out */
} banyan_gate_drop_result;

/**
 * Sets choices that do not fit to -1, and their weights to 0. topk_idx and topk_weights, [num_tokens, top_k], are
 * changed in place, on success only; topk_weights may be NULL unless the policy is SCORE. Errors also: an index that is
 * neither -1 nor an expert, an expert twice in one token, a weight that SCORE needs and that is NaN or infinite.
 */
BANYAN_API banyan_status banyan_gate_apply_capacity(const banyan_gate_drop_options* options, int64_t* topk_idx,
                                                    float* topk_weights, banyan_gate_drop_result* result);

#ifdef __cplusplus
}
#endif

#endif
