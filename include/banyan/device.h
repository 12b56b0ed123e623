/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Exchanges between the devices (GPUs) of ranks that load and store each other's memory: NVLink, or one GPU that ranks
 * share. They are enqueued on a stream of the caller and do not block; no host takes part when they run.
 * docs/device-cuda.md says how they work.
 *
 * A *group* is a communicator with a device for each rank, all on one host. Functions marked collective are called by
 * all ranks in equal order, in the communicator's too; if one rank cannot do it, all ranks get an error that names the
 * rank and the cause, by the communicator's deadline, and the group is as it was. Exchanges are enqueued by all ranks
 * in equal order. One thread at a time, the communicator's, but banyan_device_group_check and banyan_device_group_abort
 * from any. `stream` is a cudaStream_t of the group's device, or NULL for the default stream of the thread's current
 * device.
 *
 * Ranks that are threads of one process need a device each: cudaMalloc and cudaFree of one wait for what the device
 * runs, also for exchanges that wait for that rank.
 *
 * Enqueuing returns an error for what is wrong with its arguments, and then nothing was enqueued; what goes wrong
 * later, on the device, banyan_device_group_check says. After that the group is of no more use: the ranks synchronise
 * with their streams, free it, and may make a new one. The communicator remains as it is.
 */
#ifndef BANYAN_DEVICE_H
#define BANYAN_DEVICE_H

#include "banyan/moe.h"
#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Devices of a communicator's ranks, mapped to each other. */
typedef struct banyan_device_group banyan_device_group;
/** A token exchange of a device group. */
typedef struct banyan_device_tokens banyan_device_tokens;
/** One that lays rows out by expert. */
typedef struct banyan_device_experts banyan_device_experts;

/** A group's terms, equal on all ranks. Start from BANYAN_DEVICE_GROUP_OPTIONS_INIT; zero means default. */
typedef struct banyan_device_group_options {
  size_t struct_size;
  const char* plugin; /**< libbanyan_device_<plugin>.so; default BANYAN_DEVICE_PLUGIN, else "cuda". Copied */
  size_t eager_bytes; /**< pairs up to this size arrive anywhere, larger ones in memory of banyan_device_alloc; default
                           256 KiB, at most 1 GiB. Each rank keeps 2.2 times as much for each rank */
  int max_blocks; /**< of an exchange's kernel, at most. Those of all ranks that share a device must fit on it at once,
                       or they wait for each other until the deadline: set it where ranks do. Default: as many as the
                       device has multiprocessors */
  double timeout_s; /**< of every wait on the device, seconds; default: the communicator's, at most 1e9 */
} banyan_device_group_options;

#define BANYAN_DEVICE_GROUP_OPTIONS_INIT \
  { sizeof(banyan_device_group_options), 0, 0, 0, 0 }

/**
 * Collective over `comm`: makes the group. `device`: its ordinal in this process, which differs from rank to rank where
 * each is to have its own. `options` may be NULL. Blocks, also until devices are initialised.
 * Errors: INVALID_ARGUMENT, NOT_FOUND (no such plugin), NOT_SUPPORTED (no driver or device, ranks on several hosts, or
 * a device that cannot access another's memory), LIMIT (more than 72 ranks), MISMATCH (unequal options), NO_MEMORY, and
 * those of the communicator.
 */
BANYAN_API banyan_status banyan_device_group_create(banyan_comm* comm, int device,
                                                    const banyan_device_group_options* options,
                                                    banyan_device_group** group);

/**
 * Frees the group and its memory. Collective on a healthy communicator: every rank has synchronised with the streams
 * that it used, and waits for the others, bounded by the deadline. Local after an error of the communicator; memory
 * that peers may still write to then stays until the process ends. NULL is allowed. BUSY, on all ranks, while a token
 * exchange of any rank is not freed. To be called before banyan_comm_destroy.
 */
BANYAN_API banyan_status banyan_device_group_free(banyan_device_group* group);

