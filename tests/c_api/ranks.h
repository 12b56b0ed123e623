/* SPDX-License-Identifier: Apache-2.0 */
/** Runs a function on ranks that are threads of this process. */
#ifndef BANYAN_TESTS_RANKS_H
#define BANYAN_TESTS_RANKS_H

#include "check.h"

#define MAX_RANKS 16

typedef struct rank_context {
  banyan_comm* comm;
  int rank;
  int size;
  void (*body)(struct rank_context* self);
  void* shared; /**< the same for all ranks */
} rank_context;

static void* rank_main(void* context) {
  rank_context* self = context;
  self->body(self);
  return NULL;
}

/** Makes `size` local communicators, runs `body` on one thread per rank and destroys them, each on its thread. */
static void run_ranks(int size, const banyan_comm_config* config, void (*body)(rank_context*), void* shared) {
  banyan_comm* comms[MAX_RANKS];
  rank_context contexts[MAX_RANKS];
  pthread_t threads[MAX_RANKS];
  int rank;
  banyan_status status = banyan_comm_create_local(size, config, comms);
  CHECK_OK(status);
  if (status != BANYAN_OK) {
    return;
  }
  for (rank = 0; rank < size; ++rank) {
    contexts[rank].comm = comms[rank];
    contexts[rank].rank = rank;
    contexts[rank].size = size;
    contexts[rank].body = body;
    contexts[rank].shared = shared;
    if (pthread_create(&threads[rank], NULL, rank_main, &contexts[rank]) != 0) {
      fprintf(stderr, "cannot start a thread\n");
      exit(1);
    }
  }
  for (rank = 0; rank < size; ++rank) {
    pthread_join(threads[rank], NULL);
  }
}

#endif
