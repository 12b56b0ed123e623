/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_TOPOLOGY_H
#define BANYAN_TOPOLOGY_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The host that this process runs on, as a topology with one rank. Free with banyan_topology_free. Any thread. */
BANYAN_API banyan_status banyan_topology_discover(banyan_topology** topology);

/**
 * Reads a topology from a file: Banyan's JSON (docs/topology-format.md), NCCL's topology XML (NCCL_TOPO_DUMP_FILE) or
 * Slurm's topology.conf; told apart by content. At most 64 MiB. Errors: NOT_FOUND, IO, FORMAT (line and column), LIMIT.
 */
BANYAN_API banyan_status banyan_topology_load(const char* path, banyan_topology** topology);

/**
 * Builds a topology from a short description, for planning without a cluster. The grammar is in
 * docs/topology-format.md; "2:[8,7] nic=10gbit" is two hosts of 8 and 7 ranks with one 10 Gbit/s NIC each.
 */
BANYAN_API banyan_status banyan_topology_synthetic(const char* description, banyan_topology** topology);

/**
 * Renders the topology as TEXT (a tree), JSON (which banyan_topology_load reads back), SVG (a picture of the tree) or
 * MATRIX (the tier and nominal bandwidth between any two ranks). Free the string with banyan_string_free.
 */
BANYAN_API banyan_status banyan_topology_export(const banyan_topology* topology, banyan_format format, char** text);

/** Checks the topology's invariants; BANYAN_ERR_FORMAT names the first that does not hold. */
BANYAN_API banyan_status banyan_topology_check(const banyan_topology* topology);

/** Numbers of ranks and hosts. Each output may be NULL. */
BANYAN_API banyan_status banyan_topology_counts(const banyan_topology* topology, int* num_ranks, int* num_hosts);

/** The host index of a rank, 0 to num_hosts-1 in order of first appearance by rank. */
BANYAN_API banyan_status banyan_topology_host_of(const banyan_topology* topology, int rank, int* host);

/** Frees a topology made by a function of this header. NULL is allowed. */
BANYAN_API void banyan_topology_free(banyan_topology* topology);

#ifdef __cplusplus
}
#endif

#endif
