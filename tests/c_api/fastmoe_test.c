/* SPDX-License-Identifier: Apache-2.0 */
/** FastMoE's exchanges from C: counts, rows there and back, ranks that disagree, and arguments that are wrong. */
#include <stdint.h>

#include "ranks.h"

#define ROW_BYTES 12
#define MAX_EXPERTS 4
#define MAX_ROWS 4000
#define GUARD 0xA5

static unsigned char content(int source, int rank, int expert, int64_t row, size_t byte) {
  return (unsigned char)(31u * (unsigned)source + 17u * (unsigned)rank + 7u * (unsigned)expert + 3u * (unsigned)row +
                         (unsigned)byte);
}

/** Rows from a rank to an expert: 0, few, or for the last rank's last expert very many. */
static int64_t count(int source, int rank, int expert, int size, int experts) {
  const int kind = (source * 5 + rank * 3 + expert) % 3;
  return rank == size - 1 && expert == experts - 1 ? 150 : kind == 0 ? 0 : 4 * kind + source;
}

typedef struct exchange {
  int64_t local[MAX_RANKS * MAX_EXPERTS], global[MAX_RANKS * MAX_EXPERTS];
  unsigned char sent[MAX_ROWS * ROW_BYTES], received[MAX_ROWS * ROW_BYTES], back[MAX_ROWS * ROW_BYTES];
  size_t sent_bytes, received_bytes;
} exchange;

static unsigned char* put_rows(unsigned char* at, int source, int rank, int expert, int64_t rows) {
  int64_t row;
  size_t byte;
  for (row = 0; row < rows; ++row) {
    for (byte = 0; byte < ROW_BYTES; ++byte) {
      *at++ = content(source, rank, expert, row, byte);
    }
  }
  return at;
}

/** Fills what this rank sends. */
static void fill(exchange* e, const rank_context* self, int experts) {
  unsigned char* at = e->sent;
  int rank, expert;
  for (rank = 0; rank < self->size; ++rank) {
    for (expert = 0; expert < experts; ++expert) {
      const int64_t rows = count(self->rank, rank, expert, self->size, experts);
      e->local[rank * experts + expert] = rows;
      at = put_rows(at, self->rank, rank, expert, rows);
    }
  }
  e->sent_bytes = (size_t)(at - e->sent);
  memset(e->received, GUARD, sizeof e->received);
  memset(e->back, GUARD, sizeof e->back);
}

/** What this rank must receive: by own expert, then by source. */
static size_t expected_rows(unsigned char* rows, const rank_context* self, int experts) {
  unsigned char* at = rows;
  int source, expert;
  for (expert = 0; expert < experts; ++expert) {
    for (source = 0; source < self->size; ++source) {
      at = put_rows(at, source, self->rank, expert, count(source, self->rank, expert, self->size, experts));
    }
  }
  return (size_t)(at - rows);
}

