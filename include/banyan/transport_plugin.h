/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a transport plugin fills. A plugin is a shared library `libbanyan_transport_<name>.so` that exports
 * `banyan_transport_query`. Users of the library do not need this header.
 *
 * Rules for every operation: it never throws, never blocks (but open, connect and close, which are bounded by
 * `timeout_s`), never prints to stdout, and is called by one thread at a time per transport object. On an error it
 * stores a text for `last_error`. Several objects may exist in a process and are used by different threads at once.
 *
 * A post that returns BANYAN_OK was taken; the request's `status` is BANYAN_IN_PROGRESS or, when it ended at once,
 * final. A post that returns an error took nothing, and `status` holds the same error. A request that fails later gets
 * its `status`, while progress itself returns BANYAN_OK: progress fails only when the whole object is unusable.
 * docs/plugin-guide.md explains each rule and tests/conformance examines it.
 */
#ifndef BANYAN_TRANSPORT_PLUGIN_H
#define BANYAN_TRANSPORT_PLUGIN_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BANYAN_TRANSPORT_ABI_VERSION 1
#define BANYAN_TRANSPORT_QUERY_SYMBOL "banyan_transport_query"

/** What a transport can do beyond tagged send and receive. */
#define BANYAN_TRANSPORT_CAP_INTER_HOST UINT64_C(1)           /**< reaches ranks of other hosts */
#define BANYAN_TRANSPORT_CAP_MAPPED UINT64_C(2)               /**< the mapped-memory group below is filled */
#define BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE UINT64_C(4) /**< a dead peer ends its requests with PEER_FAILED */

/** An endpoint address is at most this long. */
#define BANYAN_TRANSPORT_MAX_ADDRESS 4096

/** Given to open. Strings are borrowed for the call. */
typedef struct banyan_transport_config {
  size_t struct_size;
  int rank;                   /**< of the owner in its communicator */
  int size;                   /**< ranks of the communicator */
  uint64_t comm_id;           /**< random, equal on all ranks of the communicator */
  const char* interface_name; /**< NULL: all interfaces that are up */
  double timeout_s;
  void* host_context; /**< used by the library's own transports; NULL for plugins */
} banyan_transport_config;

/**
 * One posted operation. Memory of the caller, zero-initialised by it, not moved until `status` is no longer
 * BANYAN_IN_PROGRESS. The transport writes `status` last, from inside post or progress on the calling thread.
 */
typedef struct banyan_transport_request {
  banyan_status status; /**< BANYAN_IN_PROGRESS, BANYAN_OK, or the error */
  int peer;
  size_t received;   /**< receives only: bytes that arrived; a sender's longer message ends in ERR_MISMATCH */
  void* internal[6]; /**< the transport's own */
} banyan_transport_request;

/** The operations of a transport. `version` and `struct_size` first; later versions add at the end. */
typedef struct banyan_transport_ops {
  uint32_t version;   /**< BANYAN_TRANSPORT_ABI_VERSION of the header it was compiled with */
  uint32_t reserved;  /**< 0 */
  size_t struct_size; /**< sizeof(banyan_transport_ops) there */
  const char* name;   /**< "ucx", "shm", ... static storage */
  uint64_t capabilities;

  /* Required. */
  /** Makes a transport object for one rank. */
  banyan_status (*open)(const banyan_transport_config* config, void** transport);
  /**
   * Frees it: drops what is in progress and flushes what was sent, bounded by timeout_s. It neither reads nor writes
   * requests that are in progress, so a caller that failed may have freed them; the buffers must stay until it returns.
   */
  void (*close)(void* transport);
  /** Writes this rank's address (at most BANYAN_TRANSPORT_MAX_ADDRESS bytes) to `address`, its length to `*size`. */
  banyan_status (*get_address)(void* transport, void* address, size_t* size);
  /** Whether the peer with this address can be reached: OK or NOT_SUPPORTED. Local, cheap, no side effect. */
  banyan_status (*is_reachable)(void* transport, int peer, const void* address, size_t size);
  /** Remembers a peer's address; the connection itself may be made lazily. Includes the own rank (loopback). */
  banyan_status (*connect)(void* transport, int peer, const void* address, size_t size);
  /**
   * Sends `size` bytes (0 allowed). Matched by (sender, tag) in posting order. The buffer is borrowed until done. The
   * library uses tags of at most 40 bits; a transport that matches fewer than 64 refuses larger ones.
   */
  banyan_status (*post_send)(void* transport, int peer, const void* buffer, size_t size, uint64_t tag,
                             banyan_transport_request* request);
  /** Receives a message from `peer` with `tag` into at most `size` bytes. */
  banyan_status (*post_recv)(void* transport, int peer, void* buffer, size_t size, uint64_t tag,
                             banyan_transport_request* request);
  /** Moves everything on; `*events` is 0 when nothing happened (the caller may then yield). */
  banyan_status (*progress)(void* transport, int* events);
  /** Asks for an early end; the request still ends through progress, with ABORTED if the cancel took. */
  banyan_status (*cancel)(void* transport, banyan_transport_request* request);
  /**
   * Text of the last error of this object; never NULL; valid until its next call. With a NULL transport: why the last
   * open on this thread failed.
   */
  const char* (*last_error)(void* transport);

  /* Optional: memory registration (both or none). Speeds up posts from that range; never required. */
  banyan_status (*register_memory)(void* transport, void* base, size_t size, void** registration);
  banyan_status (*deregister_memory)(void* transport, void* registration);

  /* Optional group: mapped memory (all or none). A window is memory of one rank that peers access by load/store. */
  /** Allocates a zeroed window of `size` bytes (page-rounded) and gives its local address. */
  banyan_status (*window_create)(void* transport, size_t size, void** window, void** base);
  /** Writes what a peer needs to map the window (at most BANYAN_TRANSPORT_MAX_ADDRESS bytes). */
  banyan_status (*window_export)(void* transport, void* window, void* handle, size_t* handle_size);
  /** Maps a peer's window; `*base` stays valid until window_unmap even if the peer dies. */
  banyan_status (*window_map)(void* transport, int peer, const void* handle, size_t handle_size, void** mapping,
                              void** base);
  banyan_status (*window_unmap)(void* transport, void* mapping);
  banyan_status (*window_free)(void* transport, void* window);

  /* Optional. */
  /**
   * Whether all sends that are done have left this rank, so that their peers receive them without a further call here:
   * OK, or IN_PROGRESS (call progress and ask again). Needed where a send may be done while the transport still holds a
   * copy.
   */
  banyan_status (*flush)(void* transport);
} banyan_transport_ops;

/** The plugin's only export: its newest table with version <= max_version, or NULL. Static storage. */
typedef const banyan_transport_ops* (*banyan_transport_query_fn)(uint32_t max_version);

#ifdef __cplusplus
}
#endif

#endif
