/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Token exchange of Mixture-of-Experts: tokens to the ranks of the experts that the gate chose, and the experts' rows
 * back as weighted sums. A token's row crosses a link once, however many experts behind it want it (dedup), and sums
 * are made on the way back. docs/moe.md is the guide, docs/examples/moe.c an example.
 *
 * A *group* is a communicator with experts and a row format; a *handle* is the routing of one step. One thread at a
 * time, the communicator's. Functions marked collective are called by all ranks in equal order. After an error other
 * than INVALID_ARGUMENT, LIMIT, NOT_SUPPORTED, BUSY and MISMATCH of banyan_moe_group_create the communicator is
 * unusable: on the other ranks too, which hear of it at once, or by their deadline where nobody can tell them.
 */
#ifndef BANYAN_MOE_H
#define BANYAN_MOE_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What elements of rows are. */
typedef enum banyan_dtype {
  BANYAN_DTYPE_DEFAULT = 0,
  BANYAN_DTYPE_FP32 = 1,
  BANYAN_DTYPE_FP16 = 2, /**< IEEE 754 binary16 */
  BANYAN_DTYPE_BF16 = 3, /**< the upper half of a binary32 */
  BANYAN_DTYPE_BYTES = 4 /**< bytes that are moved and not looked at: fp8, fp4, anything */
} banyan_dtype;

/** Up to where a token's row is sent once. */
typedef enum banyan_moe_dedup {
  BANYAN_MOE_DEDUP_AUTO = 0, /**< the cost model's choice for a uniform gate and max_tokens */
  BANYAN_MOE_DEDUP_NONE = 1, /**< a row for each choice */
  BANYAN_MOE_DEDUP_RANK = 2, /**< one for each rank */
  BANYAN_MOE_DEDUP_NODE = 3, /**< one for each host, which passes it on inside */
  BANYAN_MOE_DEDUP_TIER = 4  /**< one for each rack, whose hosts pass it on; without racks as NODE */
} banyan_moe_dedup;

/** How rows lie in the buffers that experts read and write. */
typedef enum banyan_moe_layout {
  BANYAN_MOE_EXPERT_MAJOR = 0, /**< a row for each choice: by local expert, then source rank, then token */
  BANYAN_MOE_FLAT = 1,      /**< a row for each token that came (DEDUP_NONE: each choice): by source rank, then token */
  BANYAN_MOE_RANK_MAJOR = 2 /**< as FLAT, but rows of source i begin at row i * max_tokens; not with DEDUP_NONE */
} banyan_moe_layout;

/** Which choices stay where there are more than `capacity` for one expert. */
typedef enum banyan_moe_drop {
  BANYAN_MOE_DROP_POSITION = 0, /**< those of its first tokens */
  BANYAN_MOE_DROP_SCORE = 1,    /**< those with the largest weights, of equal ones the first */
  BANYAN_MOE_DROP_RANDOM = 2    /**< drawn with `seed`, in each step alike */
} banyan_moe_drop;

/** Whose choices a capacity limits. */
typedef enum banyan_moe_capacity_scope {
  BANYAN_MOE_CAPACITY_PER_RANK = 0, /**< those of each rank by itself */
  BANYAN_MOE_CAPACITY_GLOBAL = 1    /**< those of all ranks together. DROP_POSITION keeps those of the first ranks, of
                                       each those of its first tokens, as one process with the tokens of all would; the
                                       other policies look at all ranks alike, of equal weights the first rank's stay */
} banyan_moe_capacity_scope;

/** A `capacity` that is as large as the fullest expert needs in a chunk of the step: slots, and nothing is dropped. */
#define BANYAN_MOE_CAPACITY_MAX ((size_t)-1)

/** A group's terms. Start from BANYAN_MOE_CONFIG_INIT; zero means default. Equal on all ranks, but for
 * shares, seed, timeout_s, progress_thread and experts_s. */
