/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a device plugin fills: memory of accelerators, and exchanges between ranks that can load and store each other's.
 * A plugin is a shared library `libbanyan_device_<name>.so` that exports `banyan_device_query`. Users of the library do
 * not need this header.
 *
 * Rules for every operation: it never throws, never prints to stdout, and is called by one thread at a time per device
 * object. `enqueue` never blocks and never synchronises with the device. On an error an operation stores a text for
 * `last_error`. Streams are the caller's, as opaque pointers (a cudaStream_t); the plugin never destroys one.
 * docs/device-cuda.md explains the protocols.
 */
#ifndef BANYAN_DEVICE_PLUGIN_H
#define BANYAN_DEVICE_PLUGIN_H

#include "banyan/device.h"
#include "banyan/moe.h"
#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BANYAN_DEVICE_ABI_VERSION 1
#define BANYAN_DEVICE_QUERY_SYMBOL "banyan_device_query"

/** A window's handle is at most this long. */
#define BANYAN_DEVICE_MAX_HANDLE 256
/** Ranks of a group whose memories are mapped. */
#define BANYAN_DEVICE_MAX_RANKS 72
/** Experts of a token. */
#define BANYAN_DEVICE_MAX_TOP_K 16
/** Experts of a token exchange by experts. */
#define BANYAN_DEVICE_MAX_EXPERTS 1024

/** Where a pointer points. */
typedef enum banyan_memory_kind {
  BANYAN_MEMORY_HOST = 0,    /**< of the process, pinned or not, or unknown to the device's library */
  BANYAN_MEMORY_DEVICE = 1,  /**< of one device */
  BANYAN_MEMORY_MANAGED = 2, /**< moves between host and devices */
} banyan_memory_kind;

typedef struct banyan_device_pointer {
  size_t struct_size;
  banyan_memory_kind kind;
  int device; /**< -1 for host memory */
  void* base; /**< of the allocation; NULL where that is not known */
  size_t size;
} banyan_device_pointer;

typedef struct banyan_device_config {
  size_t struct_size;
  int device;       /**< ordinal in this process */
  double timeout_s; /**< of every wait inside an exchange */
} banyan_device_config;

/** One rank's part of a mapped group; arrays of `size` entries, borrowed for the call. */
typedef struct banyan_device_group_config {
  size_t struct_size;
  int rank;
  int size;             /**< 1 to BANYAN_DEVICE_MAX_RANKS */
  size_t eager_bytes;   /**< pairs up to this size pass through the inbox; equal on all ranks */
  int max_blocks;       /**< of an exchange, at most; those of all ranks of a device must fit on it at once, or they
                             wait for each other until the deadline. 0: as many as the device has multiprocessors */
  void* const* inboxes; /**< by rank: its inbox, as mapped here; the own one first made by inbox_bytes, zeroed */
} banyan_device_group_config;

/** Bytes that this rank sends to a peer and receives from it. Counts of a pair are equal at both its ends. */
typedef struct banyan_device_move {
  const void* send; /**< any alignment; NULL if send_bytes is 0 */
  size_t send_bytes;
  void* recv; /**< likewise; not overlapping other memory of the exchange */
  size_t recv_bytes;
  int window;         /**< which of the registered windows `recv` lies in; -1: none, so what is not eager is refused */
  const void* source; /**< for `pull`: where the peer's `send` for this rank is mapped here; else not read */
} banyan_device_move;

/** A token exchange of a group: dispatch sends each token's row once to every rank that has one of its experts, combine
 * adds up what lies there. Equal on all ranks, but for `areas`, which is borrowed for the call like `rank_of_expert`.
 */
typedef struct banyan_device_tokens_config {
  size_t struct_size;
  int max_tokens;            /**< of a rank in a dispatch; 1 to 2^22 */
  int top_k;                 /**< 1 to BANYAN_DEVICE_MAX_TOP_K */
  int num_experts;           /**< at least 1 */
  const int* rank_of_expert; /**< [num_experts], on the host */
  size_t row_bytes;          /**< a multiple of 16 */
  banyan_dtype dtype;        /**< of the rows' numbers: FP32, FP16 or BF16 */
  int max_blocks;            /**< of a kernel, at most, as in banyan_device_group_config; 0: the plugin's choice */
  void* const* areas;        /**< by rank: its area of tokens_area_bytes, as mapped here; zeroed at first */
} banyan_device_tokens_config;

