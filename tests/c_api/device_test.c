/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Exchanges in memory of devices: data against what every rank can work out, counts of all kinds, and token exchanges.
 * With the argument "rank" this is one rank that a launcher started, else ranks are threads.
 */
#include "device_ranks.h"

#define LARGEST 6000

/** The same on all ranks. */
static uint32_t mixed(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  uint32_t x = (a + 1) * 2654435761u ^ (b + 7) * 2246822519u ^ (c + 3) * 3266489917u ^ (d + 5) * 668265263u;
  x ^= x >> 15;
  x *= 2246822519u;
  x ^= x >> 13;
  return x;
}

/** Elements from rank `source` to rank `target`. Uniform random, skewed to one rank, or mostly none. */
static size_t count_of(int round, int source, int target, int size) {
  const uint32_t random = mixed((uint32_t)round, (uint32_t)source, (uint32_t)target, 0);
  switch (round % 4) {
    case 0:
      return random % 400;
    case 1:
      return target == round % size ? 3000 + random % 3000 : random % 3;
    case 2:
      return random % 3 == 0 ? 128 + random % 2 : 0; /* the eager limit and one more */
    default:
      return 0;
  }
}

static uint32_t element_of(int round, int source, int target, size_t index) {
  return mixed((uint32_t)round, (uint32_t)source, (uint32_t)target, (uint32_t)index);
}

static void fill_send(uint32_t* sendbuf, const size_t* displs, int round, int rank, int size) {
  int peer;
  size_t i;
  for (peer = 0; peer < size; ++peer) {
    for (i = 0; i < count_of(round, rank, peer, size); ++i) {
      sendbuf[displs[peer] + i] = element_of(round, rank, peer, i);
    }
  }
}

/** Every element that should have come is there, and between blocks nothing was written. */
static int is_right(const uint32_t* recvbuf, int round, int rank, int size) {
  int peer;
  size_t i;
  for (peer = 0; peer < size; ++peer) {
    const uint32_t* block = recvbuf + (size_t)peer * LARGEST;
    const size_t count = count_of(round, peer, rank, size);
    for (i = 0; i < LARGEST; ++i) {
      if (block[i] != (i < count ? element_of(round, peer, rank, i) : 0xEEEEEEEEu)) {
        fprintf(stderr, "round %d, rank %d: element %u from rank %d\n", round, rank, (unsigned)i, peer);
        return 0;
      }
    }
  }
  return 1;
}

static void exchange_body(rank_context* self) {
  size_t sendcounts[MAX_RANKS], recvcounts[MAX_RANKS], displs[MAX_RANKS];
  banyan_device_group* group = make_group(self);
  const scratch send = make_scratch(self->rank);
  void* window = NULL;
  int round, peer;
  /* Windows of different sizes: rank 3's is the largest. */
  CHECK_OK(banyan_device_alloc(group, (size_t)(self->size + self->rank) * LARGEST * 4, &window));
  for (round = 0; round < 24; ++round) {
    for (peer = 0; peer < self->size; ++peer) {
      sendcounts[peer] = count_of(round, self->rank, peer, self->size);
      recvcounts[peer] = count_of(round, peer, self->rank, self->size);
      displs[peer] = (size_t)peer * LARGEST;
    }
    memset(window, 0xEE, (size_t)self->size * LARGEST * 4);
    fill_send(send.memory, displs, round, self->rank, self->size);
    CHECK_OK(banyan_device_alltoallv(group, send.memory, sendcounts, displs, window, recvcounts, displs, 4,
                                     stream_of(self->rank)));
    CHECK(is_right(window, round, self->rank, self->size));
  }
  CHECK_OK(banyan_device_group_check(group));
  CHECK_OK(banyan_device_free(group, window));
  CHECK_OK(banyan_device_group_free(group));
  free_scratch(send);
}

static void check_uniform(rank_context* self, banyan_device_group* group, uint32_t* from, uint32_t* to, size_t count) {
  int peer;
  size_t i;
  int right = 1;
  for (i = 0; i < count * (size_t)self->size; ++i) {
    from[i] = element_of(0, self->rank, (int)(i / count), i % count);
  }
  CHECK_OK(banyan_device_alltoall(group, from, to, count, 4, NULL));
  for (peer = 0; peer < self->size; ++peer) {
    for (i = 0; i < count; ++i) {
      right = right && to[(size_t)peer * count + i] == element_of(0, peer, self->rank, i);
    }
  }
  CHECK(right);
}

