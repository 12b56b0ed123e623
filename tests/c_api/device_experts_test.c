/* SPDX-License-Identifier: Apache-2.0 */
/** Token exchanges by experts: one of a few rows that can be read here, and arguments that are wrong.
 * tests/gpu/library_experts_test.cpp holds many against a reference. */
#define _POSIX_C_SOURCE 200809L
#include "device_ranks.h"

#define MAX_TOKENS 4
#define ROW_FLOATS 4

static banyan_device_experts_options options_of(const int* rank_of_expert, int num_experts) {
  banyan_device_experts_options options = BANYAN_DEVICE_EXPERTS_OPTIONS_INIT;
  options.max_tokens = MAX_TOKENS;
  options.top_k = 2;
  options.num_experts = num_experts;
  options.rank_of_expert = rank_of_expert;
  options.row_bytes = ROW_FLOATS * sizeof(float);
  options.row_alignment = 2;
  return options;
}

/** Each rank has a token for each expert, and its second choice is expert 0. Expert r is on rank r. */
static banyan_device_tokens_batch fill_batch(rank_context* self, char* memory) {
  banyan_device_tokens_batch batch = BANYAN_DEVICE_TOKENS_BATCH_INIT;
  float* const rows = (float*)(void*)memory;
  int* const experts = (int*)(void*)(memory + 1024);
  float* const weights = (float*)(void*)(memory + 2048);
  int token, column;
  for (token = 0; token < self->size; ++token) {
    for (column = 0; column < ROW_FLOATS; ++column) {
      rows[token * ROW_FLOATS + column] = (float)(100 * self->rank + 10 * token + column);
    }
    experts[2 * token] = token;
    experts[2 * token + 1] = 0;
    weights[2 * token] = 0.5f;
    weights[2 * token + 1] = 0.25f;
  }
  batch.rows = rows;
  batch.experts = experts;
  batch.weights = weights;
  batch.num_tokens = self->size;
  return batch;
}

/** Rank r's expert has a row of each rank, expert 0 one more for each token. */
static void check_received(rank_context* self, const banyan_device_experts* experts, int max_rows) {
  const int of_a_rank = self->rank == 0 ? self->size + 1 : 1;
  const int count = self->size * of_a_rank;
  banyan_device_experts_view view;
  int row;
  view.struct_size = sizeof view;
  CHECK_OK(banyan_device_experts_received(experts, &view));
  CHECK(view.num_experts == 1 && view.experts[0] == self->rank && view.max_rows == max_rows);
  CHECK(view.counts[0] == count && view.offsets[0] == 0);
  CHECK(view.offsets[1] == (count + 1) / 2 * 2 && *view.needed == view.offsets[1]);
  for (row = 0; row < count; ++row) {
    const banyan_device_row source = view.sources[row];
    const float* const numbers = (const float*)view.rows + row * ROW_FLOATS;
    CHECK(source.rank == row / of_a_rank);
    CHECK(self->rank != 0 || source.token == (row % of_a_rank == 0 ? 0 : row % of_a_rank - 1));
    CHECK(self->rank == 0 || source.token == self->rank);
    CHECK(source.weight == (source.choice == 0 ? 0.5f : 0.25f));
    CHECK(numbers[3] == (float)(100 * source.rank + 10 * source.token + 3));
  }
  CHECK(count % 2 == 0 || view.sources[count].rank == -1);
}

static void exchange_rows(rank_context* self, banyan_device_group* group, const scratch memory,
                          const banyan_device_experts_options options, int max_rows) {
  void* const stream = stream_of(self->rank);
  banyan_device_experts* experts = NULL;
  const float* const out = (const float*)(const void*)((char*)memory.memory + 4096);
  int token, weighted;
  CHECK_OK(banyan_device_experts_create(group, &options, &experts));
  for (weighted = 0; weighted < 2; ++weighted) {
    const banyan_device_tokens_batch batch = fill_batch(self, memory.memory);
    CHECK_OK(banyan_device_experts_dispatch(experts, &batch, stream));
    check_received(self, experts, max_rows);
    CHECK_OK(banyan_device_experts_combine(experts, (void*)(uintptr_t)out, weighted, stream));
    for (token = 0; token < self->size; ++token) {
      const float number = (float)(100 * self->rank + 10 * token + 1);
      CHECK(out[token * ROW_FLOATS + 1] == (weighted ? 0.75f * number : 2 * number));
    }
  }
  CHECK_OK(banyan_device_group_check(group));
  CHECK_OK(banyan_device_experts_free(experts));
}

/** With as many rows as could come, and with room of each rank's own. */
static void data_body(rank_context* self) {
  const int rank_of_expert[MAX_RANKS] = {0, 1, 2, 3};
  banyan_device_experts_options options = options_of(rank_of_expert, self->size);
  const scratch memory = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  const int most = self->size * options.max_tokens * options.top_k + options.row_alignment - 1;
  exchange_rows(self, group, memory, options, most);
  options.max_rows = 20 + 2 * self->rank;
  exchange_rows(self, group, memory, options, options.max_rows < most ? options.max_rows : most);
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(memory);
}