/** What a rank dispatches; device memory, read when the stream comes to it. */
typedef struct banyan_device_dispatch {
  size_t struct_size;
  const void* rows;         /**< [num_tokens][row_bytes], aligned to 16 */
  const int* experts;       /**< [num_tokens][top_k]; a negative one, or none of the experts, is no choice */
  const float* weights;     /**< [num_tokens][top_k], or NULL: receivers find zeros */
  int num_tokens;           /**< at most max_tokens */
  const int* device_tokens; /**< on the device: how many of them there are, or NULL: all; not read after dispatch */
} banyan_device_dispatch;

/** Where dispatch leaves what came, in this rank's area: of rank r the first counts[r] of max_tokens places, in the
 * order of its tokens. Experts write their results over `rows`. */
typedef struct banyan_device_received {
  size_t struct_size;
  void* rows;           /**< [num_ranks][max_tokens][row_bytes] */
  const int* counts;    /**< [num_ranks] */
  const int* experts;   /**< [num_ranks][max_tokens][top_k]: those of this rank; other choices are -1 */
  const float* weights; /**< likewise; of other choices 0 */
} banyan_device_received;

/** A token exchange by experts: each token's row still goes once to every rank that has one of its experts, and is laid
 * out there for each of its choices, by expert. Equal on all ranks, but for `tokens.areas` and `max_rows`. */
typedef struct banyan_device_experts_config {
  size_t struct_size;
  banyan_device_tokens_config tokens; /**< at most BANYAN_DEVICE_MAX_EXPERTS experts; areas of experts_area_bytes;
                                           max_tokens times top_k below 2^24; its struct_size is not read */
  int row_alignment;                  /**< runs of experts begin at multiples of so many rows; at least 1 */
  int max_rows;                       /**< of this rank's experts; 0: as many as could come */
} banyan_device_experts_config;

/** Where dispatch by experts leaves what came. Runs are in the order of the numbers of the experts; the rows of a run
 * in the order of ranks, tokens, choices. Device memory of the plugin, but num_experts and max_rows. Experts write
 * their results over `rows`; what lies between two runs is never read. */
typedef struct banyan_device_expert_rows {
  size_t struct_size;
  void* rows;         /**< [max_rows][row_bytes] */
  int num_experts;    /**< of this rank */
  int max_rows;       /**< as configured, or as many as could come */
  const int* experts; /**< [num_experts]: their numbers, rising */
  const int* counts;  /**< [num_experts]: rows */
  const int* offsets; /**< [num_experts + 1]: where the runs begin, aligned; the last: where the next would */
  const int* needed;  /**< [1]: rows with those between runs; more than max_rows: the last ones were left out, which
                           combine takes for choices of no expert */
  const banyan_device_row* sources; /**< [max_rows], those before the last offset */
} banyan_device_expert_rows;

/** Why exchanges of a group ended. */
typedef struct banyan_device_failure {
  size_t struct_size;
  banyan_status status; /**< BANYAN_OK, BANYAN_ERR_TIMEOUT or BANYAN_ERR_ABORTED */
  int peer;             /**< the rank that was waited for */
  uint64_t call;        /**< the exchange, counted from 1 */
} banyan_device_failure;