/** Small blocks arrive in any memory of the device, large ones in a window. NULL is the own device's stream here. */
static void uniform_body(rank_context* self) {
  const scratch memory = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  uint32_t* const from = memory.memory;
  void* first = NULL;
  void* second = NULL;
  CHECK_OK(banyan_device_alloc(group, 4096, &first));
  CHECK_OK(banyan_device_alloc(group, (size_t)self->size * 20000, &second));
  check_uniform(self, group, from, from + SCRATCH_BYTES / 8, 128);
  check_uniform(self, group, from, second, 5000);
  check_uniform(self, group, second, first, 7);
  CHECK_OK(banyan_device_free(group, first));
  check_uniform(self, group, from, second, 4999);
  CHECK_OK(banyan_device_alltoall(group, NULL, NULL, 0, 4, stream_of(self->rank)));
  CHECK_OK(banyan_device_group_free(group)); /* with `second` */
  free_scratch(memory);
}

#define TOKENS 50
#define TOP_K 3
#define HIDDEN 16 /* FP32; of BF16 twice as many */

/** -1 and num_experts are no choices. */
static int expert_of(int round, int rank, int token, int choice, int num_experts) {
  return (int)(mixed((uint32_t)round, (uint32_t)rank, (uint32_t)token, (uint32_t)choice) %
               (uint32_t)(num_experts + 2)) -
         1;
}
static int tokens_of(int round, int rank) {
  return round == 2 ? 0 : (int)(mixed((uint32_t)round, (uint32_t)rank, 0, 9) % TOKENS);
}
static float number_of(int rank, int token, int column) { return (float)((rank * 5 + token * 3 + column) % 16); }
static float scale_of(int rank) { return (float)(1 << rank % 3); }

static int goes_to(int round, int source, int token, int rank, int num_experts) {
  int choice;
  for (choice = 0; choice < TOP_K; ++choice) {
    const int expert = expert_of(round, source, token, choice, num_experts);
    if (expert >= 0 && expert < num_experts && expert / 3 == rank) {
      return 1;
    }
  }
  return 0;
}

static void put_number(int dtype, void* row, int column, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (dtype == BANYAN_DTYPE_FP32) {
    ((float*)row)[column] = value;
  } else {
    ((uint16_t*)row)[column] = (uint16_t)(bits >> 16);
  }
}

static float get_number(int dtype, const void* row, int column) {
  float value;
  if (dtype == BANYAN_DTYPE_FP32) {
    return ((const float*)row)[column];
  }
  {
    const uint32_t bits = (uint32_t)((const uint16_t*)row)[column] << 16;
    memcpy(&value, &bits, sizeof value);
  }
  return value;
}

/** What came from `source` is what it sent; then each row is what this rank's experts make of it. */
static int take_rows(rank_context* self, const banyan_device_tokens_view* view, int round, int source, int dtype,
                     int columns) {
  const int num_experts = 3 * self->size;
  int token, column, choice, slot = 0;
  for (token = 0; token < tokens_of(round, source); ++token) {
    const size_t place = (size_t)source * TOKENS + (size_t)slot;
    char* const row = (char*)view->rows + place * HIDDEN * 4;
    if (!goes_to(round, source, token, self->rank, num_experts)) {
      continue;
    }
    for (choice = 0; choice < TOP_K; ++choice) {
      const int expert = expert_of(round, source, token, choice, num_experts);
      const int is_mine = expert >= 0 && expert < num_experts && expert / 3 == self->rank;
      if (view->experts[place * TOP_K + (size_t)choice] != (is_mine ? expert : -1) ||
          view->weights[place * TOP_K + (size_t)choice] != (is_mine ? (float)token : 0)) {
        return 0;
      }
    }
    for (column = 0; column < columns; ++column) {
      if (get_number(dtype, row, column) != number_of(source, token, column)) {
        return 0;
      }
      put_number(dtype, row, column, number_of(source, token, column) * scale_of(self->rank));
    }
    ++slot;
  }
  return view->counts[source] == slot;
}

static int is_combined(rank_context* self, const char* out, int round, int dtype, int columns) {
  int token, column, rank;
  for (token = 0; token < tokens_of(round, self->rank); ++token) {
    for (column = 0; column < columns; ++column) {
      float sum = 0;
      for (rank = 0; rank < self->size; ++rank) {
        if (goes_to(round, self->rank, token, rank, 3 * self->size)) {
          sum += number_of(self->rank, token, column) * scale_of(rank);
        }
      }
      if (get_number(dtype, out + (size_t)token * HIDDEN * 4, column) != sum) {
        return 0;
      }
    }
  }
  return 1;
}

