/* SPDX-License-Identifier: Apache-2.0 */
/** Arguments of the functions of banyan/device.h that are wrong: the text names them, and nothing is enqueued. */
#include "device_ranks.h"

#define MAX_TOKENS 50

/** Calls that are refused on this rank, before anything is enqueued. */
static void refused_exchanges(rank_context* self, banyan_device_group* group, char* mine, char* others) {
  char host[64] = {0};
  const size_t counts[MAX_RANKS] = {16, 16, 16, 16}, displs[MAX_RANKS] = {0, 16, 32, 48};
  const size_t large[2] = {600, 600};
  size_t far[2];
  char* const to = mine + SCRATCH_BYTES / 2;
  void* const stream = stream_of(self->rank);
  void* small = NULL;
  CHECK_REJECTS(banyan_device_alltoall(NULL, mine, to, 1, 1, stream), "group is NULL");
  CHECK_REJECTS(banyan_device_alltoall(group, mine, to, 1, 0, stream), "element_size is 0");
  CHECK_REJECTS(banyan_device_alltoall(group, NULL, to, 1, 1, stream), "sendbuf is NULL");
  CHECK_REJECTS(banyan_device_alltoall(group, host, to, 1, 1, stream), "sendbuf is host memory");
  CHECK_REJECTS(banyan_device_alltoall(group, mine, host, 1, 1, stream), "recvbuf is host memory");
  CHECK_REJECTS(banyan_device_alltoall(group, others, to, 1, 1, stream), "sendbuf is memory of device");
  CHECK_REJECTS(banyan_device_alltoall(group, mine, others, 1, 1, stream), "recvbuf is memory of device");
  CHECK_REJECTS(banyan_device_alltoall(group, mine, to, 1, 1, stream_of(self->rank + 4)), "stream is of device");
  CHECK_FAILS(banyan_device_alltoall(group, mine, mine, 1, 1, stream), BANYAN_ERR_NOT_SUPPORTED, "are the same");
  CHECK_FAILS(banyan_device_alltoall(group, mine, to, SIZE_MAX, 2, stream), BANYAN_ERR_LIMIT, "overflows");
  CHECK_FAILS(banyan_device_alltoall(group, mine, to, 600, 1, stream), BANYAN_ERR_NOT_SUPPORTED, "banyan_device_alloc");
  CHECK_REJECTS(banyan_device_alltoallv(group, mine, NULL, displs, to, counts, displs, 1, stream),
                "sendcounts is NULL");
  CHECK_REJECTS(banyan_device_alltoallv(group, mine, counts, displs, to, counts, NULL, 1, stream), "rdispls is NULL");
  CHECK_REJECTS(banyan_device_alltoallv(group, mine, counts, displs, NULL, counts, displs, 1, stream),
                "recvbuf is NULL");
  CHECK_REJECTS(banyan_device_alltoallv(group, host, counts, displs, to, counts, displs, 1, stream), "host memory");
  /* A window that ends within a large block of a peer does not hold it. */
  far[self->rank] = 0;
  far[1 - self->rank] = 600;
  CHECK_OK(banyan_device_alloc(group, 1199, &small));
  CHECK_FAILS(banyan_device_alltoallv(group, mine, large, far, small, large, far, 1, stream), BANYAN_ERR_NOT_SUPPORTED,
              "more than the group's eager_bytes, 512");
}

static void arguments_body(rank_context* self) {
  const scratch others = make_scratch(self->rank + 4);
  const scratch mine = make_scratch(self->rank);
  banyan_device_group* group = NULL;
  banyan_device_tokens* tokens = NULL;
  banyan_device_tokens_batch batch = BANYAN_DEVICE_TOKENS_BATCH_INIT;
  void* memory = NULL;
  CHECK_REJECTS(banyan_device_group_create(NULL, 0, NULL, &group), "comm is NULL");
  CHECK_REJECTS(banyan_device_group_create(self->comm, 0, NULL, NULL), "group is NULL");
  group = make_group(self);
  CHECK_REJECTS(banyan_device_alloc(NULL, 1, &memory), "group is NULL");
  CHECK_REJECTS(banyan_device_alloc(group, 1, NULL), "memory is NULL");
  CHECK_REJECTS(banyan_device_free(NULL, memory), "group is NULL");
  CHECK_REJECTS(banyan_device_tokens_create(NULL, NULL, &tokens), "group is NULL");
  CHECK_REJECTS(banyan_device_tokens_create(group, NULL, NULL), "tokens is NULL");
  CHECK_REJECTS(banyan_device_tokens_received(NULL, NULL), "tokens is NULL");
  CHECK_REJECTS(banyan_device_tokens_dispatch(NULL, &batch, NULL), "tokens is NULL");
  CHECK_REJECTS(banyan_device_tokens_combine(NULL, NULL, NULL), "tokens is NULL");
  CHECK_REJECTS(banyan_device_group_check(NULL), "group is NULL");
  CHECK_REJECTS(banyan_device_group_abort(NULL), "group is NULL");
  CHECK_OK(banyan_device_group_free(NULL));
  CHECK_OK(banyan_device_tokens_free(NULL));
  refused_exchanges(self, group, mine.memory, others.memory);
  check_exchange(self, group, mine.memory); /* as if nothing had been */
  CHECK_FAILS(banyan_comm_destroy(self->comm), BANYAN_ERR_BUSY, "free them first");
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(mine);
  free_scratch(others);
}

