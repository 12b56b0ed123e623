/* SPDX-License-Identifier: Apache-2.0 */
/** Token exchange without waiting: chunks under way at once, with and without a thread, and calls that are wrong. */
#define _POSIX_C_SOURCE 200809L /* pthread_barrier_t */
#include <math.h>
#include <stdint.h>

#include "ranks.h"

enum { kHidden = 5, kExperts = 5, kTopK = 2, kTokens = 11, kChunks = 3 };

static banyan_moe_group* make_group(rank_context* self, int progress_thread) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  banyan_moe_group* group = NULL;
  config.num_experts = kExperts;
  config.top_k = kTopK;
  config.hidden = kHidden;
  config.max_tokens = kTokens;
  config.num_chunks = kChunks;
  config.progress_thread = progress_thread;
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  return group;
}

static banyan_moe_handle* route(rank_context* self, banyan_moe_group* group) {
  int64_t topk_idx[kTokens * kTopK];
  banyan_moe_handle* handle = NULL;
  int token;
  for (token = 0; token < kTokens; ++token) {
    topk_idx[token * kTopK] = (self->rank + token) % kExperts;
    topk_idx[token * kTopK + 1] = (self->rank + token + 2) % kExperts;
  }
  CHECK_OK(banyan_moe_route(group, topk_idx, NULL, kTokens, &handle));
  return handle;
}

static size_t rows_of(banyan_moe_handle* handle, size_t chunk) {
  banyan_moe_chunk_info info;
  info.struct_size = sizeof info;
  CHECK_OK(banyan_moe_handle_get_info(handle, chunk, &info));
  return info.num_rows;
}

/** Waits as a caller does that has something else to do meanwhile. */
static void finish(banyan_moe_request* request) {
  banyan_status status = BANYAN_IN_PROGRESS;
  while (status == BANYAN_IN_PROGRESS) {
    status = banyan_moe_request_test(request);
  }
  CHECK_OK(status);
  CHECK_OK(banyan_moe_request_test(request)); /* stays done */
  CHECK_OK(banyan_moe_request_free(request));
}

