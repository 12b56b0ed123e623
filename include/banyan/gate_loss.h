/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Auxiliary losses of gates with their gradients, for frameworks to check their own, or to use. docs/gates.md derives
 * them. As in gate.h: pure functions, any thread, sums in double, arrays borrowed for the call.
 */
#ifndef BANYAN_GATE_LOSS_H
#define BANYAN_GATE_LOSS_H

#include "banyan/gate.h"
#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Which loss. T tokens, E experts, x the scores, p the activated scores, f_e the share of choices that are e (of the
 * T * top_k ones, or of the T first ones; absent choices count for nobody), P_e the mean of p_te over tokens. No loss
 * has a coefficient; multiply by yours.
 */
typedef enum banyan_gate_loss_kind {
  /** E sum_e f_e P_e (Switch: arXiv 2101.03961, equations 4 to 6); E^2 times GShard's (arXiv 2006.16668, algorithm 1).
      1 where either is uniform. f is taken as constant in the gradient, as everywhere. */
  BANYAN_GATE_LOSS_BALANCE = 0,
  /** E sum_e w_e f_e P_e with w_e = E p^_e, p^_e = (1 / c_e) / sum_e' (1 / c_e'), c the target (TA-MoE: arXiv
      2302.09915; sum-normalised, see docs/gates.md). A uniform target gives BALANCE, to the bit; the scale of the
     target does not matter; where f follows P the loss is least at f proportional to c. Needs `target`. */
  BANYAN_GATE_LOSS_TOPOLOGY = 1,
  /** cv^2 of sum_t p_te over experts (Shazeer et al.: arXiv 1701.06538, equations 6 and 7, there of the sparse gate).
   */
  BANYAN_GATE_LOSS_IMPORTANCE = 2,
  /** cv^2 of sum_t Phi((x_te - h_te) / noise_std) over experts, h_te the top_k-th largest of x + noise among the others
      of token t (equations 8 to 11). The gradient is also through h. Needs `noise_std`. */
  BANYAN_GATE_LOSS_LOAD = 3,
  /** (IMPORTANCE + LOAD) / 2, as Tutel's load_importance_loss, which sets `unbiased` and `shared_threshold` too. */
  BANYAN_GATE_LOSS_LOAD_IMPORTANCE = 4,
  /** (1 / T) sum_t (log sum_e exp x_te)^2 (ST-MoE: arXiv 2202.08906, equation 5). Of the scores, not activated. */
  BANYAN_GATE_LOSS_Z = 5,
  /** (1 / T) sum_t sum_(e outside t's group) max(0, p_te - the least p of t's choices): experts of other groups should
      not be better than those chosen (SAM's alignment; HetuMoE's SAMGate.py has the sum over t). */
  BANYAN_GATE_LOSS_ALIGNMENT = 6
} banyan_gate_loss_kind;

/** Options of banyan_gate_loss; each kind looks at its own. Start from BANYAN_GATE_LOSS_OPTIONS_INIT. */
typedef struct banyan_gate_loss_options {
  size_t struct_size;
  int kind;                /**< a banyan_gate_loss_kind */
  int activation;          /**< a banyan_gate_activation but SOFTMAX_OF_CHOSEN; LOAD and Z are of the scores anyway */
  const int64_t* topk_idx; /**< [num_tokens, top_k] before drops; of BALANCE, TOPOLOGY, ALIGNMENT */
  size_t top_k;            /**< default 1; of those and LOAD, which needs less than num_experts */
  int first_choice_only;   /**< not 0: f counts first choices only (GShard, Tutel); of BALANCE, TOPOLOGY */
  const double* target;    /**< [num_experts]: this source rank's row of the target, above 0, of any sum; of TOPOLOGY */
  size_t num_groups;       /**< groups of consecutive experts; default 1; of ALIGNMENT */
  const float* noise;      /**< [num_tokens, num_experts]: what was added to scores to choose; NULL: 0; of LOAD */
  double noise_std;        /**< standard deviation of the noise, above 0; of LOAD */
  int unbiased;            /**< not 0: variance over E - 1 (Tutel, PyTorch), not E; of IMPORTANCE, LOAD */
  int shared_threshold;    /**< not 0: h_te is the top_k-th largest of all, also for the chosen (Tutel); of LOAD */
} banyan_gate_loss_options;

#define BANYAN_GATE_LOSS_OPTIONS_INIT \
  { sizeof(banyan_gate_loss_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * A loss of one rank's tokens and its gradient. gradient: [num_tokens, num_experts], d loss / d scores.values, so with
 * respect to the logits, through the activation; with BANYAN_GATE_IDENTITY with respect to the weights themselves. It
 * may be NULL. Where there are no tokens the loss is 0. At kinks (two scores that tie for a threshold, the hinge of
 * ALIGNMENT) it is a one-sided gradient. Errors: INVALID_ARGUMENT, as in gate.h, and: a target that is 0, negative or
 * not finite; choices of one token in two groups (ALIGNMENT); an index that is neither -1 nor an expert; an expert
 * twice in one token.
 */
BANYAN_API banyan_status banyan_gate_loss(const banyan_gate_scores* scores, const banyan_gate_loss_options* options,
                                          double* loss, float* gradient);

#ifdef __cplusplus
}
#endif

#endif