typedef struct banyan_moe_config {
  size_t struct_size;
  int num_experts;           /**< required; also one that the ranks do not divide; at most 2^20 */
  int top_k;                 /**< required: columns of topk_idx; at most num_experts and 65,535 */
  size_t hidden;             /**< required: elements of a dispatched row; of BYTES its bytes */
  size_t max_tokens;         /**< required: most tokens of a rank in a step */
  const int* expert_offsets; /**< [num_experts + 1]: expert e's ranks are expert_ranks[expert_offsets[e]] and on, before
                                  expert_offsets[e + 1]; NULL: blocks of experts, the first ranks hold one more */
  const int* expert_ranks;   /**< [expert_offsets[num_experts]]: several ranks of an expert are replicas */
  const double* replica_shares; /**< like expert_ranks: parts of this rank's choices of the expert that go to each;
                                   NULL: the nearest replicas take turns */
  int dtype;                    /**< a banyan_dtype, of dispatched rows; default FP32 */
  size_t scale_bytes;           /**< beside each dispatched row, for example scales of fp8 */
  int combine_dtype;            /**< of rows that are combined; default `dtype`, required where that is BYTES */
  size_t combine_hidden;        /**< elements of a row that is combined; default `hidden`, required with BYTES */
  int dedup;                    /**< a banyan_moe_dedup */
  int layout;                   /**< a banyan_moe_layout */
  size_t alignment;             /**< EXPERT_MAJOR: each expert's rows begin at a multiple; default 1, at most 2^20 */
  size_t capacity;              /**< most choices of a rank for an expert (each replica), at most max_tokens, or
                                   BANYAN_MOE_CAPACITY_MAX; EXPERT_MAJOR then has slots, [local experts, ranks,
                                   capacity], those of each expert filled up to a multiple of alignment; default: no
                                   limit (dropless) */
  int drop;                     /**< a banyan_moe_drop */
  uint64_t seed;                /**< of DROP_RANDOM */
  int drop_invalid;   /**< 1: leave out choices that are wrong, and tokens beyond max_tokens (which are in no chunk:
                         nothing is written for them), and count them; 0: they are errors */
  size_t num_chunks;  /**< a step's tokens move in so many chunks, each dispatched and combined by itself; at most 64;
                         default: as many as make a step of experts_s fastest by the model, 1 where that is 0, or with
                        duplicates */
  int deterministic;  /**< 1: equal bits whatever `dedup` (between NONE and others only with EXPERT_MAJOR: else the
                         caller sums): partial sums are rounded where the longest ladder would */
  int fp32_partials;  /**< 1: partial sums travel as fp32 instead of combine_dtype: more bytes, fewer roundings */
  double timeout_s;   /**< deadline of each exchange; default: the communicator's. Ranks may differ */
  int capacity_scope; /**< a banyan_moe_capacity_scope; GLOBAL: `capacity` is the most choices of all ranks for an
                         expert (each replica), at most max_tokens * ranks; slots: [local experts, capacity] */
  double capacity_factor; /**< instead of `capacity`: that of a step is the least integer not below capacity_factor *
                             top_k * tokens / num_experts, tokens being those of all ranks with GLOBAL, else the most of
                             a rank; at most 1e6 */
  size_t note_bytes; /**< of the caller's, told to all ranks with each route (banyan_moe_group_set_note); at most 64 */
  const int* duplicates; /**< [ranks]: ranks of equal numbers, for example those of a tensor-parallel group, give equal
                            tokens and routing; each sends a slice, and all get the sums of all tokens. NULL: none.
                            `capacity`, sources of rows and predicted_dispatch_s are then those of slices */
  int sharded_experts;   /**< 1: each expert is in parts on all ranks of a number, which expert_ranks names: each gets
                            the rows of all. EXPERT_MAJOR and CAPACITY_PER_RANK only */
  int progress_thread;   /**< 1: a thread of the group moves on what was started while the caller computes, and keeps a
                            core busy; 0: only banyan_moe_request_test and _wait do. Ranks may differ */
  double experts_s; /**< what the experts take for the rows of max_tokens tokens on each rank, in seconds: num_chunks
                       follows from it. The largest of all ranks counts */
} banyan_moe_config;

