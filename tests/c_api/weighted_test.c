/* SPDX-License-Identifier: Apache-2.0 */
/** Weighted exchanges: capacities, good use on ranks that are threads, and arguments that are wrong. */
#include <math.h>
#include <stdint.h>

#include "ranks.h"

#define ROW_BYTES 24
#define GUARD 0xA5

static unsigned char content(int src, int dst, size_t position, int round) {
  return (unsigned char)(37u * (unsigned)src + 11u * (unsigned)dst + 5u * (unsigned)(position % 251) +
                         3u * (unsigned)round + 1u);
}

/** More to the neighbours, nothing from i to i + 2. */
static double weight(int i, int j, int size) { return (j - i + size) % size == 2 ? 0 : 1.0 / (1 + abs(i - j)); }

typedef struct buffers {
  size_t send_capacities[MAX_RANKS], recv_capacities[MAX_RANKS], recv_displs[MAX_RANKS], recv_rows;
  size_t sendcounts[MAX_RANKS];
  unsigned char *sendbuf, *recvbuf, *restbuf;
} buffers;

static banyan_request* make(rank_context* self, banyan_overflow overflow, size_t rows, const char* algorithm) {
  banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
  double weights[MAX_RANKS];
  banyan_request* request = NULL;
  int peer;
  for (peer = 0; peer < self->size; ++peer) {
    weights[peer] = weight(self->rank, peer, self->size);
  }
  options.weights = weights;
  options.rows = rows;
  options.capacity_factor = 1.25;
  options.overflow = overflow;
  options.algorithm = algorithm;
  CHECK_OK(banyan_weighted_alltoall_init(self->comm, &options, ROW_BYTES, &request));
  return request;
}

/** As make()'s, so that each rank can tell what the others do. */
static size_t capacity(int from, int to, int size, size_t rows) {
  banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
  double weights[MAX_RANKS];
  size_t capacities[MAX_RANKS];
  int peer;
  for (peer = 0; peer < size; ++peer) {
    weights[peer] = weight(from, peer, size);
  }
  options.weights = weights;
  options.rows = rows;
  options.capacity_factor = 1.25;
  CHECK_OK(banyan_weighted_capacities(&options, size, capacities));
  return capacities[to];
}

/** Rows from i to j in a round: some, none, the capacity, or, where `more` says so, some too many. */
static size_t count(int i, int j, int round, size_t room, int more) {
  const int kind = (i * 3 + j + round) % 4;
  return kind == 0 ? 0 : kind == 1 ? room : kind == 2 && more ? room + (size_t)(i + 1) : room / 2;
}

static void fill(buffers* b, rank_context* self, size_t rows, int round, int more) {
  size_t at = 0, k;
  int dst;
  for (dst = 0; dst < self->size; ++dst) {
    b->sendcounts[dst] = count(self->rank, dst, round, capacity(self->rank, dst, self->size, rows), more);
    for (k = 0; k < b->sendcounts[dst] * ROW_BYTES; ++k) {
      b->sendbuf[at++] = content(self->rank, dst, k, round);
    }
  }
  memset(b->recvbuf, GUARD, (b->recv_rows + 1) * ROW_BYTES);
}

static int is_right(const unsigned char* rows, int src, int dst, size_t first, size_t num, int round) {
  size_t k;
  for (k = 0; k < num * ROW_BYTES; ++k) {
    if (rows[k] != content(src, dst, first * ROW_BYTES + k, round)) {
      return 0;
    }
  }
  return 1;
}