static void refused_tokens(rank_context* self, banyan_device_tokens* tokens, char* mine, char* others) {
  char host[64] = {0};
  void* const stream = stream_of(self->rank);
  banyan_device_tokens_batch batch = BANYAN_DEVICE_TOKENS_BATCH_INIT;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, NULL, stream), "batch is NULL");
  CHECK_REJECTS(banyan_device_tokens_received(tokens, NULL), "view is NULL");
  batch.num_tokens = 1;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "rows and experts");
  batch.rows = host;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "rows is host memory");
  batch.rows = mine;
  batch.experts = (const int*)(const void*)others;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "experts is memory of device");
  batch.experts = (const int*)(const void*)mine;
  batch.weights = (const float*)(const void*)host;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "weights is host memory");
  batch.weights = NULL;
  batch.device_tokens = (const int*)(const void*)host;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "device_tokens is host memory");
  batch.device_tokens = NULL;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream_of(self->rank + 4)), "stream is of device");
  batch.num_tokens = MAX_TOKENS + 1;
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "at most");
  batch.num_tokens = 0;
  CHECK_OK(banyan_device_tokens_dispatch(tokens, &batch, stream));
  CHECK_REJECTS(banyan_device_tokens_dispatch(tokens, &batch, stream), "have not been combined");
  CHECK_REJECTS(banyan_device_tokens_combine(tokens, host, stream), "out is host memory");
  CHECK_REJECTS(banyan_device_tokens_combine(tokens, mine, stream_of(self->rank + 4)), "stream is of device");
  CHECK_OK(banyan_device_tokens_combine(tokens, mine, stream));
}

static void token_arguments_body(rank_context* self) {
  const scratch others = make_scratch(self->rank + 4);
  const scratch mine = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  banyan_device_tokens_options options = BANYAN_DEVICE_TOKENS_OPTIONS_INIT;
  banyan_device_tokens* tokens = NULL;
  int ranks[2] = {0, 1};
  CHECK_REJECTS(banyan_device_tokens_create(group, NULL, &tokens), "options is NULL");
  options.max_tokens = MAX_TOKENS;
  options.top_k = 1;
  options.num_experts = 2;
  options.row_bytes = 16;
  CHECK_REJECTS(banyan_device_tokens_create(group, &options, &tokens), "experts");
  options.rank_of_expert = ranks;
  options.row_bytes = 17;
  CHECK_REJECTS(banyan_device_tokens_create(group, &options, &tokens), "rows of 17 bytes");
  options.row_bytes = 16;
  options.dtype = 77;
  CHECK_REJECTS(banyan_device_tokens_create(group, &options, &tokens), "dtype is 77");
  options.dtype = BANYAN_DTYPE_DEFAULT;
  ranks[1] = 2;
  CHECK_REJECTS(banyan_device_tokens_create(group, &options, &tokens), "on rank 2");
  ranks[1] = self->rank;
  CHECK_FAILS(banyan_device_tokens_create(group, &options, &tokens), BANYAN_ERR_MISMATCH, "rank_of_expert");
  ranks[1] = 1;
  options.top_k = 1 + self->rank;
  CHECK_FAILS(banyan_device_tokens_create(group, &options, &tokens), BANYAN_ERR_MISMATCH, "top_k");
  options.top_k = 1;
  CHECK(tokens == NULL);
  CHECK_OK(banyan_device_tokens_create(group, &options, &tokens));
  refused_tokens(self, tokens, mine.memory, others.memory);
  CHECK_FAILS(banyan_device_group_free(group), BANYAN_ERR_BUSY, "token exchanges of the device group are not freed");
  CHECK_OK(banyan_device_tokens_free(tokens));
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(mine);
  free_scratch(others);
}

int main(void) {
  run_ranks(2, NULL, arguments_body, NULL);
  run_ranks(2, NULL, token_arguments_body, NULL);
  CHECK(count_mappings() == 0);
  return check_summary();
}