static void refused_options(rank_context* self, banyan_device_group* group) {
  int ranks[2] = {0, 1};
  const banyan_device_experts_options good = options_of(ranks, 2);
  banyan_device_experts_options options = good;
  banyan_device_experts* experts = NULL;
  CHECK_REJECTS(banyan_device_experts_create(NULL, &good, &experts), "group is NULL");
  CHECK_REJECTS(banyan_device_experts_create(group, &good, NULL), "experts is NULL");
  CHECK_REJECTS(banyan_device_experts_create(group, NULL, &experts), "options is NULL");
  options.struct_size = 3;
  CHECK_REJECTS(banyan_device_experts_create(group, &options, &experts), "struct_size is 3");
  options = good;
  options.dtype = 77;
  CHECK_REJECTS(banyan_device_experts_create(group, &options, &experts), "dtype is 77");
  options = good;
  options.row_alignment = -2;
  CHECK_REJECTS(banyan_device_experts_create(group, &options, &experts), "row_alignment is -2");
  options = good;
  options.max_rows = -1;
  CHECK_REJECTS(banyan_device_experts_create(group, &options, &experts), "max_rows is -1");
  options = good;
  options.num_experts = BANYAN_DEVICE_MAX_EXPERTS + 1;
  CHECK_REJECTS(banyan_device_experts_create(group, &options, &experts), "1025 experts");
  options = good;
  options.row_alignment = 1 + self->rank;
  CHECK_FAILS(banyan_device_experts_create(group, &options, &experts), BANYAN_ERR_MISMATCH, "row_alignment");
  ranks[1] = self->rank;
  CHECK_FAILS(banyan_device_experts_create(group, &good, &experts), BANYAN_ERR_MISMATCH, "rank_of_expert");
  ranks[1] = 2;
  CHECK_REJECTS(banyan_device_experts_create(group, &good, &experts), "on rank 2");
  CHECK(experts == NULL);
}

static void refused_calls(rank_context* self, banyan_device_experts* experts, char* mine, char* others) {
  char host[64] = {0};
  void* const stream = stream_of(self->rank);
  banyan_device_tokens_batch batch = fill_batch(self, mine);
  CHECK_REJECTS(banyan_device_experts_received(NULL, NULL), "experts is NULL");
  CHECK_REJECTS(banyan_device_experts_received(experts, NULL), "view is NULL");
  CHECK_REJECTS(banyan_device_experts_dispatch(NULL, &batch, stream), "experts is NULL");
  CHECK_REJECTS(banyan_device_experts_dispatch(experts, NULL, stream), "batch is NULL");
  CHECK_REJECTS(banyan_device_experts_combine(NULL, NULL, 0, stream), "experts is NULL");
  CHECK_REJECTS(banyan_device_experts_combine(experts, mine, 0, stream), "dispatch comes first");
  CHECK_REJECTS(banyan_device_experts_dispatch(experts, &batch, stream_of(self->rank + 4)), "stream is of device");
  batch.rows = host;
  CHECK_REJECTS(banyan_device_experts_dispatch(experts, &batch, stream), "rows is host memory");
  batch.rows = others;
  CHECK_REJECTS(banyan_device_experts_dispatch(experts, &batch, stream), "rows is memory of device");
  batch = fill_batch(self, mine);
  batch.num_tokens = MAX_TOKENS + 1;
  CHECK_REJECTS(banyan_device_experts_dispatch(experts, &batch, stream), "at most");
  batch = fill_batch(self, mine);
  batch.weights = NULL;
  CHECK_OK(banyan_device_experts_dispatch(experts, &batch, stream));
  CHECK_REJECTS(banyan_device_experts_dispatch(experts, &batch, stream), "have not been combined");
  CHECK_REJECTS(banyan_device_experts_combine(experts, host, 0, stream), "out is host memory");
  CHECK_REJECTS(banyan_device_experts_combine(experts, mine + 4100, 0, stream), "aligned to 16");
  CHECK_REJECTS(banyan_device_experts_combine(experts, mine, 0, stream_of(self->rank + 4)), "stream is of device");
  CHECK_REJECTS(banyan_device_experts_combine(experts, mine + 4096, 1, stream), "without weights");
  CHECK_OK(banyan_device_experts_combine(experts, mine + 4096, 0, stream));
}

static void arguments_body(rank_context* self) {
  const int rank_of_expert[2] = {0, 1};
  const banyan_device_experts_options options = options_of(rank_of_expert, 2);
  const scratch others = make_scratch(self->rank + 4);
  const scratch mine = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  banyan_device_experts* experts = NULL;
  CHECK_OK(banyan_device_experts_free(NULL));
  refused_options(self, group);
  CHECK_OK(banyan_device_experts_create(group, &options, &experts));
  refused_calls(self, experts, mine.memory, others.memory);
  CHECK_FAILS(banyan_device_group_free(group), BANYAN_ERR_BUSY, "token exchanges of the device group are not freed");
  CHECK_OK(banyan_device_experts_free(experts));
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(mine);
  free_scratch(others);
}

/** Rank 1's device cannot make one: all ranks hear of it, and the group goes on. */
static void fails_body(rank_context* self) {
  const int rank_of_expert[2] = {0, 1};
  const banyan_device_experts_options options = options_of(rank_of_expert, 2);
  const scratch memory = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  banyan_device_experts* experts = NULL;
  CHECK_FAILS(banyan_device_experts_create(group, &options, &experts), BANYAN_ERR_NOT_SUPPORTED, "tokens");
  CHECK(experts == NULL);
  check_exchange(self, group, memory.memory);
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(memory);
}

int main(void) {
  int size;
  for (size = 1; size <= 4; ++size) {
    run_ranks(size, NULL, data_body, NULL);
  }
  run_ranks(2, NULL, arguments_body, NULL);
  CHECK(setenv("FAKE_DEVICE_FAULT", "tokens:1", 1) == 0);
  run_ranks(2, NULL, fails_body, NULL);
  CHECK(unsetenv("FAKE_DEVICE_FAULT") == 0);
  CHECK(count_mappings() == 0);
  return check_summary();
}
