/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_COMM_H
#define BANYAN_COMM_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Enough for every address family and the job secret; opaque. Treat it like a password: it admits to the job. */
typedef struct banyan_unique_id {
  unsigned char bytes[256];
} banyan_unique_id;

/**
 * An allgather that the caller supplies: rank r's `size` bytes at `sendbuf` end up at `recvbuf + r * size` on every
 * rank. Blocks until done. Returns 0 on success, anything else on failure. Called only from inside the Banyan call that
 * was given it, on the calling thread; it must not call Banyan.
 */
typedef int (*banyan_allgather_fn)(const void* sendbuf, void* recvbuf, size_t size, void* context);

/**
 * How a communicator is made. Start from BANYAN_COMM_CONFIG_INIT; a zero or NULL member means its default. Strings are
 * copied. Each member names the environment variable that sets it when the member is left at its default.
 */
typedef struct banyan_comm_config {
  size_t struct_size;         /**< sizeof(banyan_comm_config), set by the INIT macro */
  double timeout_s;           /**< deadline of every operation, seconds; default 30. BANYAN_TIMEOUT_S */
  double bootstrap_timeout_s; /**< deadline of creation, seconds; default 60. BANYAN_BOOTSTRAP_TIMEOUT_S */
  const char* transports;     /**< comma list in order of preference; default "shm,ucx". BANYAN_TRANSPORTS */
  const char* interface_name; /**< network interface for the bootstrap; default: the one that has the route to the root,
                                   for data: all that are up. BANYAN_INTERFACE */
  const char* topology_file;  /**< JSON or switch file to merge over discovery. BANYAN_TOPOLOGY_FILE */
  const char* profile_file;   /**< measured profile. BANYAN_PROFILE */
  const char* host_id;        /**< overrides the host identity of this rank. BANYAN_HOST_ID */
  size_t aggregate_limit_bytes; /**< all-to-all-v pairs up to this size travel in aggregated messages; 0: the model
                                     chooses, SIZE_MAX: never aggregate. Equal on all ranks. BANYAN_AGGREGATE_LIMIT */
  const char* tuning_file;      /**< rules that name algorithms (docs/tuning.md); rank 0's counts. BANYAN_TUNING_FILE */
} banyan_comm_config;

#define BANYAN_COMM_CONFIG_INIT \
  { sizeof(banyan_comm_config), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Makes the id of a new job on one rank; hand its bytes to the other ranks over a channel you trust (MPI_Bcast, a file
 * of mode 0600). Opens a listening socket on the chosen interface, which banyan_comm_create_from_id takes over in the
 * same process; closed unused after the bootstrap deadline. `config` may be NULL.
 */
BANYAN_API banyan_status banyan_unique_id_create(const banyan_comm_config* config, banyan_unique_id* id);

/**
 * Collective over `size` ranks: rendezvous over TCP at the id's address, then discovery, merge and connection set-up.
 * `config` may be NULL. Every rank gets the communicator or an error within the bootstrap deadline.
 * Errors: INVALID_ARGUMENT, TIMEOUT (names the ranks that never came), MISMATCH (size or version differ), AUTH, IO.
 */
BANYAN_API banyan_status banyan_comm_create_from_id(const banyan_unique_id* id, int rank, int size,
                                                    const banyan_comm_config* config, banyan_comm** comm);

/** The same over an allgather that the caller supplies (MPI, a store, anything). `context` is passed through. */
BANYAN_API banyan_status banyan_comm_create(int rank, int size, banyan_allgather_fn allgather, void* context,
                                            const banyan_comm_config* config, banyan_comm** comm);

/**
 * The same with rank, size and rendezvous taken from the launcher's environment: torchrun, Open MPI and PMIx, MPICH,
 * Slurm, banyan-run (docs/environment.md lists the variables). Without any, a communicator of size 1.
 */
BANYAN_API banyan_status banyan_comm_create_from_environment(const banyan_comm_config* config, banyan_comm** comm);

/**
 * `size` ranks in this process, one communicator each in `comms[0..size-1]`, to be used by one thread each. For tests
 * and for programs that run a rank per thread. Not collective: one call makes them all.
 */
BANYAN_API banyan_status banyan_comm_create_local(int size, const banyan_comm_config* config, banyan_comm** comms);

/**
 * Collective over `comm`: ranks of equal `color` form a new communicator, ordered by (`key`, rank). A negative color
 * takes part and gets `*split = NULL`. The new one has its own locality tree.
 */
BANYAN_API banyan_status banyan_comm_split(banyan_comm* comm, int color, int key, banyan_comm** split);

/** This process's rank, 0 to size-1. */
BANYAN_API banyan_status banyan_comm_rank(const banyan_comm* comm, int* rank);
/** The number of ranks. */
BANYAN_API banyan_status banyan_comm_size(const banyan_comm* comm, int* size);

/** The merged topology of all ranks. Borrowed: valid as long as the communicator, not to be freed. */
BANYAN_API banyan_status banyan_comm_topology(const banyan_comm* comm, const banyan_topology** topology);

/** The profile in use, or NULL in `*profile` when the model is nominal. Borrowed until
 * banyan_comm_set_profile or banyan_comm_destroy. */
BANYAN_API banyan_status banyan_comm_profile(const banyan_comm* comm, const banyan_profile** profile);

/** Replaces the communicator's profile: collective, rank 0's profile is used by all. BUSY, on all ranks, while a
 * request of any rank is started or a dispatch or combine not finished. */
BANYAN_API banyan_status banyan_comm_set_profile(banyan_comm* comm, const banyan_profile* profile);

/** Blocks until all ranks have called it, or the deadline. */
BANYAN_API banyan_status banyan_comm_barrier(banyan_comm* comm);

/** Small host-memory allgather over the communicator's control connections, for set-up and tools; not for speed. */
BANYAN_API banyan_status banyan_comm_allgather(banyan_comm* comm, const void* sendbuf, void* recvbuf, size_t size);

/**
 * Ends the communicator on every rank: pending and later operations there return BANYAN_ERR_ABORTED with `reason`.
 * Not collective; the first reason wins. Any thread.
 */
BANYAN_API banyan_status banyan_comm_abort(banyan_comm* comm, const char* reason);

/**
 * Frees the communicator. Collective on a healthy communicator: waits, bounded by the deadline, until the peers have
 * taken what was sent to them. Local after an error. NULL is allowed. Requests must be freed before.
 */
BANYAN_API banyan_status banyan_comm_destroy(banyan_comm* comm);

#ifdef __cplusplus
}
#endif

#endif