/**
 * Collective: allocates `size` bytes, zeroed, of this rank's device, where pairs of any size may arrive. Sizes may
 * differ between ranks, and are at least 1. The memory is the group's until banyan_device_free or
 * banyan_device_group_free. Errors: INVALID_ARGUMENT, NO_MEMORY, LIMIT: a group of the CUDA plugin has 64 allocations
 * in its life, freed ones too.
 */
BANYAN_API banyan_status banyan_device_alloc(banyan_device_group* group, size_t size, void** memory);

/**
 * Collective: frees what the same call of banyan_device_alloc gave on each rank, after every rank has synchronised with
 * the streams that used it. NULL on all ranks is allowed. Errors: INVALID_ARGUMENT, MISMATCH (ranks free different
 * ones, and none is freed).
 */
BANYAN_API banyan_status banyan_device_free(banyan_device_group* group, void* memory);

/**
 * Enqueues a uniform all-to-all: block j of `sendbuf` goes to rank j, block i of `recvbuf` comes from rank i.
 * sendbuf, recvbuf: [size, count] elements of `element_size` bytes in memory of the group's device, not overlapping, of
 * any alignment; they are the exchange's until the stream has passed it. `sendbuf` is never written. Equal count and
 * element_size on all ranks. Does not block. May be captured in a graph; the caller orders captured exchanges.
 * Errors: INVALID_ARGUMENT (host memory, another device's memory or stream), NOT_SUPPORTED (blocks of more than
 * eager_bytes that do not arrive in memory of banyan_device_alloc; equal buffers), LIMIT (a product overflows), and
 * those of banyan_device_group_check.
 */
BANYAN_API banyan_status banyan_device_alltoall(banyan_device_group* group, const void* sendbuf, void* recvbuf,
                                                size_t count, size_t element_size, void* stream);

/**
 * Enqueues an all-to-all-v: `sendcounts[j]` elements at `sendbuf + sdispls[j]` go to rank j; `recvcounts[i]` elements
 * from rank i arrive at `recvbuf + rdispls[i]`. The four arrays are host memory, have `size` entries, in elements of
 * `element_size` bytes, and may be freed on return. Received blocks must not overlap. recvcounts[i] must equal rank i's
 * sendcounts for this rank, which nobody compares: where they differ, data is wrong or the exchange times out; the own
 * two are compared (MISMATCH, which aborts the communicator). Otherwise as banyan_device_alltoall.
 */
BANYAN_API banyan_status banyan_device_alltoallv(banyan_device_group* group, const void* sendbuf,
                                                 const size_t* sendcounts, const size_t* sdispls, void* recvbuf,
                                                 const size_t* recvcounts, const size_t* rdispls, size_t element_size,
                                                 void* stream);

/** A token exchange's terms, equal on all ranks. Start from BANYAN_DEVICE_TOKENS_OPTIONS_INIT. */
typedef struct banyan_device_tokens_options {
  size_t struct_size;
  int max_tokens;            /**< required: most tokens of a rank in a dispatch, at most 2^22 */
  int top_k;                 /**< required: experts of a token, at most 16 */
  int num_experts;           /**< required */
  const int* rank_of_expert; /**< required: [num_experts], host memory, copied */
  size_t row_bytes;          /**< required: a multiple of 16 */
  int dtype;                 /**< a banyan_dtype, of rows: FP32, FP16 or BF16; default FP32 */
  int max_blocks;            /**< of a kernel, as in banyan_device_group_options; default: the plugin's choice */
} banyan_device_tokens_options;

#define BANYAN_DEVICE_TOKENS_OPTIONS_INIT \
  { sizeof(banyan_device_tokens_options), 0, 0, 0, 0, 0, 0, 0 }

/**
 * Collective: makes a token exchange, which sends each token's row once to every rank that has one of its experts, and
 * adds up what the ranks made of it. It keeps [size][max_tokens] rows on each rank. Errors: INVALID_ARGUMENT, MISMATCH
 * (unequal options), NO_MEMORY, and those of the communicator.
 */
BANYAN_API banyan_status banyan_device_tokens_create(banyan_device_group* group,
                                                     const banyan_device_tokens_options* options,
                                                     banyan_device_tokens** tokens);

/** Frees it: collective, as banyan_device_group_free. NULL is allowed. */
BANYAN_API banyan_status banyan_device_tokens_free(banyan_device_tokens* tokens);

