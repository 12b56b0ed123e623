/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BANYAN_STATUS_H
#define BANYAN_STATUS_H

#include <stddef.h>

/** Marks the functions that libbanyan exports. */
#if defined(__GNUC__)
#define BANYAN_API __attribute__((visibility("default")))
#else
#define BANYAN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a call came to. Zero is success, BANYAN_IN_PROGRESS is "not yet", every other value is an error. */
typedef enum banyan_status {
  BANYAN_OK = 0,
  BANYAN_IN_PROGRESS = 1,          /**< the request is not finished; test or wait again */
  BANYAN_ERR_INVALID_ARGUMENT = 2, /**< an argument of this call is wrong; nothing was done */
  BANYAN_ERR_NO_MEMORY = 3,        /**< memory, descriptors or another local resource ran out */
  BANYAN_ERR_NOT_SUPPORTED = 4,    /**< valid, but this build, transport or host cannot do it */
  BANYAN_ERR_NOT_FOUND = 5,        /**< a named file, transport, interface or variable does not exist */
  BANYAN_ERR_IO = 6,               /**< the operating system refused; the text has errno */
  BANYAN_ERR_FORMAT = 7,           /**< a file or string does not parse; the text has line and column */
  BANYAN_ERR_LIMIT = 8,            /**< a size limit was passed, or a product of counts overflows */
  BANYAN_ERR_TIMEOUT = 9,          /**< the deadline passed; the text names the peers still missing */
  BANYAN_ERR_PEER_FAILED = 10,     /**< a peer process died or its connection broke; the text names it */
  BANYAN_ERR_MISMATCH = 11,        /**< two ranks disagree; the text names both and what they disagree on */
  BANYAN_ERR_AUTH = 12,            /**< a peer did not know the job secret */
  BANYAN_ERR_ABORTED = 13,         /**< the communicator was aborted; the text has the first cause */
  BANYAN_ERR_BUSY = 14,            /**< the object is in use: a started request, a running operation */
  BANYAN_ERR_INTERNAL = 15         /**< a bug in Banyan; please report the text */
} banyan_status;

/** The name of a status as written above ("BANYAN_ERR_TIMEOUT"); never NULL. Static storage. Any thread. */
BANYAN_API const char* banyan_status_name(banyan_status status);

/**
 * The text of the last error that a Banyan call returned on this thread: cause, operands and next step. Never NULL,
 * empty when no call failed yet. Owned by the library, valid until the next failing call on this thread.
 */
BANYAN_API const char* banyan_last_error(void);

/** Frees a string that a Banyan call returned through a `char**`. NULL is allowed. Any thread. */
BANYAN_API void banyan_string_free(char* string);

#ifdef __cplusplus
}
#endif

#endif
