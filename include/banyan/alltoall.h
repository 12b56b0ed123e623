/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_ALLTOALL_H
#define BANYAN_ALLTOALL_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Per-call choices, equal on all ranks but for `while_waiting`. Start from BANYAN_ALLTOALL_OPTIONS_INIT; zero means
 * default.
 *
 * while_waiting: what the thread that waits in banyan_alltoall, banyan_alltoallv or banyan_request_wait calls now and
 * then until the exchange is done, so that another library makes progress meanwhile, such as the MPI of the same
 * program. Of an exchange that ends at once it may not be called at all. It returns 0, and soon; anything else aborts
 * the communicator: the call ends with ABORTED on all ranks that are still in it. It must not throw. Of the functions
 * of the same communicator it may call banyan_comm_abort alone, which gives the ranks its cause; exchanges, requests
 * and banyan_comm_destroy are BUSY.
 */
typedef struct banyan_alltoall_options {
  size_t struct_size;
  const char* algorithm; /**< NULL or "auto": the model's choice; "direct", "hierarchical", ... BANYAN_ALGORITHM */
  double timeout_s;      /**< deadline of each start; default: the communicator's */
  int (*while_waiting)(void* waiting_context); /**< above; default: none */
  void* waiting_context;                       /**< its argument; as long-lived as the call or the request */
} banyan_alltoall_options;

#define BANYAN_ALLTOALL_OPTIONS_INIT \
  { sizeof(banyan_alltoall_options), 0, 0, 0, 0 }

/**
 * Uniform all-to-all: block j of `sendbuf` goes to rank j, block i of `recvbuf` comes from rank i.
 * sendbuf, recvbuf: [size, count] elements of `element_size` bytes, not overlapping; `sendbuf` is never written.
 * `options` may be NULL. Blocks. Collective: equal count, element_size and options on all ranks, calls in equal order.
 * Errors: INVALID_ARGUMENT, LIMIT (product overflows), MISMATCH, PEER_FAILED, TIMEOUT, ABORTED; after any but the first
 * two the communicator is unusable and recvbuf undefined.
 */
BANYAN_API banyan_status banyan_alltoall(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count,
                                         size_t element_size, const banyan_alltoall_options* options);

/**
 * All-to-all-v: `sendcounts[j]` elements at `sendbuf + sdispls[j]` go to rank j; `recvcounts[i]` elements from rank i
 * arrive at `recvbuf + rdispls[i]`. The four arrays have `size` entries, in elements of `element_size` bytes, and may
 * be freed on return. Received blocks must not overlap. recvcounts[i] must equal rank i's sendcounts for this rank.
 * Otherwise as banyan_alltoall.
 */
BANYAN_API banyan_status banyan_alltoallv(banyan_comm* comm, const void* sendbuf, const size_t* sendcounts,
                                          const size_t* sdispls, void* recvbuf, const size_t* recvcounts,
                                          const size_t* rdispls, size_t element_size,
                                          const banyan_alltoall_options* options);

/**
 * Persistent forms: plan once, then start and wait many times on the same buffers. The buffers are borrowed until
 * banyan_request_free. Several requests of a communicator may exist; starts happen in equal order on all ranks and one
 * request of a communicator is active at a time (start returns BUSY otherwise).
 */
BANYAN_API banyan_status banyan_alltoall_init(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t count,
                                              size_t element_size, const banyan_alltoall_options* options,
                                              banyan_request** request);
/** See banyan_alltoall_init and banyan_alltoallv. */
BANYAN_API banyan_status banyan_alltoallv_init(banyan_comm* comm, const void* sendbuf, const size_t* sendcounts,
                                               const size_t* sdispls, void* recvbuf, const size_t* recvcounts,
                                               const size_t* rdispls, size_t element_size,
                                               const banyan_alltoall_options* options, banyan_request** request);

/** Starts the exchange; does not block for peers. */
BANYAN_API banyan_status banyan_request_start(banyan_request* request);
/** Moves the exchange on. BANYAN_OK: done and may be started again; BANYAN_IN_PROGRESS: not yet; else the error. */
BANYAN_API banyan_status banyan_request_test(banyan_request* request);
/** Blocks until done, the deadline or an error. */
BANYAN_API banyan_status banyan_request_wait(banyan_request* request);
/** Frees a request that is not started, or whose communicator failed. NULL is allowed. BUSY if it is started. */
BANYAN_API banyan_status banyan_request_free(banyan_request* request);

/** Bytes and messages that this rank has moved so far, over all exchanges of the communicator. */
typedef struct banyan_comm_stats {
  size_t struct_size;           /**< in: sizeof(banyan_comm_stats) */
  uint64_t operations;          /**< exchanges completed */
  uint64_t messages_sent;       /**< messages through a transport */
  uint64_t message_bytes;       /**< their bytes, headers included */
  uint64_t mapped_writes;       /**< messages written into a peer's mapped memory */
  uint64_t mapped_bytes;        /**< their bytes, headers included */
  uint64_t inter_host_messages; /**< of messages_sent, those to another host */
  uint64_t inter_host_bytes;    /**< their bytes */
  uint64_t trials;              /**< of operations, those that tried a way to make a repeated call (BANYAN_TUNER) */
} banyan_comm_stats;

/** Fills `stats`; its `struct_size` must be set. BUSY while a dispatch or combine is not finished (banyan/moe.h). */
BANYAN_API banyan_status banyan_comm_get_stats(const banyan_comm* comm, banyan_comm_stats* stats);

#ifdef __cplusplus
}
#endif

#endif