#define BANYAN_MOE_CONFIG_INIT \
  { sizeof(banyan_moe_config), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** A communicator with experts. One thread, the communicator's. */
typedef struct banyan_moe_group banyan_moe_group;
/** The routing of one step. Immutable; one thread, the group's. */
typedef struct banyan_moe_handle banyan_moe_handle;
/** A dispatch, combine or gradient that was started. One thread, the group's. */
typedef struct banyan_moe_request banyan_moe_request;

/**
 * Makes a group; copies what `config` points to. Collective; blocks. The communicator must outlive it. Errors, on all
 * ranks, of others the text names the rank or both of a pair: INVALID_ARGUMENT (which member, what is allowed),
 * MISMATCH (a member that must be equal is not), LIMIT (2^32 rows of all choices, or at worst of a rank's layout),
 * BUSY. The communicator goes on after any of these. Of this rank alone: a NULL pointer, struct_size.
 */
BANYAN_API banyan_status banyan_moe_group_create(banyan_comm* comm, const banyan_moe_config* config,
                                                 banyan_moe_group** group);
/**
 * Frees a group. Collective on a healthy communicator, as banyan_comm_destroy: waits, bounded by the deadline, for the
 * ranks of this host, and of this rack, that rows were passed on to, and for duplicates. Local after an error. BUSY, of
 * this rank alone: it has handles. NULL is allowed.
 */
BANYAN_API banyan_status banyan_moe_group_free(banyan_moe_group* group);

/** What a group came to. */
typedef struct banyan_moe_group_info {
  size_t struct_size;          /**< in: sizeof(banyan_moe_group_info) */
  int num_local_experts;       /**< of this rank */
  int dedup;                   /**< the banyan_moe_dedup that is used */
  double predicted_dispatch_s; /**< by the model of when it was made, of max_tokens tokens on each rank and a uniform
                                  gate: bytes over the busiest links and copies inside hosts, which overlap part by
                                  part, and what messages cost beside */
  size_t num_chunks;           /**< of each step */
  double predicted_step_s;     /**< the same for dispatch, experts_s and combine in num_chunks chunks that overlap */
} banyan_moe_group_info;

/** Fills `info`, whose struct_size must be set. */
BANYAN_API banyan_status banyan_moe_group_get_info(const banyan_moe_group* group, banyan_moe_group_info* info);
/** Writes the experts of this rank, ascending: [num_local_experts]. Local expert n is experts[n]. */
BANYAN_API banyan_status banyan_moe_group_local_experts(const banyan_moe_group* group, int* experts);
/**
 * Sets what the next routes of this rank tell all ranks beside their routing, without an exchange more: note:
 * [note_bytes], copied; zeros until set. Local. NOT_SUPPORTED: the group's note_bytes is 0.
 */
BANYAN_API banyan_status banyan_moe_group_set_note(banyan_moe_group* group, const void* note);

/**
 * Takes a gate's output and tells each rank what it needs of it. topk_idx: [num_tokens, top_k], experts, -1 where a
 * token has fewer; topk_weights: like it, finite, or NULL on this rank: 1. Both are copied; a rank may have no tokens.
 * Collective; blocks. What is wrong on any rank (an index out of range, an expert twice in a token, a weight that is
 * not finite, more than max_tokens tokens, topk_idx NULL
 * with tokens, a duplicate whose call differs) is INVALID_ARGUMENT on all, the text names rank, token and field;
 * nothing happened then. Of this rank alone: group or handle NULL, BUSY. The handle serves every function below, as
 * often as you like, also for recomputation; free it before its group.
 */
BANYAN_API banyan_status banyan_moe_route(banyan_moe_group* group, const int64_t* topk_idx, const float* topk_weights,
                                          size_t num_tokens, banyan_moe_handle** handle);
/** Frees a handle; local. NULL is allowed. BUSY: it has requests. */
BANYAN_API banyan_status banyan_moe_handle_free(banyan_moe_handle* handle);

/** A chunk of a handle. Counts are of this rank unless they say otherwise. */
typedef struct banyan_moe_chunk_info {
  size_t struct_size;   /**< in: sizeof(banyan_moe_chunk_info) */
  size_t first_token;   /**< tokens that the chunk moves: from this one ... */
  size_t num_tokens;    /**< ... so many */
  size_t num_rows;      /**< rows of the layout, unused ones included: what `rows` buffers need room for */
  size_t num_received;  /**< rows that come, before they are laid out */
  size_t num_choices;   /**< choices that this rank's experts serve */
  size_t wire_rows;     /**< rows that a dispatch sends from here to other hosts, also those passed on for others
                             and those gathered by duplicates */
  size_t logical_rows;  /**< choices of this rank's tokens on other hosts: wire rows if nothing were shared */
  uint64_t num_dropped; /**< of all ranks and chunks: choices beyond a capacity */
  uint64_t num_invalid; /**< of all ranks and chunks: choices left out by drop_invalid; of a token beyond
 max_tokens top_k */
  size_t capacity;      /**< of the step, equal on all ranks: the group's, or what they agreed on; 0: no limit */
} banyan_moe_chunk_info;

/** Fills `info`, whose struct_size must be set. INVALID_ARGUMENT: no such chunk. */
BANYAN_API banyan_status banyan_moe_handle_get_info(const banyan_moe_handle* handle, size_t chunk,
                                                    banyan_moe_chunk_info* info);
/** Writes what each rank had noted when it called route: [ranks, note_bytes]. NOT_SUPPORTED: note_bytes is 0. */
BANYAN_API banyan_status banyan_moe_handle_notes(const banyan_moe_handle* handle, void* notes);
/**
 * Where experts' rows are. counts: [num_local_experts], choices of each; begins: [num_local_experts + 1], EXPERT_MAJOR:
 * first row of each, then num_rows. Each may be NULL; begins with another layout is NOT_SUPPORTED.
 */
BANYAN_API banyan_status banyan_moe_handle_experts(const banyan_moe_handle* handle, size_t chunk, size_t* counts,
                                                   size_t* begins);
/**
 * What the rows of FLAT and RANK_MAJOR are for. local_experts: [num_rows, top_k], -1 behind the last; weights: like it,
 * 0 there; sources: [num_rows], the rank that the token is from, -1 for unused rows. Each may be NULL. NOT_SUPPORTED
 * with EXPERT_MAJOR.
 */
BANYAN_API banyan_status banyan_moe_handle_rows(const banyan_moe_handle* handle, size_t chunk, int64_t* local_experts,
                                                float* weights, int* sources);

/**
 * Moves tokens to experts. tokens: [num_tokens of the step, hidden] of dtype, of which the chunk's are read; scales:
 * [num_tokens of the step, scale_bytes]; rows: [num_rows of the chunk, hidden]; row_scales: [num_rows, scale_bytes];
 * unused rows become zero. Scales may be NULL where scale_bytes is 0. Buffers do not overlap; `tokens` is never
 * written. Collective; blocks. INVALID_ARGUMENT and BUSY are of this rank alone,
 * before anything is sent, here and below: the others wait, and this rank may call again.
 */
BANYAN_API banyan_status banyan_moe_dispatch(banyan_moe_handle* handle, size_t chunk, const void* tokens,
                                             const void* scales, void* rows, void* row_scales);
/**
 * Moves rows back and sums them: token = sum over its choices of weight * row, in fp32 and rounded to combine_dtype;
 * partial sums of a rank, a host and a rack are rounded on their way (fp32_partials: are not). rows: [num_rows of the
 * chunk, combine_hidden] of combine_dtype; EXPERT_MAJOR rows are multiplied by their weights here, other layouts hold
 * the weighted sum of their rank already (DEDUP_NONE: the weighted row). tokens: [num_tokens of the step,
 * combine_hidden], of which the chunk's are written, zero for a token without choices. Buffers do not overlap, here and
 * below. Collective; blocks.
 */
BANYAN_API banyan_status banyan_moe_combine(banyan_moe_handle* handle, size_t chunk, const void* rows, void* tokens);

/**
 * The gradient of dispatch: each token's gradient is the sum of those of its rows. grad_rows as combine's rows, without
 * weights; grad_tokens as combine's tokens. Collective; blocks.
 */
BANYAN_API banyan_status banyan_moe_dispatch_backward(banyan_moe_handle* handle, size_t chunk, const void* grad_rows,
                                                      void* grad_tokens);
/**
 * The gradients of combine. grad_tokens: as combine's tokens; grad_rows: as combine's rows, weight * the token's
 * gradient (other layouts than EXPERT_MAJOR: the token's gradient), unused rows zero. grad_weights: NULL, or
 * [num_tokens of the step, top_k] fp32, of which the chunk's are written: the dot product of the token's gradient and
 * the row that combine had, which `rows` then holds; 0 where there is no choice; EXPERT_MAJOR only. On all ranks
 * grad_weights is NULL, or on none: a rank without tokens must
 * not pass NULL where others do not. Collective; blocks.
 */
BANYAN_API banyan_status banyan_moe_combine_backward(banyan_moe_handle* handle, size_t chunk, const void* grad_tokens,
                                                     const void* rows, void* grad_rows, float* grad_weights);

/**
 * The four above without waiting: buffers are borrowed until the request is done. Several may be under way, of any
 * chunks and handles of the group; they are started in equal order on all ranks, and blocking calls queue behind them.
 * Chunks overlap: one is between hosts while another is inside them, and all of them with what the caller computes
 * (progress_thread, or a test now and then). Each one under way keeps copies of its rows inside the library. Until
 * each is known to be done (by test, wait or free), every other exchange, plan, profile and statistic of the
 * communicator, banyan_moe_route and groups included, is BUSY. Collective; INVALID_ARGUMENT and BUSY are of this rank
 * alone.
 * NOT_SUPPORTED: the group has duplicates.
 */
BANYAN_API banyan_status banyan_moe_dispatch_start(banyan_moe_handle* handle, size_t chunk, const void* tokens,
                                                   const void* scales, void* rows, void* row_scales,
                                                   banyan_moe_request** request);
/** See banyan_moe_dispatch_start and banyan_moe_combine. */
BANYAN_API banyan_status banyan_moe_combine_start(banyan_moe_handle* handle, size_t chunk, const void* rows,
                                                  void* tokens, banyan_moe_request** request);
/** See banyan_moe_dispatch_start and banyan_moe_dispatch_backward. */
BANYAN_API banyan_status banyan_moe_dispatch_backward_start(banyan_moe_handle* handle, size_t chunk,
                                                            const void* grad_rows, void* grad_tokens,
                                                            banyan_moe_request** request);
/** See banyan_moe_dispatch_start and banyan_moe_combine_backward. */
BANYAN_API banyan_status banyan_moe_combine_backward_start(banyan_moe_handle* handle, size_t chunk,
                                                           const void* grad_tokens, const void* rows, void* grad_rows,
                                                           float* grad_weights, banyan_moe_request** request);
/**
 * A turn for something else that wants the same network: a request that is done when every move of the group that was
 * started before it is done, on all ranks. A program that takes one for each chunk of an all-reduce, and starts the
 * chunk when the turn is done, never lets the all-reduce run into an exchange that was started before, lets one that is
 * started later wait for one chunk at most, and starts all of them in equal order on all ranks (priority of Lina, arXiv
 * 2210.17223). docs/moe.md has the loop. Collective, in the order of moves. Costs a byte for each pair of ranks. Errors
 * as banyan_moe_dispatch_start. The request is freed before the group.
 */
BANYAN_API banyan_status banyan_moe_turn_start(banyan_moe_group* group, banyan_moe_request** request);
/** BANYAN_OK: done. BANYAN_IN_PROGRESS: not yet. Else the error that ended it, and every other one under way. */
BANYAN_API banyan_status banyan_moe_request_test(banyan_moe_request* request);
/** Blocks until done, the deadline of an exchange or an error. */
BANYAN_API banyan_status banyan_moe_request_wait(banyan_moe_request* request);
/** Frees a request that is done, or ended with an error; before its handle or group. Local. BUSY otherwise. NULL is
 * allowed. */
BANYAN_API banyan_status banyan_moe_request_free(banyan_moe_request* request);

#ifdef __cplusplus
}
#endif

#endif
