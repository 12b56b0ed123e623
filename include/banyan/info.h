/* SPDX-License-Identifier: Apache-2.0 */
/** What this build can do and what its environment says; banyan-info prints it. */
#ifndef BANYAN_INFO_H
#define BANYAN_INFO_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Every BANYAN_* variable that the library or its tools read, with default, value in this process (secrets are hidden)
 * and a sentence; then the BANYAN_* variables that are set but unknown, each with the nearest known name. As TEXT or
 * JSON (`"format": "banyan-environment-1"`). Free the string with banyan_string_free. Not while another thread changes
 * the environment.
 */
BANYAN_API banyan_status banyan_environment_export(banyan_format format, char** text);

/**
 * The transports that this process can load: the library's own and the plugins in the search folders, each with its
 * abilities, or why it cannot be used. As TEXT or JSON (`"format": "banyan-transports-1"`). Loads the plugins. Free the
 * string with banyan_string_free. Any thread.
 */
BANYAN_API banyan_status banyan_transports_export(banyan_format format, char** text);

#ifdef __cplusplus
}
#endif

#endif
