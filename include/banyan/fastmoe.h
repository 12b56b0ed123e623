/* SPDX-License-Identifier: Apache-2.0 */
/**
 * FastMoE's exchanges under its own contract: counts as int64 [size * num_local_experts], rows sent in order of ranks
 * and received in order of experts. For forks of laekov/fastmoe; docs/fastmoe.md says where they link it.
 *
 * Source of counts and layout: laekov/fastmoe v1.1.0, cuda/global_exchange.h (fmoe_cuda_expert_exchange_impl,
 * fmoe_cuda_global_scatter_impl, fmoe_cuda_global_gather_impl), which sends one message per pair of ranks and expert.
 * Here a pair has one message, aggregated and routed as any all-to-all-v of Banyan.
 */
#ifndef BANYAN_FASTMOE_H
#define BANYAN_FASTMOE_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Per-call choices, equal on all ranks. Start from BANYAN_FASTMOE_OPTIONS_INIT; zero means default. */
typedef struct banyan_fastmoe_options {
  size_t struct_size;
  const char* algorithm; /**< as in banyan_alltoall_options */
  double timeout_s;      /**< as in banyan_alltoall_options */
  int verify_counts;     /**< 1: compares the counts of each expert with the sender's first, by one small exchange;
                              default 0: the rows of each pair of ranks are compared, which the exchange does anyway */
} banyan_fastmoe_options;

#define BANYAN_FASTMOE_OPTIONS_INIT \
  { sizeof(banyan_fastmoe_options), 0, 0, 0 }

/**
 * Tells each rank how many rows it will get: global_expert_count[j * E + i] becomes rank j's
 * local_expert_count[r * E + i] on rank r, with E = num_local_experts.
 * local_expert_count: [size * E] int64, entry j * E + i is what this rank has for expert i of rank j.
 * global_expert_count: [size * E] int64, not overlapping, undefined after an error. Host memory. Collective: equal E on
 * all ranks, calls in equal order. Blocks. The communicator's thread. Errors: INVALID_ARGUMENT (NULL, E not positive, a
 * count that is negative: the text has its index; nothing was sent, the communicator is unharmed), LIMIT (overflow),
 * NOT_SUPPORTED (in place), and those of banyan_alltoall.
 */
BANYAN_API banyan_status banyan_fastmoe_expert_exchange(banyan_comm* comm, const int64_t* local_expert_count,
                                                        int64_t* global_expert_count, int num_local_experts);

/**
 * Sends rows to the ranks of their experts. E = num_local_experts; rows are of `row_bytes` bytes.
 * sendbuf: [sum of local_expert_count] rows, ordered by rank and then by that rank's expert, as the counts are.
 * recvbuf: [sum of global_expert_count] rows, ordered by this rank's expert and then by source rank: for i in 0..E-1,
 * for j in 0..size-1, global_expert_count[j * E + i] rows.
 * Both counts as of banyan_fastmoe_expert_exchange. Host memory; buffers do not overlap, sendbuf is not written, NULL
 * is fine for a buffer of no rows. With E > 1 rows are sorted through memory that the communicator keeps. `options` may
 * be NULL. Collective: equal E, row_bytes and options on all ranks. Blocks. The communicator's thread. Errors: as
 * banyan_fastmoe_expert_exchange; MISMATCH on all ranks where the rows of a pair of ranks differ (with verify_counts,
 * where those of an expert do): then the communicator is unusable and recvbuf undefined, as after banyan_alltoallv.
 */
BANYAN_API banyan_status banyan_fastmoe_global_scatter(banyan_comm* comm, const void* sendbuf,
                                                       const int64_t* local_expert_count, void* recvbuf,
                                                       const int64_t* global_expert_count, int num_local_experts,
                                                       size_t row_bytes, const banyan_fastmoe_options* options);

/**
 * The inverse of banyan_fastmoe_global_scatter, with equal counts in equal places: brings the experts' rows back.
 * sendbuf: [sum of global_expert_count] rows in the order that scatter received them; recvbuf: [sum of
 * local_expert_count] rows in the order that scatter sent them. All else as there.
 */
BANYAN_API banyan_status banyan_fastmoe_global_gather(banyan_comm* comm, const void* sendbuf,
                                                      const int64_t* local_expert_count, void* recvbuf,
                                                      const int64_t* global_expert_count, int num_local_experts,
                                                      size_t row_bytes, const banyan_fastmoe_options* options);

#ifdef __cplusplus
}
#endif

#endif