/** Where dispatch leaves what came: memory of the device, of the exchange, at the same places in each dispatch. Of rank
 * r the first counts[r] of max_tokens places, in the order of its tokens. */
typedef struct banyan_device_tokens_view {
  size_t struct_size;   /**< in: sizeof(banyan_device_tokens_view) */
  void* rows;           /**< [size][max_tokens][row_bytes]; experts write their results over them */
  const int* counts;    /**< [size] */
  const int* experts;   /**< [size][max_tokens][top_k]: those of this rank; other choices are -1 */
  const float* weights; /**< [size][max_tokens][top_k]: of this rank's experts; of other choices 0 */
} banyan_device_tokens_view;

/** Fills `view`; its `struct_size` must be set. */
BANYAN_API banyan_status banyan_device_tokens_received(const banyan_device_tokens* tokens,
                                                       banyan_device_tokens_view* view);

/** What a rank dispatches: memory of the group's device, read when the stream comes to it. Start from
 * BANYAN_DEVICE_TOKENS_BATCH_INIT. */
typedef struct banyan_device_tokens_batch {
  size_t struct_size;
  const void* rows;         /**< [num_tokens][row_bytes], aligned to 16; NULL with no tokens */
  const int* experts;       /**< [num_tokens][top_k]; one below 0 or from num_experts on is no choice; NULL likewise */
  const float* weights;     /**< [num_tokens][top_k], or NULL: receivers find zeros. banyan_device_tokens_combine does
                                 not apply them */
  int num_tokens;           /**< at most max_tokens; may differ between ranks */
  const int* device_tokens; /**< on the device: how many of them there are; NULL: all */
} banyan_device_tokens_batch;

#define BANYAN_DEVICE_TOKENS_BATCH_INIT \
  { sizeof(banyan_device_tokens_batch), 0, 0, 0, 0, 0 }

/**
 * Enqueues a dispatch. Every rank calls it, also one without tokens; dispatch and combine take turns. Does not block.
 * Errors: INVALID_ARGUMENT (host memory, another device's memory or stream, misaligned rows, too many tokens, the
 * dispatch before is not combined), and those of banyan_device_group_check.
 */
BANYAN_API banyan_status banyan_device_tokens_dispatch(banyan_device_tokens* tokens,
                                                       const banyan_device_tokens_batch* batch, void* stream);

/**
 * Enqueues the combine of the tokens dispatched last: `out` [num_tokens][row_bytes], aligned to 16, is the sum of what
 * lies at their places on all ranks, added up in FP32 in the order of ranks; zeros for a token without a choice. The
 * experts' results come before it in the stream. Does not block. Errors: as banyan_device_tokens_dispatch.
 */
BANYAN_API banyan_status banyan_device_tokens_combine(banyan_device_tokens* tokens, void* out, void* stream);

/** Terms of a token exchange by experts, equal on all ranks but for `max_rows`. Start from
 * BANYAN_DEVICE_EXPERTS_OPTIONS_INIT. */
typedef struct banyan_device_experts_options {
  size_t struct_size;
  int max_tokens;            /**< required: most tokens of a rank in a dispatch, at most 2^22; times top_k below 2^24 */
  int top_k;                 /**< required: experts of a token, at most 16 */
  int num_experts;           /**< required: at most 1024 */
  const int* rank_of_expert; /**< required: [num_experts], host memory, copied */
  size_t row_bytes;          /**< required: a multiple of 16 */
  int dtype;                 /**< a banyan_dtype, of rows: FP32, FP16 or BF16; default FP32 */
  int max_blocks;            /**< of a kernel, as in banyan_device_group_options; default: the plugin's choice */
  int row_alignment;         /**< runs of experts begin at multiples of so many rows; default 1 */
  int max_rows;              /**< of this rank's experts, with what lies between runs; a multiple of row_alignment,
                                  or the last run may end at no such row. Default: as many as could come */
} banyan_device_experts_options;