/** Experts are the identity, weights 1: each token comes back twice, and so do gradients. */
static void step(rank_context* self) {
  banyan_moe_group* group = make_group(self, *(const int*)self->shared);
  banyan_moe_handle* handle = route(self, group);
  banyan_moe_request *dispatched[kChunks], *combined[kChunks], *request = NULL;
  float tokens[kTokens * kHidden], result[kTokens * kHidden], grads[kTokens * kHidden], grad_weights[kTokens * kTopK];
  float *rows[kChunks], *grad_rows[kChunks];
  banyan_comm_stats stats;
  size_t chunk;
  int at;
  stats.struct_size = sizeof stats;
  for (at = 0; at < kTokens * kHidden; ++at) {
    tokens[at] = (float)(self->rank * 7 + at);
  }
  for (chunk = 0; chunk < kChunks; ++chunk) {
    rows[chunk] = malloc((rows_of(handle, chunk) * kHidden + 1) * sizeof(float));
    grad_rows[chunk] = malloc((rows_of(handle, chunk) * kHidden + 1) * sizeof(float));
    CHECK_OK(banyan_moe_dispatch_start(handle, chunk, tokens, NULL, rows[chunk], NULL, &dispatched[chunk]));
  }
  CHECK_FAILS(banyan_alltoall(self->comm, NULL, NULL, 0, 1, NULL), BANYAN_ERR_BUSY, "dispatch or combine");
  CHECK_FAILS(banyan_comm_get_stats(self->comm, &stats), BANYAN_ERR_BUSY, "dispatch or combine");
  CHECK_FAILS(banyan_comm_set_profile(self->comm, NULL), BANYAN_ERR_BUSY, "dispatch or combine");
  CHECK_FAILS(banyan_moe_handle_free(handle), BANYAN_ERR_BUSY, "3 requests");
  for (chunk = 0; chunk < kChunks; ++chunk) {
    finish(dispatched[chunk]);
    CHECK_OK(banyan_moe_combine_start(handle, chunk, rows[chunk], result, &combined[chunk]));
  }
  for (chunk = kChunks; chunk-- > 0;) {
    CHECK_OK(banyan_moe_request_wait(combined[chunk]));
    CHECK_OK(banyan_moe_request_wait(combined[chunk]));
    CHECK_OK(banyan_moe_request_free(combined[chunk]));
  }
  for (chunk = 0; chunk < kChunks; ++chunk) {
    CHECK_OK(banyan_moe_combine_backward_start(handle, chunk, tokens, rows[chunk], grad_rows[chunk], grad_weights,
                                               &request));
    CHECK_OK(banyan_moe_dispatch_backward(handle, chunk, rows[chunk], grads)); /* queues behind it */
    finish(request);
    CHECK_OK(banyan_moe_dispatch_backward_start(handle, chunk, grad_rows[chunk], grads, &request));
    finish(request);
    free(rows[chunk]);
    free(grad_rows[chunk]);
  }
  for (at = 0; at < kTokens * kHidden; ++at) {
    CHECK(result[at] == 2 * tokens[at] && grads[at] == 2 * tokens[at]);
  }
  for (at = 0; at < kTokens * kTopK; ++at) {
    float sum = 0;
    int i;
    for (i = 0; i < kHidden; ++i) {
      sum += tokens[at / kTopK * kHidden + i] * tokens[at / kTopK * kHidden + i];
    }
    CHECK(fabsf(grad_weights[at] - sum) <= 1e-5F * sum);
  }
  CHECK_OK(banyan_comm_get_stats(self->comm, &stats));
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

typedef struct turn_order {
  int with_thread;
  pthread_mutex_t mutex;
  int began[2]; /* dispatches before the first turn, and before the second */
} turn_order;

static int count_of(turn_order* shared, int which, int add) {
  int count;
  pthread_mutex_lock(&shared->mutex);
  count = shared->began[which] += add;
  pthread_mutex_unlock(&shared->mutex);
  return count;
}

/** Two turns, with dispatches before each: when one is done, all ranks' dispatches before it are, and no rank is
 * behind. */
static void turns(rank_context* self) {
  turn_order* shared = self->shared;
  banyan_moe_group* group = make_group(self, shared->with_thread);
  banyan_moe_handle* handle = route(self, group);
  banyan_moe_request *dispatched[kChunks], *turn[2], *later = NULL;
  float tokens[kTokens * kHidden], *rows[kChunks];
  size_t chunk;
  int which;
  memset(tokens, 0, sizeof tokens);
  for (chunk = 0; chunk < kChunks; ++chunk) {
    rows[chunk] = malloc((rows_of(handle, chunk) * kHidden + 1) * sizeof(float));
  }
  for (which = 0; which < 2; ++which) {
    for (chunk = 0; chunk < kChunks; ++chunk) {
      CHECK_OK(banyan_moe_dispatch_start(handle, chunk, tokens, NULL, rows[chunk], NULL, &dispatched[chunk]));
    }
    CHECK(count_of(shared, which, 1) <= 4);
    CHECK_OK(banyan_moe_turn_start(group, &turn[which]));
    CHECK_OK(banyan_moe_request_wait(turn[which]));
    CHECK(count_of(shared, which, 0) == 4); /* every rank came here */
    for (chunk = 0; chunk < kChunks; ++chunk) {
      CHECK_OK(banyan_moe_request_test(dispatched[chunk])); /* done already */
      CHECK_OK(banyan_moe_request_free(dispatched[chunk]));
    }
  }
  CHECK_FAILS(banyan_moe_group_free(group), BANYAN_ERR_BUSY, "handles of the group");
  CHECK_OK(banyan_moe_request_free(turn[0]));
  /* What is started behind a turn comes after it. */
  CHECK_OK(banyan_moe_turn_start(group, &later));
  CHECK_OK(banyan_moe_dispatch(handle, 0, tokens, NULL, rows[0], NULL));
  CHECK_OK(banyan_moe_request_test(later));
  CHECK_OK(banyan_moe_request_free(later));
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_FAILS(banyan_moe_group_free(group), BANYAN_ERR_BUSY, "1 turns");
  CHECK_OK(banyan_moe_request_free(turn[1]));
  for (chunk = 0; chunk < kChunks; ++chunk) {
    free(rows[chunk]);
  }
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void wrong(rank_context* self) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  banyan_moe_group* group = make_group(self, 0);
  banyan_moe_handle* handle = route(self, group);
  banyan_moe_request* request = NULL;
  float buffer[kTokens * kHidden];
  memset(buffer, 0, sizeof buffer);
  CHECK_REJECTS(banyan_moe_dispatch_start(NULL, 0, buffer, NULL, buffer, NULL, &request), "handle");
  CHECK_REJECTS(banyan_moe_dispatch_start(handle, 3, buffer, NULL, buffer, NULL, &request), "chunk is 3");
  CHECK_REJECTS(banyan_moe_dispatch_start(handle, 0, NULL, NULL, buffer, NULL, &request), "tokens");
  CHECK_REJECTS(banyan_moe_dispatch_start(handle, 0, buffer, NULL, buffer, NULL, NULL), "request");
  CHECK_REJECTS(banyan_moe_combine_start(handle, 0, buffer, NULL, &request), "tokens");
  CHECK_REJECTS(banyan_moe_combine_start(handle, 0, buffer, buffer, NULL), "request");
  CHECK_REJECTS(banyan_moe_dispatch_backward_start(handle, 0, buffer, NULL, &request), "grad_tokens");
  CHECK_REJECTS(banyan_moe_combine_backward_start(handle, 0, NULL, buffer, buffer, NULL, &request), "grad_tokens");
  CHECK_REJECTS(banyan_moe_turn_start(NULL, &request), "group");
  CHECK_REJECTS(banyan_moe_turn_start(group, NULL), "request");
  CHECK_REJECTS(banyan_moe_request_test(NULL), "request");
  CHECK_REJECTS(banyan_moe_request_wait(NULL), "request");
  CHECK_OK(banyan_moe_request_free(NULL));
  CHECK(request == NULL);
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  config.num_experts = config.top_k = 1;
  config.hidden = config.max_tokens = 1;
  config.progress_thread = 2;
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &config, &group), "progress_thread is 2");
  CHECK_OK(banyan_comm_destroy(self->comm));
}

