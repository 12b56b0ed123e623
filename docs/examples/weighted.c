/* SPDX-License-Identifier: Apache-2.0 */
/* A weighted all-to-all: each rank keeps half of its tokens and shares the other half out evenly. Room for a quarter
 * more than that is planned once; then every step has other counts, and none are exchanged. Rows that do not fit in a
 * step are fetched in a second exchange, which only steps with such rows have. */
#include <banyan/banyan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kTokens = 1000, kHidden = 32, kSteps = 5 };

typedef struct token {
  int from, to, number;
  float values[kHidden];
} token;

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

static banyan_request* plan(banyan_comm* comm, int rank, int size) {
  banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
  double* weights = malloc((size_t)size * sizeof *weights);
  banyan_request* request = NULL;
  int peer;
  for (peer = 0; peer < size; ++peer) {
    weights[peer] = peer == rank ? size : 1;
  }
  options.weights = weights;
  options.rows = kTokens;
  options.capacity_factor = 1.25;
  options.overflow = BANYAN_OVERFLOW_REST;
  check(banyan_weighted_alltoall_init(comm, &options, sizeof(token), &request));
  free(weights);
  return request;
}

/* What a gate would do: the destination of each token, about as the weights say. Tokens end up sorted by it. */
static void route(token* tokens, size_t* counts, int rank, int size) {
  int number, peer;
  size_t at = 0;
  memset(counts, 0, (size_t)size * sizeof *counts);
  for (number = 0; number < kTokens; ++number) {
    ++counts[rand() % 2 ? rank : rand() % size];
  }
  for (peer = 0; peer < size; ++peer) {
    for (number = 0; number < (int)counts[peer]; ++number) {
      tokens[at].from = rank;
      tokens[at].to = peer;
      tokens[at++].number = number;
    }
  }
}

/* Whether these are the tokens that `from` has for `to`, beginning with its number `first`. */
static int right(const token* tokens, size_t count, int from, int to, size_t first) {
  size_t i;
  for (i = 0; i < count; ++i) {
    if (tokens[i].from != from || tokens[i].to != to || tokens[i].number != (int)(first + i)) {
      return 0;
    }
  }
  return 1;
}

static int step(banyan_request* request, int rank, int size, token* sendbuf, token* recvbuf, const size_t* displs) {
  size_t* counts = malloc((size_t)size * sizeof *counts);
  banyan_weighted_result result;
  token* rest;
  size_t rest_rows = 0;
  int from, good = 1;
  result.struct_size = sizeof result;
  route(sendbuf, counts, rank, size);
  check(banyan_weighted_alltoall_start(request, sendbuf, counts, NULL, recvbuf, NULL));
  check(banyan_request_wait(request));
  check(banyan_weighted_alltoall_result(request, &result));
  for (from = 0; from < size; ++from) {
    good = good && right(recvbuf + displs[from], result.recvcounts[from], from, rank, 0);
    rest_rows += result.recvrest[from];
  }
  rest = malloc((rest_rows + 1) * sizeof *rest);
  check(banyan_weighted_alltoall_rest(request, rest, NULL)); /* nothing happens where num_overflowed is 0 */
  for (from = 0, rest_rows = 0; from < size; ++from) {
    good = good && right(rest + rest_rows, result.recvrest[from], from, rank, result.recvcounts[from]);
    rest_rows += result.recvrest[from];
  }
  free(rest);
  free(counts);
  return good;
}

int main(void) {
  banyan_comm* comm = NULL;
  banyan_request* request;
  token *sendbuf, *recvbuf;
  size_t* displs;
  size_t rows = 0;
  int rank = 0, size = 0, number, good = 1;
  check(banyan_comm_create_from_environment(NULL, &comm));
  check(banyan_comm_rank(comm, &rank));
  check(banyan_comm_size(comm, &size));
  srand((unsigned)rank);
  request = plan(comm, rank, size);
  displs = malloc((size_t)size * sizeof *displs);
  check(banyan_weighted_alltoall_layout(request, NULL, NULL, displs, &rows));
  sendbuf = calloc(kTokens, sizeof *sendbuf);
  recvbuf = calloc(rows + 1, sizeof *recvbuf);
  for (number = 0; number < kSteps; ++number) {
    good = good && step(request, rank, size, sendbuf, recvbuf, displs);
  }
  printf("rank %d of %d: %s\n", rank, size, good ? "right" : "wrong");
  check(banyan_request_free(request));
  check(banyan_comm_destroy(comm));
  free(sendbuf);
  free(recvbuf);
  free(displs);
  return good ? 0 : 1;
}