#define BANYAN_DEVICE_EXPERTS_OPTIONS_INIT \
  { sizeof(banyan_device_experts_options), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Collective: makes a token exchange that leaves rows as a grouped GEMM wants them, those of an expert one behind the
 * other, a row for each choice of a token. A token's row still goes once to every rank that has one of its experts.
 * It keeps `max_rows` rows, by default size * max_tokens * top_k and more, and 2 * size * max_tokens rows beside them.
 * Errors: INVALID_ARGUMENT, MISMATCH (unequal options), NOT_SUPPORTED (a plugin that cannot), NO_MEMORY, and those of
 * the communicator.
 */
BANYAN_API banyan_status banyan_device_experts_create(banyan_device_group* group,
                                                      const banyan_device_experts_options* options,
                                                      banyan_device_experts** experts);

/** Frees it: collective, as banyan_device_group_free. NULL is allowed. */
BANYAN_API banyan_status banyan_device_experts_free(banyan_device_experts* experts);

/** Where a row of an expert comes from. */
typedef struct banyan_device_row {
  int rank; /**< -1: none, a row between two runs */
  int token;
  int choice;   /**< of the token's top_k */
  float weight; /**< of the choice */
} banyan_device_row;

/** Where dispatch leaves what came: memory of the device, of the exchange, at the same places in each dispatch; the two
 * numbers are here. Runs are in the order of the numbers of the experts; the rows of a run in the order of ranks,
 * tokens, choices. What lies between two runs is not read. */
typedef struct banyan_device_experts_view {
  size_t struct_size;               /**< in: sizeof(banyan_device_experts_view) */
  void* rows;                       /**< [max_rows][row_bytes]; experts write their results over them */
  int num_experts;                  /**< of this rank */
  int max_rows;                     /**< as asked for, or as many as could come */
  const int* experts;               /**< [num_experts]: their numbers, rising */
  const int* counts;                /**< [num_experts]: rows of each */
  const int* offsets;               /**< [num_experts + 1]: where runs begin, none beyond max_rows; the last: where the
                                         next would */
  const int* needed;                /**< [1]: rows with those between runs; more than max_rows: the last were left out,
                                         which combine takes for choices of no expert */
  const banyan_device_row* sources; /**< [max_rows], those before the last offset */
} banyan_device_experts_view;

/** Fills `view`; its `struct_size` must be set. */
BANYAN_API banyan_status banyan_device_experts_received(const banyan_device_experts* experts,
                                                        banyan_device_experts_view* view);

/** Enqueues a dispatch, as banyan_device_tokens_dispatch. For a weighted combine, every rank with tokens gives their
 * weights. */
BANYAN_API banyan_status banyan_device_experts_dispatch(banyan_device_experts* experts,
                                                        const banyan_device_tokens_batch* batch, void* stream);

/**
 * Enqueues the combine of the tokens dispatched last, as banyan_device_tokens_combine. Each rank adds up a token's rows
 * in the order of its choices, in FP32, times the weights of their choices where `weighted` is not 0, and rounds the
 * sum to the rows' type; `out` [num_tokens][row_bytes] is what the ranks have, added up in FP32 in the order of ranks,
 * and rounded. Equal `weighted` on all ranks; INVALID_ARGUMENT where it is not 0 and tokens had no weights.
 */
BANYAN_API banyan_status banyan_device_experts_combine(banyan_device_experts* experts, void* out, int weighted,
                                                       void* stream);

/**
 * Whether anything has failed so far. Does not block while nothing has; else it takes up to a second to read the
 * device, once for each call. TIMEOUT or ABORTED: an exchange ended without its peers; the text names this rank, the
 * peer that was waited for, the call (counted from 1), what the device's words say, and the next step. When the
 * communicator has failed or was aborted, its cause; exchanges of this rank that wait end, too. Any thread.
 */
BANYAN_API banyan_status banyan_device_group_check(banyan_device_group* group);

/**
 * Ends all waits of this rank's exchanges, now and from now on, with ABORTED. Local: peers go on waiting until their
 * deadline, or until they check a communicator that was aborted (banyan_comm_abort). Any thread.
 */
BANYAN_API banyan_status banyan_device_group_abort(banyan_device_group* group);

#ifdef __cplusplus
}
#endif

#endif