/** Rows, experts and weights of a rank, one behind the other in its scratch memory. */
static banyan_device_tokens_batch fill_batch(rank_context* self, char* memory, int round, int dtype, int columns) {
  banyan_device_tokens_batch batch = BANYAN_DEVICE_TOKENS_BATCH_INIT;
  char* const rows = memory;
  int* const experts = (int*)(void*)(memory + TOKENS * HIDDEN * 4);
  float* const weights = (float*)(void*)(experts + TOKENS * TOP_K);
  int* const count = (int*)(void*)(weights + TOKENS * TOP_K);
  int token, choice, column;
  for (token = 0; token < tokens_of(round, self->rank); ++token) {
    for (column = 0; column < columns; ++column) {
      put_number(dtype, rows + (size_t)token * HIDDEN * 4, column, number_of(self->rank, token, column));
    }
    for (choice = 0; choice < TOP_K; ++choice) {
      experts[token * TOP_K + choice] = expert_of(round, self->rank, token, choice, 3 * self->size);
      weights[token * TOP_K + choice] = (float)token;
    }
  }
  *count = tokens_of(round, self->rank);
  batch.rows = rows;
  batch.experts = experts;
  batch.weights = weights;
  batch.num_tokens = round % 2 == 0 ? *count : TOKENS;
  batch.device_tokens = round % 2 == 0 ? NULL : count;
  return batch;
}

static void exchange_tokens(rank_context* self, banyan_device_group* group, int dtype) {
  const scratch memory = make_scratch(self->rank);
  void* const stream = stream_of(self->rank);
  const int columns = dtype == BANYAN_DTYPE_FP32 ? HIDDEN : 2 * HIDDEN;
  banyan_device_tokens_options options = BANYAN_DEVICE_TOKENS_OPTIONS_INIT;
  banyan_device_tokens* tokens = NULL;
  banyan_device_tokens_view view;
  char* const out = (char*)memory.memory + SCRATCH_BYTES / 2;
  int ranks[3 * MAX_RANKS];
  int i, round, source;
  for (i = 0; i < 3 * self->size; ++i) {
    ranks[i] = i / 3;
  }
  options.max_tokens = TOKENS;
  options.top_k = TOP_K;
  options.num_experts = 3 * self->size;
  options.rank_of_expert = ranks;
  options.row_bytes = HIDDEN * 4;
  options.dtype = dtype;
  CHECK_OK(banyan_device_tokens_create(group, &options, &tokens));
  CHECK_FAILS(banyan_device_tokens_combine(tokens, out, stream), BANYAN_ERR_INVALID_ARGUMENT, "dispatch comes first");
  for (round = 0; round < 6; ++round) {
    const banyan_device_tokens_batch batch = fill_batch(self, memory.memory, round, dtype, columns);
    CHECK_OK(banyan_device_tokens_dispatch(tokens, &batch, stream));
    view.struct_size = sizeof view;
    CHECK_OK(banyan_device_tokens_received(tokens, &view));
    for (source = 0; source < self->size; ++source) {
      CHECK(take_rows(self, &view, round, source, dtype, columns));
    }
    CHECK_OK(banyan_device_tokens_combine(tokens, out, stream));
    CHECK(is_combined(self, out, round, dtype, columns));
  }
  CHECK_OK(banyan_device_group_check(group));
  CHECK_OK(banyan_device_tokens_free(tokens));
  free_scratch(memory);
}

static void tokens_body(rank_context* self) {
  banyan_device_group* group = make_group(self);
  exchange_tokens(self, group, BANYAN_DTYPE_FP32);
  exchange_tokens(self, group, BANYAN_DTYPE_BF16);
  CHECK_OK(banyan_device_group_free(group));
}

static void destroying(rank_context* self, void (*body)(rank_context*)) {
  body(self);
  CHECK_OK(banyan_comm_destroy(self->comm));
}
static void exchange_main(rank_context* self) { destroying(self, exchange_body); }
static void uniform_main(rank_context* self) { destroying(self, uniform_body); }
static void tokens_main(rank_context* self) { destroying(self, tokens_body); }

static int run_one_rank(void) {
  rank_context self = {NULL, 0, 0, NULL, NULL};
  CHECK_OK(banyan_comm_create_from_environment(NULL, &self.comm));
  CHECK_OK(banyan_comm_rank(self.comm, &self.rank));
  CHECK_OK(banyan_comm_size(self.comm, &self.size));
  exchange_body(&self);
  uniform_body(&self);
  tokens_body(&self);
  CHECK_OK(banyan_comm_destroy(self.comm));
  CHECK(count_mappings() == 0);
  return check_summary();
}

int main(int argc, char** argv) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  int size;
  if (argc > 1 && strcmp(argv[1], "rank") == 0) {
    return run_one_rank();
  }
  config.timeout_s = 30;
  for (size = 1; size <= 4; ++size) {
    run_ranks(size, &config, exchange_main, NULL);
    run_ranks(size, &config, uniform_main, NULL);
    run_ranks(size, &config, tokens_main, NULL);
  }
  CHECK(count_mappings() == 0);
  return check_summary();
}