/** The operations of a device. `version` and `struct_size` first; later versions add at the end. */
typedef struct banyan_device_ops {
  uint32_t version;   /**< BANYAN_DEVICE_ABI_VERSION of the header it was compiled with */
  uint32_t reserved;  /**< 0 */
  size_t struct_size; /**< sizeof(banyan_device_ops) there */
  const char* name;   /**< "cuda"; static storage */

  /* Without an object. */
  /** Devices of this process; NOT_SUPPORTED, with a text, where there are none or no driver. */
  banyan_status (*count)(int* devices);
  /** Fills `pointer`; any pointer that the library does not know is the host's. */
  banyan_status (*inspect)(const void* address, banyan_device_pointer* pointer);
  /** The device that a stream belongs to; NULL is the default stream of the thread's current device. -1 where the
      device's library does not tell, as CUDA of a stream that is captured. */
  banyan_status (*stream_device)(void* stream, int* device);

  /* A device. */
  banyan_status (*open)(const banyan_device_config* config, void** device);
  /** Waits for nothing; groups and windows must have been freed. */
  void (*close)(void* device);
  /** Text of the last error on this thread; never NULL. */
  const char* (*last_error)(void);

  /* Windows: memory of this device that other processes, or other devices of this one, load and store. */
  /** Allocates `size` bytes, zeroed. */
  banyan_status (*window_create)(void* device, size_t size, void** base);
  banyan_status (*window_free)(void* device, void* base);
  /** What a peer needs to map `address`, in an allocation of this device, at most BANYAN_DEVICE_MAX_HANDLE bytes. */
  banyan_status (*window_export)(void* device, const void* address, void* handle, size_t* handle_size);
  /** Maps it, also where it is of this process; `*address` is what the exporter gave. */
  banyan_status (*window_map)(void* device, const void* handle, size_t handle_size, void** address, void** mapping);
  banyan_status (*window_unmap)(void* device, void* mapping);

  /* Exchanges. */
  /** Bytes of an inbox for these sizes. */
  size_t (*inbox_bytes)(int num_ranks, size_t eager_bytes);
  banyan_status (*group_create)(void* device, const banyan_device_group_config* config, void** group);
  /** The caller has synchronised with what was enqueued. */
  void (*group_free)(void* group);
  /** Makes a window known under the next number, from 0 on: by rank, where each rank's part is mapped here; and the
     size of the own part. */
  banyan_status (*group_add_window)(void* group, void* const* bases, size_t own_bytes);
  /**
   * Enqueues all-to-all-v number n of the group on `stream`: `moves` by rank, the own among them. All ranks enqueue
   * equal exchanges in equal order; those of one rank run one after the other, whatever their streams. Captured ones
   * are for the caller to order: those of a graph on one stream, launches of graphs among each other and with other
   * exchanges. After a failure what a peer pushes may still arrive: memory that was to receive may be used again, or
   * freed, when all ranks have freed the group.
   */
  banyan_status (*exchange)(void* group, const banyan_device_move* moves, void* stream);
  /** The same, counted with the others, where receivers know the places of what they receive: copy engines fetch it, no
      multiprocessor is used but by two small kernels. For large pairs. `send` and `source` stay as they are until the
      stream has passed it. All ranks call it, or none. */
  banyan_status (*pull)(void* group, const banyan_device_move* moves, void* stream);

  /* Token exchanges. They alternate: dispatch, combine, dispatch, ...; all ranks make equal calls in equal order. */
  /** Bytes of an area; 0 where the config is wrong. */
  size_t (*tokens_area_bytes)(int num_ranks, const banyan_device_tokens_config* config);
  banyan_status (*tokens_create)(void* group, const banyan_device_tokens_config* config, void** tokens);
  /** All ranks have synchronised with what was enqueued. */
  void (*tokens_free)(void* tokens);
  banyan_status (*tokens_received)(void* tokens, banyan_device_received* received);
  banyan_status (*tokens_dispatch)(void* tokens, const banyan_device_dispatch* dispatch, void* stream);
  /** Of the tokens dispatched last: `out` [num_tokens][row_bytes] is the sum of what lies at their places, added up in
      FP32 and in the order of ranks; zeros for a token without a choice. Experts' results are in the stream before. */
  banyan_status (*tokens_combine)(void* tokens, void* out, void* stream);

  /** What the device has reported so far. Any thread. */
  banyan_status (*group_failure)(void* group, banyan_device_failure* failure);
  /** Ends all waits of the group's exchanges, now and from now on, with ABORTED. Any thread. */
  void (*group_abort)(void* group);
  /** Writes, for a person, why a group may not go on: calls, and what its peers' words here say. Reads the device
     beside what runs there, and gives up after a second. Any thread, one at a time. */
  banyan_status (*group_describe)(void* group, char* text, size_t size);

  /* Token exchanges by experts, likewise. */
  size_t (*experts_area_bytes)(int num_ranks, const banyan_device_experts_config* config);
  banyan_status (*experts_create)(void* group, const banyan_device_experts_config* config, void** experts);
  void (*experts_free)(void* experts);
  banyan_status (*experts_received)(void* experts, banyan_device_expert_rows* received);
  banyan_status (*experts_dispatch)(void* experts, const banyan_device_dispatch* dispatch, void* stream);
  /** Of the tokens dispatched last: each rank adds up a token's rows, times their weights where `weighted` is not 0, in
      FP32 and in the order of choices, and rounds the sum to the rows' type; `out` [num_tokens][row_bytes] is what the
      ranks have, added up in FP32 and in their order, rounded; zeros for a token without a choice. All ranks give the
      same `weighted`. */
  banyan_status (*experts_combine)(void* experts, void* out, int weighted, void* stream);
} banyan_device_ops;

/** The plugin's only export: its newest table with version <= max_version, or NULL. Static storage. */
typedef const banyan_device_ops* (*banyan_device_query_fn)(uint32_t max_version);

#ifdef __cplusplus
}
#endif

#endif