static void check_round(buffers* b, rank_context* self, const banyan_weighted_result* result, size_t rows, int round,
                        int more) {
  int src, k;
  for (src = 0; src < self->size; ++src) {
    const size_t room = capacity(src, self->rank, self->size, rows);
    const size_t sent = count(src, self->rank, round, room, more);
    const size_t came = sent < room ? sent : room;
    CHECK(b->recv_capacities[src] == room);
    CHECK(result->recvcounts[src] == came);
    CHECK(result->recvrest[src] == sent - came);
    CHECK(is_right(b->recvbuf + b->recv_displs[src] * ROW_BYTES, src, self->rank, 0, came, round));
  }
  for (k = 0; k < ROW_BYTES; ++k) {
    CHECK(b->recvbuf[b->recv_rows * ROW_BYTES + (size_t)k] == GUARD);
  }
}

static void check_rest(buffers* b, rank_context* self, banyan_request* request, const banyan_weighted_result* result,
                       int round) {
  size_t at = 0;
  int src;
  CHECK_OK(banyan_weighted_alltoall_rest(request, b->restbuf, NULL));
  for (src = 0; src < self->size; ++src) {
    CHECK(
        is_right(b->restbuf + at * ROW_BYTES, src, self->rank, result->recvcounts[src], result->recvrest[src], round));
    at += result->recvrest[src];
  }
}

/** Ranks with more rows for some rank than fit. */
static int num_overflowed(int size, size_t rows, int round, int more) {
  int number = 0, i, j;
  for (i = 0; i < size; ++i) {
    int any = 0;
    for (j = 0; j < size; ++j) {
      const size_t room = capacity(i, j, size, rows);
      any = any || count(i, j, round, room, more) > room;
    }
    number += any;
  }
  return number;
}

static void allocate(buffers* b, banyan_request* request, size_t rows) {
  CHECK_OK(
      banyan_weighted_alltoall_layout(request, b->send_capacities, b->recv_capacities, b->recv_displs, &b->recv_rows));
  CHECK_OK(banyan_weighted_alltoall_layout(request, NULL, NULL, NULL, NULL));
  b->sendbuf = malloc(4 * (rows + 100) * ROW_BYTES);
  b->restbuf = malloc(1000 * ROW_BYTES);
  b->recvbuf = malloc((b->recv_rows + 1) * ROW_BYTES);
}

static void release(buffers* b) {
  free(b->sendbuf);
  free(b->recvbuf);
  free(b->restbuf);
}

