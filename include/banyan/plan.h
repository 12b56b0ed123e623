/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_PLAN_H
#define BANYAN_PLAN_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What to plan, without a communicator. Start from BANYAN_PLAN_CONFIG_INIT. */
typedef struct banyan_plan_config {
  size_t struct_size;
  const banyan_topology* topology; /**< required; borrowed for the call */
  const banyan_profile* profile;   /**< NULL: nominal speeds */
  size_t bytes_per_pair;           /**< uniform all-to-all when `matrix` is NULL */
  const uint64_t* matrix; /**< [num_ranks, num_ranks] row-major, bytes from row to column: an all-to-all-v; borrowed */
  const char* algorithm;  /**< NULL or "auto": the model's choice; else a name of docs/algorithms.md */
  size_t aggregate_limit_bytes; /**< as in banyan_comm_config */
} banyan_plan_config;

#define BANYAN_PLAN_CONFIG_INIT \
  { sizeof(banyan_plan_config), 0, 0, 0, 0, 0, 0 }

/** Figures of a plan. Times in seconds, nominal or measured as `measured` says. */
typedef struct banyan_plan_info {
  size_t struct_size;           /**< in: sizeof(banyan_plan_info) */
  char algorithm[64];           /**< the algorithm chosen, with its parameters */
  double predicted_time_s;      /**< of the slowest rank */
  double lower_bound_s;         /**< max over directed links of bytes that must cross / capacity */
  uint64_t num_messages;        /**< messages between hosts, all ranks */
  uint64_t num_mapped_messages; /**< writes into memory of a rank of the same load/store domain, all ranks */
  uint64_t wire_bytes;          /**< payload bytes between hosts, headers included */
  uint64_t logical_bytes;       /**< bytes the caller asked to move between different hosts */
  uint64_t scratch_bytes;       /**< memory that the exchange allocates, of the rank that needs most */
  int measured;                 /**< 1: speeds come from a profile, 0: nominal */
} banyan_plan_info;

/** Plans and verifies an exchange for all ranks. Errors: INVALID_ARGUMENT, NOT_FOUND (algorithm), LIMIT (overflow). */
BANYAN_API banyan_status banyan_plan_create(const banyan_plan_config* config, banyan_plan** plan);

/**
 * The plan that `comm` would use for a uniform all-to-all (`matrix` NULL) or an all-to-all-v of this matrix. Local: the
 * same on every rank. `algorithm` as in banyan_plan_config.
 */
BANYAN_API banyan_status banyan_plan_from_comm(const banyan_comm* comm, size_t bytes_per_pair, const uint64_t* matrix,
                                               const char* algorithm, banyan_plan** plan);

/** Fills `info`; its `struct_size` must be set. */
BANYAN_API banyan_status banyan_plan_get_info(const banyan_plan* plan, banyan_plan_info* info);

/** Renders as TEXT (what was chosen, why, what was rejected), JSON (the same), or IR (the schedule). */
BANYAN_API banyan_status banyan_plan_export(const banyan_plan* plan, banyan_format format, char** text);

/** Frees a plan. NULL is allowed. */
BANYAN_API void banyan_plan_free(banyan_plan* plan);

#ifdef __cplusplus
}
#endif

#endif
