/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_PROFILE_H
#define BANYAN_PROFILE_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Called on rank 0 as measuring goes on: probe `done` of `total`, its name, and the estimated seconds left. */
typedef void (*banyan_profile_progress_fn)(int done, int total, const char* probe, double eta_s, void* context);

/** How to measure. Start from BANYAN_PROFILE_CONFIG_INIT; zero means default. */
typedef struct banyan_profile_config {
  size_t struct_size;
  double budget_s;                     /**< aim to finish within this many seconds; default 20 */
  size_t max_bytes;                    /**< largest message of a probe; default 4 MiB */
  const char* resume_file;             /**< if set: finished probes are kept there and not measured again */
  banyan_profile_progress_fn progress; /**< may be NULL */
  void* progress_context;
} banyan_profile_config;

#define BANYAN_PROFILE_CONFIG_INIT \
  { sizeof(banyan_profile_config), 0, 0, 0, 0, 0 }

/**
 * Collective: measures per tier latency, per-message overhead, per-flow and shared bandwidth under concurrent load, per
 * host NIC rates in and out, and the copy rate. All ranks get equal profiles. The communicator keeps its own model
 * until banyan_comm_set_profile. `config` may be NULL and is read on rank 0 only.
 */
BANYAN_API banyan_status banyan_profile_measure(banyan_comm* comm, const banyan_profile_config* config,
                                                banyan_profile** profile);

/** Reads a profile file (docs/profile-format.md). At most 64 MiB. Errors: NOT_FOUND, IO, FORMAT, LIMIT. */
BANYAN_API banyan_status banyan_profile_load(const char* path, banyan_profile** profile);

/** Renders as TEXT (tables), JSON (what banyan_profile_load reads), or SVG (host-by-host heat map). */
BANYAN_API banyan_status banyan_profile_export(const banyan_profile* profile, banyan_format format, char** text);

/** Frees a profile made by a function of this header. NULL is allowed. */
BANYAN_API void banyan_profile_free(banyan_profile* profile);

#ifdef __cplusplus
}
#endif

#endif