static void exchange_body(rank_context* self) {
  static const size_t kRows[] = {5, 300, 20000};
  static const char* const kAlgorithms[] = {NULL, "direct", "hierarchical"};
  size_t r, a;
  for (r = 0; r < sizeof kRows / sizeof *kRows; ++r) {
    for (a = 0; a < sizeof kAlgorithms / sizeof *kAlgorithms; ++a) {
      banyan_request* request = make(self, BANYAN_OVERFLOW_REST, kRows[r], kAlgorithms[a]);
      banyan_weighted_result result;
      buffers b;
      int round;
      result.struct_size = sizeof result;
      allocate(&b, request, kRows[r]);
      for (round = 0; round < 4; ++round) {
        const int more = round % 2;
        fill(&b, self, kRows[r], round, more);
        CHECK_OK(banyan_weighted_alltoall_start(request, b.sendbuf, b.sendcounts, NULL, b.recvbuf, NULL));
        CHECK_FAILS(banyan_weighted_alltoall_result(request, &result), BANYAN_ERR_BUSY, "wait for it");
        CHECK_FAILS(banyan_request_free(request), BANYAN_ERR_BUSY, "wait for it");
        CHECK_OK(banyan_request_wait(request));
        CHECK_OK(banyan_weighted_alltoall_result(request, &result));
        CHECK(result.num_overflowed == num_overflowed(self->size, kRows[r], round, more));
        check_round(&b, self, &result, kRows[r], round, more);
        check_rest(&b, self, request, &result, round);
      }
      release(&b);
      CHECK_OK(banyan_request_free(request));
    }
  }
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void overflow_body(rank_context* self) {
  const size_t rows = 40;
  banyan_request* request = make(self, BANYAN_OVERFLOW_ERROR, rows, NULL);
  banyan_status status = BANYAN_IN_PROGRESS;
  banyan_weighted_result result;
  banyan_plan* plan = NULL;
  banyan_plan_info info;
  buffers b;
  int peer;
  result.struct_size = sizeof result;
  info.struct_size = sizeof info;
  allocate(&b, request, rows);
  fill(&b, self, rows, 0, 0);
  if (self->rank == 1) {
    b.sendcounts[0] = b.send_capacities[0] + 7;
  }
  CHECK_OK(banyan_weighted_alltoall_start(request, b.sendbuf, b.sendcounts, NULL, b.recvbuf, NULL));
  while (status == BANYAN_IN_PROGRESS) {
    status = banyan_request_test(request);
  }
  CHECK(status == BANYAN_ERR_LIMIT);
  CHECK(strstr(banyan_last_error(), "rank 1 has ") != NULL && strstr(banyan_last_error(), "for rank 0") != NULL);
  CHECK_OK(banyan_weighted_alltoall_result(request, &result));
  CHECK(result.num_overflowed == 1);
  for (peer = 0; peer < self->size; ++peer) {
    CHECK(result.sendrest[peer] == (self->rank == 1 && peer == 0 ? 7u : 0u));
    CHECK(result.recvrest[peer] == (self->rank == 0 && peer == 1 ? 7u : 0u));
  }
  fill(&b, self, rows, 0, 0);
  CHECK_OK(banyan_weighted_alltoall_start(request, b.sendbuf, b.sendcounts, NULL, b.recvbuf, NULL));
  CHECK_OK(banyan_request_wait(request));
  CHECK_OK(banyan_weighted_alltoall_result(request, &result));
  check_round(&b, self, &result, rows, 0, 0);
  CHECK_FAILS(banyan_weighted_alltoall_rest(request, b.restbuf, NULL), BANYAN_ERR_INVALID_ARGUMENT, "REST");
  CHECK_OK(banyan_weighted_alltoall_plan(request, &plan));
  CHECK_OK(banyan_plan_get_info(plan, &info));
  CHECK(info.predicted_time_s > 0);
  banyan_plan_free(plan);
  release(&b);
  CHECK_FAILS(banyan_comm_destroy(self->comm), BANYAN_ERR_BUSY, "1 request");
  CHECK_OK(banyan_request_free(request));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 1 aborts; the others free a request that may be started, as soon as that is allowed. */
static void abort_body(rank_context* self) {
  const size_t rows = 40000;
  banyan_request* request = make(self, BANYAN_OVERFLOW_DROP, rows, NULL);
  banyan_status status;
  buffers b;
  allocate(&b, request, rows);
  fill(&b, self, rows, 1, 0);
  if (self->rank == 1) {
    CHECK_OK(banyan_comm_abort(self->comm, "enough"));
  } else {
    status = banyan_weighted_alltoall_start(request, b.sendbuf, b.sendcounts, NULL, b.recvbuf, NULL);
    CHECK(status == BANYAN_OK || status == BANYAN_ERR_ABORTED);
  }
  do {
    status = banyan_request_free(request);
  } while (status == BANYAN_ERR_BUSY);
  CHECK_OK(status);
  release(&b);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void arguments_body(rank_context* self) {
  banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
  const double weights[MAX_RANKS] = {1, 1};
  const size_t counts[MAX_RANKS] = {0};
  banyan_weighted_result result;
  banyan_request *request = NULL, *other = NULL;
  banyan_plan* plan = NULL;
  CHECK_REJECTS(banyan_weighted_alltoall_init(NULL, &options, 8, &request), "comm");
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, NULL, 8, &request), "options");
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, &options, 8, NULL), "request");
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, &options, 8, &request), "weights");
  options.weights = weights;
  options.overflow = 7;
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, &options, 8, &request), "options.overflow is 7");
  options.overflow = BANYAN_OVERFLOW_DROP;
  options.timeout_s = -1;
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, &options, 8, &request), "timeout_s");
  options.timeout_s = 0;
  options.struct_size = 4;
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, &options, 8, &request), "struct_size");
  options.struct_size = sizeof options;
  CHECK_REJECTS(banyan_weighted_alltoall_init(self->comm, &options, 0, &request), "row_bytes is 0");
  CHECK(request == NULL);
  CHECK_OK(banyan_weighted_alltoall_init(self->comm, &options, 8, &request)); /* rows 0: nothing may be sent */
  CHECK_REJECTS(banyan_request_start(request), "banyan_weighted_alltoall_start");
  CHECK_REJECTS(banyan_weighted_alltoall_start(NULL, NULL, counts, NULL, NULL, NULL), "request");
  CHECK_REJECTS(banyan_weighted_alltoall_start(request, NULL, NULL, NULL, NULL, NULL), "sendcounts");
  CHECK_REJECTS(banyan_weighted_alltoall_result(request, NULL), "result");
  result.struct_size = 0;
  CHECK_REJECTS(banyan_weighted_alltoall_result(request, &result), "struct_size");
  CHECK_REJECTS(banyan_weighted_alltoall_layout(NULL, NULL, NULL, NULL, NULL), "request");
  CHECK_REJECTS(banyan_weighted_alltoall_plan(request, NULL), "plan");
  CHECK_OK(banyan_weighted_alltoall_start(request, NULL, counts, NULL, NULL, NULL));
  CHECK_OK(banyan_request_wait(request));
  CHECK_FAILS(banyan_request_wait(request), BANYAN_ERR_INVALID_ARGUMENT, "not started");
  CHECK_OK(banyan_alltoall_init(self->comm, NULL, NULL, 0, 8, NULL, &other));
  CHECK_REJECTS(banyan_weighted_alltoall_start(other, NULL, counts, NULL, NULL, NULL), "not of banyan_weighted");
  CHECK_REJECTS(banyan_weighted_alltoall_rest(other, NULL, NULL), "not of banyan_weighted");
  CHECK_REJECTS(banyan_weighted_alltoall_plan(other, &plan), "not of banyan_weighted");
  CHECK_OK(banyan_request_free(other));
  CHECK_OK(banyan_request_free(request));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void check_capacities(void) {
  banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
  const double weights[3] = {1, 0, 2};
  const double bad[3] = {1, NAN, 2};
  size_t capacities[3] = {9, 9, 9};
  options.rows = 10;
  CHECK_REJECTS(banyan_weighted_capacities(NULL, 3, capacities), "options");
  CHECK_REJECTS(banyan_weighted_capacities(&options, 3, capacities), "weights");
  options.weights = bad;
  CHECK_REJECTS(banyan_weighted_capacities(&options, 3, capacities), "weights[1] is nan");
  options.weights = weights;
  CHECK_REJECTS(banyan_weighted_capacities(&options, 3, NULL), "capacities");
  CHECK_REJECTS(banyan_weighted_capacities(&options, 0, capacities), "size is 0");
  options.capacity_factor = -0.5;
  CHECK_REJECTS(banyan_weighted_capacities(&options, 3, capacities), "capacity_factor");
  CHECK(capacities[0] == 9);
  options.capacity_factor = 0;
  CHECK_OK(banyan_weighted_capacities(&options, 3, capacities));
  CHECK(capacities[0] == 4 && capacities[1] == 0 && capacities[2] == 7);
}

int main(void) {
  check_capacities();
  run_ranks(1, NULL, exchange_body, NULL);
  run_ranks(2, NULL, exchange_body, NULL);
  run_ranks(4, NULL, exchange_body, NULL);
  run_ranks(7, NULL, exchange_body, NULL);
  run_ranks(4, NULL, overflow_body, NULL);
  run_ranks(4, NULL, abort_body, NULL);
  run_ranks(2, NULL, arguments_body, NULL);
  return check_summary();
}
