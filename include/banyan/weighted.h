/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Weighted all-to-all: every pair of ranks has a capacity in rows, computed once from weights; then rows are exchanged
 * as often as you like, with other counts each time and without an exchange of counts. docs/weighted.md has an example.
 */
#ifndef BANYAN_WEIGHTED_H
#define BANYAN_WEIGHTED_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What becomes of rows beyond a pair's capacity. */
typedef enum banyan_overflow {
  BANYAN_OVERFLOW_ERROR = 0, /**< the exchange fails with LIMIT on all ranks; it can be started again */
  BANYAN_OVERFLOW_DROP = 1,  /**< the first `capacity` rows are sent, both ends learn how many were not */
  BANYAN_OVERFLOW_REST = 2   /**< as DROP, then banyan_weighted_alltoall_rest exchanges the others */
} banyan_overflow;

/** What a rank wants of a weighted all-to-all. Start from BANYAN_WEIGHTED_OPTIONS_INIT; zero means default. */
typedef struct banyan_weighted_options {
  size_t struct_size;
  const double* weights; /**< [size]: shares of this rank's rows that go to each rank, of any sum; borrowed; required */
  size_t rows;           /**< most rows that this rank sends in an exchange; ranks may differ */
  double capacity_factor; /**< room beyond the shares; default 1. Equal on all ranks, as all below */
  size_t min_capacity;    /**< least capacity of a pair whose weight is not 0, but never more than `rows` */
  int overflow;           /**< a banyan_overflow; default: ERROR */
  const char* algorithm;  /**< as in banyan_alltoall_options */
  double timeout_s;       /**< deadline of init and of each start; default: the communicator's. Ranks may differ */
} banyan_weighted_options;

#define BANYAN_WEIGHTED_OPTIONS_INIT \
  { sizeof(banyan_weighted_options), 0, 0, 0, 0, BANYAN_OVERFLOW_ERROR, 0, 0 }

/**
 * The capacities that a rank with these options has for each rank, in rows:
 * min(rows, max(min_capacity, ceil(capacity_factor * rows * weights[j] / sum of weights))), 0 where weights[j] is 0.
 * So a pair has at least what its weight asks for, and the sum is less than capacity_factor * rows + size (without
 * min_capacity). A quota that exceeds a whole number by less than 1e-12 of itself is taken for that number.
 * weights, capacities: [size]. A pure function, the one that init uses. Any thread.
 * Errors: INVALID_ARGUMENT: a weight that is negative, infinite or NaN; all weights 0 with rows > 0; a capacity_factor
 * that is negative, infinite or NaN. LIMIT: 2^53 rows or more.
 */
BANYAN_API banyan_status banyan_weighted_capacities(const banyan_weighted_options* options, int size,
                                                    size_t* capacities);

/**
 * Plans a weighted all-to-all of rows of `row_bytes` bytes. Collective; blocks. Each rank gives its own weights; what
 * each may be sent is gathered here, once. banyan_request_test, wait and free work on the request, start does not.
 * Errors, on all ranks, the text names the rank: INVALID_ARGUMENT (as banyan_weighted_capacities; row_bytes 0), LIMIT
 * (a pair of 4 GiB or more, sums that overflow), NOT_FOUND (algorithm), BUSY (a request is active), MISMATCH (options
 * that must be equal are not); the communicator goes on after any of these. Of this rank alone: a NULL pointer,
 * struct_size.
 */
BANYAN_API banyan_status banyan_weighted_alltoall_init(banyan_comm* comm, const banyan_weighted_options* options,
                                                       size_t row_bytes, banyan_request** request);

/**
 * What the capacities came to, in rows; each output may be NULL. send_capacities[j]: to rank j; recv_capacities[i]:
 * from rank i; recv_displs[i]: where rank i's rows start in recvbuf, the sum of the capacities before; arrays of
 * [size]. *recv_rows: the sum of all recv_capacities, the rows that recvbuf needs room for.
 */
BANYAN_API banyan_status banyan_weighted_alltoall_layout(const banyan_request* request, size_t* send_capacities,
                                                         size_t* recv_capacities, size_t* recv_displs,
                                                         size_t* recv_rows);

/**
 * Starts an exchange: sendcounts[j] rows, from row sdispls[j] of `sendbuf` on, go to rank j. sdispls NULL: rows lie in
 * order of ranks, without gaps. Rows of rank i arrive from row rdispls[i] of `recvbuf` on; NULL: recv_displs. There
 * must be room for recv_capacities[i] rows; what is beyond those that came is undefined afterwards, and spaces must not
 * overlap. Arrays are of [size] and may be freed on return; buffers are borrowed until the exchange is done, for REST
 * sendbuf until banyan_weighted_alltoall_rest. Starts happen in equal order on all ranks; other rules as for
 * banyan_request_start. Does not block. Errors: INVALID_ARGUMENT, LIMIT (overflow of size_t, more than 2^30 rows beyond
 * a capacity), NOT_SUPPORTED (in place), BUSY, of this rank alone: nothing was started here, start again.
 *
 * Under BANYAN_OVERFLOW_ERROR a rank with more rows than fit sends none, and banyan_request_wait (or test) of this
 * exchange is LIMIT on all ranks: its text names the rank and the pair, at both ends also count and capacity. recvbuf
 * is undefined then, and the request may be started again; the communicator is not harmed.
 */
BANYAN_API banyan_status banyan_weighted_alltoall_start(banyan_request* request, const void* sendbuf,
                                                        const size_t* sendcounts, const size_t* sdispls, void* recvbuf,
                                                        const size_t* rdispls);

/** What an exchange came to, in rows. The arrays, of [size], are the request's, and change with its next start. */
typedef struct banyan_weighted_result {
  size_t struct_size;       /**< in: sizeof(banyan_weighted_result) */
  const size_t* recvcounts; /**< rows that came from each rank */
  const size_t* recvrest;   /**< rows of each rank for this one that did not fit and were not sent */
  const size_t* sendrest;   /**< rows for each rank that did not fit: the last ones of its sendcounts */
  int num_overflowed;       /**< ranks with rows that did not fit; equal on all ranks */
} banyan_weighted_result;

/** Fills `result`, whose struct_size must be set, after an exchange. BUSY: the request is started. */
BANYAN_API banyan_status banyan_weighted_alltoall_result(const banyan_request* request, banyan_weighted_result* result);

/**
 * BANYAN_OVERFLOW_REST: exchanges the rows that did not fit, from the sendbuf of the last start; counts are known at
 * both ends by then. recvrest[i] rows of rank i arrive from row rdispls[i] of `restbuf` on; NULL: in order of ranks,
 * without gaps. Collective, by all ranks after an exchange whose num_overflowed is not 0, and before the next start;
 * does nothing, on all ranks, where it is 0. Blocks. Errors: as banyan_alltoallv; INVALID_ARGUMENT: another policy.
 */
BANYAN_API banyan_status banyan_weighted_alltoall_rest(banyan_request* request, void* restbuf, const size_t* rdispls);

/**
 * The plan of the exchange in which every pair fills its capacity: what was chosen and why, and the most that it is
 * predicted to take. Free it with banyan_plan_free. Error: NOT_SUPPORTED above 512 ranks, where capacities are known to
 * their pairs only and the algorithm is chosen as for an all-to-all-v.
 */
BANYAN_API banyan_status banyan_weighted_alltoall_plan(banyan_request* request, banyan_plan** plan);

#ifdef __cplusplus
}
#endif

#endif