static void exchange_body(rank_context* self) {
  banyan_fastmoe_options options = BANYAN_FASTMOE_OPTIONS_INIT;
  exchange* e = malloc(sizeof *e);
  unsigned char* expected = malloc(MAX_ROWS * ROW_BYTES);
  int experts, k;
  for (experts = 1; experts <= MAX_EXPERTS; ++experts) {
    fill(e, self, experts);
    CHECK_OK(banyan_fastmoe_expert_exchange(self->comm, e->local, e->global, experts));
    for (k = 0; k < self->size * experts; ++k) {
      CHECK(e->global[k] == count(k / experts, self->rank, k % experts, self->size, experts));
    }
    options.verify_counts = experts == 3;
    options.algorithm = experts == 4 ? "direct" : NULL;
    e->received_bytes = expected_rows(expected, self, experts);
    CHECK_OK(banyan_fastmoe_global_scatter(self->comm, e->sent, e->local, e->received, e->global, experts, ROW_BYTES,
                                           experts == 1 ? NULL : &options));
    CHECK(memcmp(e->received, expected, e->received_bytes) == 0);
    CHECK(e->received[e->received_bytes] == GUARD);
    CHECK_OK(banyan_fastmoe_global_gather(self->comm, e->received, e->local, e->back, e->global, experts, ROW_BYTES,
                                          experts == 1 ? NULL : &options));
    CHECK(memcmp(e->back, e->sent, e->sent_bytes) == 0);
    CHECK(e->back[e->sent_bytes] == GUARD);
  }
  free(expected);
  free(e);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void zero_body(rank_context* self) {
  int64_t local[MAX_RANKS * 2] = {0}, global[MAX_RANKS * 2];
  int k;
  CHECK_OK(banyan_fastmoe_expert_exchange(self->comm, local, global, 2));
  for (k = 0; k < self->size * 2; ++k) {
    CHECK(global[k] == 0);
  }
  CHECK_OK(banyan_fastmoe_global_scatter(self->comm, NULL, local, NULL, global, 2, 8, NULL));
  CHECK_OK(banyan_fastmoe_global_gather(self->comm, NULL, local, NULL, global, 2, 8, NULL));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 0 expects a row more of rank 1 than that one sends. */
static void mismatch_body(rank_context* self) {
  int64_t local[MAX_RANKS], global[MAX_RANKS];
  unsigned char sendbuf[MAX_RANKS * 8] = {0}, recvbuf[MAX_RANKS * 16];
  banyan_status status;
  int rank;
  for (rank = 0; rank < self->size; ++rank) {
    local[rank] = 1;
    global[rank] = self->rank == 0 && rank == 1 ? 2 : 1;
  }
  status = banyan_fastmoe_global_scatter(self->comm, sendbuf, local, recvbuf, global, 1, 8, NULL);
  if (status == BANYAN_OK) { /* those that were done before learn it in their next call */
    status = banyan_fastmoe_global_scatter(self->comm, sendbuf, local, recvbuf, global, 1, 8, NULL);
  }
  CHECK(status == BANYAN_ERR_MISMATCH);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void reject_scatter_and_gather(rank_context* self, const void* sendbuf, const int64_t* local, void* recvbuf,
                                      const int64_t* global, int experts, size_t row_bytes,
                                      const banyan_fastmoe_options* options, const char* part) {
  CHECK_REJECTS(banyan_fastmoe_global_scatter(self->comm, sendbuf, local, recvbuf, global, experts, row_bytes, options),
                part);
  CHECK_REJECTS(banyan_fastmoe_global_gather(self->comm, sendbuf, local, recvbuf, global, experts, row_bytes, options),
                part);
}

static void arguments_body(rank_context* self) {
  banyan_fastmoe_options options = BANYAN_FASTMOE_OPTIONS_INIT;
  int64_t ones[2] = {1, 1}, negative[2] = {1, -1}, out[2] = {9, 9};
  unsigned char rows[16] = {0}, other[16];
  CHECK_REJECTS(banyan_fastmoe_expert_exchange(NULL, ones, out, 1), "comm");
  CHECK_REJECTS(banyan_fastmoe_expert_exchange(self->comm, NULL, out, 1), "local_expert_count");
  CHECK_REJECTS(banyan_fastmoe_expert_exchange(self->comm, ones, NULL, 1), "global_expert_count");
  CHECK_REJECTS(banyan_fastmoe_expert_exchange(self->comm, ones, out, 0), "num_local_experts is 0");
  CHECK_REJECTS(banyan_fastmoe_expert_exchange(self->comm, negative, out, 1), "local_expert_count[1] is -1");
  CHECK_FAILS(banyan_fastmoe_expert_exchange(self->comm, ones, ones, 1), BANYAN_ERR_NOT_SUPPORTED, "same array");
  CHECK(out[0] == 9 && out[1] == 9);
  CHECK_REJECTS(banyan_fastmoe_global_scatter(NULL, rows, ones, other, ones, 1, 8, NULL), "comm");
  CHECK_REJECTS(banyan_fastmoe_global_gather(NULL, rows, ones, other, ones, 1, 8, NULL), "comm");
  reject_scatter_and_gather(self, rows, NULL, other, ones, 1, 8, NULL, "local_expert_count is NULL");
  reject_scatter_and_gather(self, rows, ones, other, NULL, 1, 8, NULL, "global_expert_count is NULL");
  reject_scatter_and_gather(self, NULL, ones, other, ones, 1, 8, NULL, "sendbuf is NULL");
  reject_scatter_and_gather(self, rows, ones, NULL, ones, 1, 8, NULL, "recvbuf is NULL");
  reject_scatter_and_gather(self, rows, ones, other, ones, -1, 8, NULL, "num_local_experts is -1");
  reject_scatter_and_gather(self, rows, ones, other, ones, 1, 0, NULL, "row_bytes is 0");
  reject_scatter_and_gather(self, rows, ones, other, negative, 1, 8, NULL, "global_expert_count[1] is -1");
  options.verify_counts = 2;
  reject_scatter_and_gather(self, rows, ones, other, ones, 1, 8, &options, "verify_counts is 2");
  options.verify_counts = 0;
  options.timeout_s = -1;
  reject_scatter_and_gather(self, rows, ones, other, ones, 1, 8, &options, "timeout_s");
  options.timeout_s = 0;
  options.struct_size = 3;
  reject_scatter_and_gather(self, rows, ones, other, ones, 1, 8, &options, "struct_size");
  CHECK_FAILS(banyan_fastmoe_global_scatter(self->comm, rows, ones, other, ones, 1, SIZE_MAX, NULL), BANYAN_ERR_LIMIT,
              "overflow");
  CHECK_OK(banyan_fastmoe_global_scatter(self->comm, rows, ones, other, ones, 1, 8, NULL));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  static const int kSizes[] = {1, 2, 5, 8};
  size_t s;
  for (s = 0; s < sizeof kSizes / sizeof *kSizes; ++s) {
    run_ranks(kSizes[s], NULL, exchange_body, NULL);
    run_ranks(kSizes[s], NULL, zero_body, NULL);
  }
  run_ranks(3, NULL, mismatch_body, NULL);
  run_ranks(2, NULL, arguments_body, NULL);
  return check_summary();
}
