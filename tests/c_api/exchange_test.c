/* SPDX-License-Identifier: Apache-2.0 */
/** Good use on ranks that are threads: every exchange delivers every byte, and nothing beside it. */
#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#include "ranks.h"

#define GUARD 0xA5

/** The byte at `position` of the block that `src` sends to `dst` in round `round`. */
static unsigned char pattern(int src, int dst, size_t position, int round) {
  return (unsigned char)(31u * (unsigned)src + 17u * (unsigned)dst + 7u * (unsigned)position + 3u * (unsigned)round +
                         1u);
}

static void fill_uniform(unsigned char* sendbuf, int rank, int size, size_t bytes, int round) {
  int dst;
  size_t k;
  for (dst = 0; dst < size; ++dst) {
    for (k = 0; k < bytes; ++k) {
      sendbuf[(size_t)dst * bytes + k] = pattern(rank, dst, k, round);
    }
  }
}

static int uniform_is_right(const unsigned char* recvbuf, int rank, int size, size_t bytes, int round) {
  int src;
  size_t k;
  for (src = 0; src < size; ++src) {
    for (k = 0; k < bytes; ++k) {
      if (recvbuf[(size_t)src * bytes + k] != pattern(src, rank, k, round)) {
        return 0;
      }
    }
  }
  return 1;
}

