/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_TYPES_H
#define BANYAN_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "banyan/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BANYAN_VERSION_MAJOR 0
#define BANYAN_VERSION_MINOR 1
#define BANYAN_VERSION_PATCH 0

/** The version of the loaded library, which may differ from the header's. Each output may be NULL. Any thread. */
BANYAN_API void banyan_version(int* major, int* minor, int* patch);

/**
 * How the library was built: version, compiler, transports, options; one `key: value` a line. Static storage.
 * Any thread.
 */
BANYAN_API const char* banyan_build_info(void);

/** A group of ranks that exchange data; made by a function of comm.h. One thread at a time per communicator. */
typedef struct banyan_comm banyan_comm;
/** What the machines look like: hosts, devices, NICs, switches and which rank is where. Immutable. Any thread. */
typedef struct banyan_topology banyan_topology;
/** Measured speeds of a topology's tiers. Immutable. Any thread. */
typedef struct banyan_profile banyan_profile;
/** A schedule with its predicted time and the reasons for choosing it. Immutable. Any thread. */
typedef struct banyan_plan banyan_plan;
/** A persistent exchange. One thread at a time, the communicator's. */
typedef struct banyan_request banyan_request;

/** The formats in which topologies, profiles and plans are exported. Not every object has every format. */
typedef enum banyan_format {
  BANYAN_FORMAT_TEXT = 0,   /**< for a terminal: a tree, a table or a list of reasons */
  BANYAN_FORMAT_JSON = 1,   /**< for programs; documented in docs/, versioned by a `format` member */
  BANYAN_FORMAT_SVG = 2,    /**< a picture */
  BANYAN_FORMAT_MATRIX = 3, /**< a rank-by-rank table as text */
  BANYAN_FORMAT_IR = 4      /**< plans only: the schedule's text form, docs/schedule-ir.md */
} banyan_format;

#ifdef __cplusplus
}
#endif

#endif