typedef struct giving_up {
  int with_thread;
  pthread_barrier_t started;
} giving_up;

/** Rank 0 gives up instead of combining: the others' requests end with its error, and can be freed. */
static void given_up(rank_context* self) {
  giving_up* shared = self->shared;
  banyan_moe_group* group = make_group(self, shared->with_thread);
  banyan_moe_handle* handle = route(self, group);
  banyan_moe_request *first = NULL, *second = NULL;
  float* rows = calloc((rows_of(handle, 0) + rows_of(handle, 1)) * kHidden + 1, sizeof *rows); /* enough for either */
  float result[kTokens * kHidden];
  if (self->rank == 0) {
    pthread_barrier_wait(&shared->started);
    CHECK_OK(banyan_comm_abort(self->comm, "no tokens today"));
  } else {
    CHECK_OK(banyan_moe_combine_start(handle, 0, rows, result, &first));
    CHECK_OK(banyan_moe_combine_start(handle, 1, rows, result, &second));
    pthread_barrier_wait(&shared->started);
    CHECK_FAILS(banyan_moe_request_wait(first), BANYAN_ERR_ABORTED, "no tokens today");
    CHECK_FAILS(banyan_moe_request_wait(second), BANYAN_ERR_ABORTED, "no tokens today");
    CHECK_OK(banyan_moe_request_free(second));
    CHECK_OK(banyan_moe_request_free(first));
  }
  free(rows);
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  int with_thread;
  giving_up shared;
  turn_order order;
  pthread_barrier_init(&shared.started, NULL, 3);
  for (with_thread = 0; with_thread <= 1; ++with_thread) {
    run_ranks(4, NULL, step, &with_thread);
    shared.with_thread = with_thread;
    run_ranks(3, NULL, given_up, &shared);
    memset(&order, 0, sizeof order);
    pthread_mutex_init(&order.mutex, NULL);
    order.with_thread = with_thread;
    run_ranks(4, NULL, turns, &order);
    pthread_mutex_destroy(&order.mutex);
  }
  pthread_barrier_destroy(&shared.started);
  run_ranks(2, NULL, wrong, NULL);
  return check_summary();
}