static void uniform_body(rank_context* self) {
  static const size_t kBytes[] = {0, 1, 8, 1000, 70000};
  static const char* const kAlgorithms[] = {NULL, "auto", "direct", "hierarchical"};
  const size_t largest = 70000 * (size_t)self->size;
  unsigned char* sendbuf = malloc(largest);
  unsigned char* copy = malloc(largest);
  unsigned char* recvbuf = malloc(largest + 1);
  size_t a, b;
  for (a = 0; a < sizeof kAlgorithms / sizeof *kAlgorithms; ++a) {
    for (b = 0; b < sizeof kBytes / sizeof *kBytes; ++b) {
      const size_t bytes = kBytes[b];
      banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
      options.algorithm = kAlgorithms[a];
      fill_uniform(sendbuf, self->rank, self->size, bytes, (int)b);
      memcpy(copy, sendbuf, bytes * (size_t)self->size);
      memset(recvbuf, GUARD, largest + 1);
      CHECK_OK(banyan_alltoall(self->comm, sendbuf, recvbuf, bytes, 1, &options));
      CHECK(uniform_is_right(recvbuf, self->rank, self->size, bytes, (int)b));
      CHECK(recvbuf[bytes * (size_t)self->size] == GUARD);
      CHECK(memcmp(copy, sendbuf, bytes * (size_t)self->size) == 0);
    }
  }
  free(sendbuf);
  free(copy);
  free(recvbuf);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Elements of 4 bytes that rank i sends to rank j; some are zero. */
static size_t v_count(int i, int j, int scale) { return (size_t)((i * 5 + j * 3) % 4) * (size_t)scale; }

typedef struct v_buffers {
  size_t sendcounts[MAX_RANKS], sdispls[MAX_RANKS], recvcounts[MAX_RANKS], rdispls[MAX_RANKS];
  size_t send_total, recv_total;
  unsigned char *sendbuf, *recvbuf;
} v_buffers;

/** Lays blocks out with a gap of one element before each, the receive side in reverse order. */
static void v_allocate(v_buffers* v, int rank, int size, int scale) {
  int peer;
  v->send_total = 0;
  v->recv_total = 0;
  for (peer = 0; peer < size; ++peer) {
    const int from = size - 1 - peer;
    v->sendcounts[peer] = v_count(rank, peer, scale);
    v->sdispls[peer] = v->send_total + 1;
    v->send_total += v->sendcounts[peer] + 1;
    v->recvcounts[from] = v_count(from, rank, scale);
    v->rdispls[from] = v->recv_total + 1;
    v->recv_total += v->recvcounts[from] + 1;
  }
  v->sendbuf = malloc(4 * v->send_total);
  v->recvbuf = malloc(4 * v->recv_total);
}

static void v_fill(v_buffers* v, int rank, int size, int round) {
  int dst;
  size_t k;
  memset(v->sendbuf, GUARD, 4 * v->send_total);
  memset(v->recvbuf, GUARD, 4 * v->recv_total);
  for (dst = 0; dst < size; ++dst) {
    for (k = 0; k < 4 * v->sendcounts[dst]; ++k) {
      v->sendbuf[4 * v->sdispls[dst] + k] = pattern(rank, dst, k, round);
    }
  }
}

static int v_is_right(const v_buffers* v, int rank, int size, int round) {
  int src;
  size_t k;
  for (src = 0; src < size; ++src) {
    const unsigned char* block = v->recvbuf + 4 * v->rdispls[src];
    for (k = 0; k < 4 * v->recvcounts[src]; ++k) {
      if (block[k] != pattern(src, rank, k, round)) {
        return 0;
      }
    }
    for (k = 1; k <= 4; ++k) {
      if (block[-(ptrdiff_t)k] != GUARD) {
        return 0;
      }
    }
  }
  return 1;
}

static void v_free(v_buffers* v) {
  free(v->sendbuf);
  free(v->recvbuf);
}

static void v_body(rank_context* self) {
  static const int kScales[] = {0, 1, 16, 3000, 40000};
  size_t s;
  for (s = 0; s < sizeof kScales / sizeof *kScales; ++s) {
    v_buffers v;
    v_allocate(&v, self->rank, self->size, kScales[s]);
    v_fill(&v, self->rank, self->size, (int)s);
    CHECK_OK(
        banyan_alltoallv(self->comm, v.sendbuf, v.sendcounts, v.sdispls, v.recvbuf, v.recvcounts, v.rdispls, 4, NULL));
    CHECK(v_is_right(&v, self->rank, self->size, (int)s));
    v_free(&v);
  }
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void zero_body(rank_context* self) {
  const size_t zeros[MAX_RANKS] = {0};
  CHECK_OK(banyan_alltoall(self->comm, NULL, NULL, 0, 8, NULL));
  CHECK_OK(banyan_alltoallv(self->comm, NULL, zeros, zeros, NULL, zeros, zeros, 8, NULL));
  CHECK_OK(banyan_comm_allgather(self->comm, NULL, NULL, 0));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void finish(banyan_request* request, int by_test) {
  banyan_status status = BANYAN_IN_PROGRESS;
  if (by_test) {
    while (status == BANYAN_IN_PROGRESS) {
      status = banyan_request_test(request);
    }
    CHECK_OK(status);
  } else {
    CHECK_OK(banyan_request_wait(request));
  }
}

static void persistent_body(rank_context* self) {
  const size_t bytes = 300;
  unsigned char* sendbuf = malloc(bytes * (size_t)self->size);
  unsigned char* recvbuf = malloc(bytes * (size_t)self->size);
  banyan_request *uniform = NULL, *ragged = NULL;
  v_buffers v;
  int round;
  v_allocate(&v, self->rank, self->size, 7);
  CHECK_OK(banyan_alltoall_init(self->comm, sendbuf, recvbuf, bytes, 1, NULL, &uniform));
  CHECK_OK(banyan_alltoallv_init(self->comm, v.sendbuf, v.sendcounts, v.sdispls, v.recvbuf, v.recvcounts, v.rdispls, 4,
                                 NULL, &ragged));
  for (round = 0; round < 5; ++round) {
    fill_uniform(sendbuf, self->rank, self->size, bytes, round);
    memset(recvbuf, GUARD, bytes * (size_t)self->size);
    CHECK_OK(banyan_request_start(uniform));
    CHECK_FAILS(banyan_request_start(uniform), BANYAN_ERR_BUSY, "");
    CHECK_FAILS(banyan_request_start(ragged), BANYAN_ERR_BUSY, "");
    CHECK_FAILS(banyan_request_free(uniform), BANYAN_ERR_BUSY, "wait for it");
    finish(uniform, round % 2);
    CHECK(uniform_is_right(recvbuf, self->rank, self->size, bytes, round));
    v_fill(&v, self->rank, self->size, round);
    CHECK_OK(banyan_request_start(ragged));
    finish(ragged, (round + 1) % 2);
    CHECK(v_is_right(&v, self->rank, self->size, round));
  }
  CHECK_FAILS(banyan_comm_destroy(self->comm), BANYAN_ERR_BUSY, "2 requests");
  CHECK_OK(banyan_request_free(uniform));
  CHECK_OK(banyan_request_free(ragged));
  v_free(&v);
  free(sendbuf);
  free(recvbuf);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void stats_body(rank_context* self) {
  unsigned char sendbuf[64 * MAX_RANKS] = {0}, recvbuf[64 * MAX_RANKS];
  banyan_comm_stats before, after;
  before.struct_size = sizeof before;
  after.struct_size = sizeof after;
  CHECK_OK(banyan_comm_get_stats(self->comm, &before));
  CHECK_OK(banyan_alltoall(self->comm, sendbuf, recvbuf, 64, 1, NULL));
  CHECK_OK(banyan_comm_get_stats(self->comm, &after));
  CHECK(after.operations == before.operations + 1);
  CHECK(after.messages_sent + after.mapped_writes > before.messages_sent + before.mapped_writes);
  CHECK(after.message_bytes + after.mapped_bytes - before.message_bytes - before.mapped_bytes >=
        64 * (uint64_t)(self->size - 1));
  CHECK(after.inter_host_messages == 0 && after.inter_host_bytes == 0);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

typedef struct waiting_count {
  int calls;    /**< of rank 1 */
  int answer;   /**< what they give */
  int returned; /**< rank 1 has its call behind it */
} waiting_count;

static int count_waiting(void* context) {
  waiting_count* count = context;
  __atomic_add_fetch(&count->calls, 1, __ATOMIC_RELAXED);
  return count->answer;
}

/** Rank 0 comes when rank 1 has called it while it waited, or has failed; `shared` is rank 1's count. */
static void waiting_body(rank_context* self) {
  unsigned char sendbuf[MAX_RANKS] = {0}, recvbuf[MAX_RANKS];
  waiting_count* count = self->shared;
  banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
  const banyan_status expected = count->answer == 0 ? BANYAN_OK : BANYAN_ERR_ABORTED;
  if (self->rank == 1) {
    options.while_waiting = count_waiting;
    options.waiting_context = count;
  } else if (self->rank == 0) {
    while (__atomic_load_n(count->answer == 0 ? &count->calls : &count->returned, __ATOMIC_RELAXED) == 0) {
      sched_yield();
    }
  }
  CHECK(banyan_alltoall(self->comm, sendbuf, recvbuf, 1, 1, &options) == expected);
  if (self->rank == 1) {
    __atomic_store_n(&count->returned, 1, __ATOMIC_RELAXED);
  }
  CHECK(expected == BANYAN_OK || strstr(banyan_last_error(), "rank 1 ended alltoall") != NULL);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

typedef struct meddling {
  banyan_comm* comm;
  banyan_request* request;
  int calls; /**< of rank 1 */
} meddling;

/** What must not disturb the exchange under way. */
static int meddle(void* context) {
  static const size_t kCounts[MAX_RANKS] = {0}, kDispls[MAX_RANKS] = {1, 2, 3};
  meddling* self = context;
  unsigned char byte = 0;
  banyan_request* other = NULL;
  CHECK_FAILS(banyan_alltoallv(self->comm, &byte, kCounts, kDispls, &byte, kCounts, kDispls, 1, NULL), BANYAN_ERR_BUSY,
              "while_waiting");
  CHECK_FAILS(banyan_alltoallv_init(self->comm, &byte, kCounts, kDispls, &byte, kCounts, kDispls, 1, NULL, &other),
              BANYAN_ERR_BUSY, "while_waiting");
  CHECK_FAILS(banyan_request_free(self->request), BANYAN_ERR_BUSY, "while_waiting");
  CHECK_FAILS(banyan_comm_destroy(self->comm), BANYAN_ERR_BUSY, "while_waiting");
  CHECK(other == NULL);
  __atomic_add_fetch(&self->calls, 1, __ATOMIC_RELAXED);
  return 0;
}

/** Rank 1 tries what it must not in an all-to-all-v, while it waits for rank 0; `shared` are its tries. */
static void meddling_body(rank_context* self) {
  banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
  meddling* shared = self->shared;
  banyan_request* request = NULL;
  v_buffers v;
  v_allocate(&v, self->rank, self->size, 700);
  v_fill(&v, self->rank, self->size, 1);
  CHECK_OK(banyan_alltoall_init(self->comm, NULL, NULL, 0, 1, NULL, &request));
  if (self->rank == 1) {
    shared->comm = self->comm;
    shared->request = request;
    options.while_waiting = meddle;
    options.waiting_context = shared;
  } else if (self->rank == 0) {
    while (__atomic_load_n(&shared->calls, __ATOMIC_RELAXED) < 2) {
      sched_yield();
    }
  }
  CHECK_OK(banyan_alltoallv(self->comm, v.sendbuf, v.sendcounts, v.sdispls, v.recvbuf, v.recvcounts, v.rdispls, 4,
                            &options));
  CHECK(v_is_right(&v, self->rank, self->size, 1));
  v_free(&v);
  CHECK_OK(banyan_request_free(request));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** A program that was built before the options had their last members. */
static void short_options_body(rank_context* self) {
  unsigned char sendbuf[MAX_RANKS] = {0}, recvbuf[MAX_RANKS];
  banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
  options.struct_size = offsetof(banyan_alltoall_options, while_waiting);
  options.while_waiting = count_waiting; /* not looked at */
  CHECK_OK(banyan_alltoall(self->comm, sendbuf, recvbuf, 1, 1, &options));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Even ranks in reversed order, odd ranks in order, the last rank in none. */
static void split_body(rank_context* self) {
  const int last = self->rank == self->size - 1;
  const int even = self->rank % 2 == 0;
  banyan_comm* part = self->comm;
  CHECK_OK(banyan_comm_split(self->comm, last ? -1 : self->rank % 2, even ? -self->rank : self->rank, &part));
  CHECK((part == NULL) == last);
  if (part != NULL) {
    int rank = -1, size = -1, position, sent[MAX_RANKS] = {0}, received[MAX_RANKS];
    const int members = (self->size - 1 + even) / 2;
    CHECK_OK(banyan_comm_rank(part, &rank));
    CHECK_OK(banyan_comm_size(part, &size));
    CHECK(size == members);
    CHECK(rank == (even ? members - 1 - self->rank / 2 : self->rank / 2));
    for (position = 0; position < size; ++position) {
      sent[position] = 100 * self->rank + position;
    }
    CHECK_OK(banyan_alltoall(part, sent, received, 1, sizeof(int), NULL));
    for (position = 0; position < size; ++position) {
      const int world = even ? 2 * (members - 1 - position) : 2 * position + 1;
      CHECK(received[position] == 100 * world + rank);
    }
    CHECK_OK(banyan_comm_destroy(part));
  }
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void control_body(rank_context* self) {
  const banyan_topology* topology = NULL;
  const banyan_profile* profile = (const banyan_profile*)self;
  int rank = -1, size = -1, ranks = -1, hosts = -1, peer, all[MAX_RANKS];
  CHECK_OK(banyan_comm_rank(self->comm, &rank));
  CHECK_OK(banyan_comm_size(self->comm, &size));
  CHECK(rank == self->rank && size == self->size);
  CHECK_OK(banyan_comm_barrier(self->comm));
  CHECK_OK(banyan_comm_allgather(self->comm, &rank, all, sizeof rank));
  for (peer = 0; peer < size; ++peer) {
    CHECK(all[peer] == peer);
  }
  CHECK_OK(banyan_comm_topology(self->comm, &topology));
  CHECK_OK(banyan_topology_counts(topology, &ranks, &hosts));
  CHECK(ranks == size && hosts == 1);
  CHECK_OK(banyan_topology_check(topology));
  CHECK_OK(banyan_comm_profile(self->comm, &profile));
  CHECK(profile == NULL);
  CHECK_OK(banyan_comm_set_profile(self->comm, NULL));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  static const int kSizes[] = {1, 2, 5, 8};
  meddling tries = {NULL, NULL, 0};
  waiting_count served = {0, 0, 0}, failing = {0, 7, 0};
  size_t s;
  for (s = 0; s < sizeof kSizes / sizeof *kSizes; ++s) {
    run_ranks(kSizes[s], NULL, uniform_body, NULL);
    run_ranks(kSizes[s], NULL, v_body, NULL);
    run_ranks(kSizes[s], NULL, zero_body, NULL);
    run_ranks(kSizes[s], NULL, control_body, NULL);
  }
  run_ranks(4, NULL, persistent_body, NULL);
  run_ranks(3, NULL, stats_body, NULL);
  run_ranks(7, NULL, split_body, NULL);
  run_ranks(3, NULL, waiting_body, &served);
  run_ranks(3, NULL, waiting_body, &failing);
  run_ranks(3, NULL, meddling_body, &tries);
  run_ranks(3, NULL, short_options_body, NULL);
  return check_summary();
}
