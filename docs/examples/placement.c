/* SPDX-License-Identifier: Apache-2.0 */
/* A job that moves experts while it runs. Expert 0 is hot. After a few steps all ranks tell each other what they
 * routed, and each works out the same next map, which holds two steps later. Until then the weights that it needs are
 * copied; here at once, in a real job between the steps. From its epoch on each rank uses the new map, with no barrier.
 */
#include <banyan/banyan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kPerRank = 2, kTokens = 1000, kWeights = 256, kSteps = 8, kDecideAt = 3, kLead = 2 };

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

static void* need(void* memory) {
  if (memory == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return memory;
}

/* Experts in equal parts, as most frameworks place them. */
static banyan_placement* contiguous(banyan_placement_config* config) {
  int* numbers = need(malloc((size_t)config->num_experts * sizeof *numbers));
  int* ranks = need(malloc((size_t)config->num_experts * sizeof *ranks));
  banyan_placement* placement = NULL;
  int expert;
  for (expert = 0; expert < config->num_experts; ++expert) {
    numbers[expert] = 1;
    ranks[expert] = expert / kPerRank;
  }
  check(banyan_placement_from_replicas(config, numbers, ranks, &placement));
  free(numbers);
  free(ranks);
  return placement;
}

/* The next map, from what all ranks routed: [size, experts] rows. */
static banyan_placement* decide(banyan_placement_config* config, const double* rows, uint64_t step) {
  banyan_placement* placement = NULL;
  int* home = need(malloc((size_t)config->num_experts * sizeof *home));
  int expert;
  for (expert = 0; expert < config->num_experts; ++expert) {
    home[expert] = expert / kPerRank; /* first copies stay, with their optimizer state */
  }
  config->rank_load = rows;
  config->home = home;
  config->slots_per_rank = kPerRank + 1;
  config->epoch = step + kLead; /* from numbers that all ranks have, so that all switch in the same step */
  check(banyan_placement_create(config, &placement));
  config->rank_load = NULL;
  config->home = NULL;
  free(home);
  return placement;
}

/* All copies in one exchange: both ends walk the same list. weights: [experts, kWeights]. */
static void copy_weights(banyan_comm* comm, const banyan_moves* moves, int rank, int size, float* weights) {
  banyan_moves_info info;
  size_t* counts = need(calloc(4 * (size_t)size, sizeof *counts));
  size_t *sdispls = counts + size, *recvcounts = sdispls + size, *rdispls = recvcounts + size;
  size_t sent = 0, received = 0, i;
  float *sendbuf, *recvbuf;
  int peer;
  info.struct_size = sizeof info;
  check(banyan_moves_get_info(moves, &info));
  sendbuf = need(malloc((info.num_moves + 1) * kWeights * sizeof *sendbuf));
  recvbuf = need(malloc((info.num_moves + 1) * kWeights * sizeof *recvbuf));
  for (peer = 0; peer < size; ++peer) {
    sdispls[peer] = sent;
    rdispls[peer] = received;
    for (i = 0; i < info.num_moves; ++i) {
      banyan_move move;
      move.struct_size = sizeof move;
      check(banyan_moves_get(moves, i, &move));
      if (move.from_rank == rank && move.to_rank == peer) {
        memcpy(sendbuf + kWeights * sent++, weights + kWeights * move.expert, kWeights * sizeof *weights);
        ++counts[peer];
      }
      if (move.to_rank == rank && move.from_rank == peer) {
        ++recvcounts[peer];
        ++received;
      }
    }
  }
  check(
      banyan_alltoallv(comm, sendbuf, counts, sdispls, recvbuf, recvcounts, rdispls, kWeights * sizeof *weights, NULL));
  for (peer = 0, received = 0; peer < size; ++peer) {
    for (i = 0; i < info.num_moves; ++i) {
      banyan_move move;
      move.struct_size = sizeof move;
      check(banyan_moves_get(moves, i, &move));
      if (move.to_rank == rank && move.from_rank == peer) {
        memcpy(weights + kWeights * move.expert, recvbuf + kWeights * received++, kWeights * sizeof *weights);
      }
    }
  }
  free(counts);
  free(sendbuf);
  free(recvbuf);
}

/* Whether this rank has the weights of all experts that the map gives it. */
static int has_weights(const banyan_placement* map, int rank, const float* weights) {
  banyan_placement_info info;
  int *numbers, *ranks, expert, i, at = 0, good = 1;
  info.struct_size = sizeof info;
  check(banyan_placement_get_info(map, &info));
  numbers = need(malloc((size_t)info.num_experts * sizeof *numbers));
  ranks = need(malloc((size_t)info.num_replicas * sizeof *ranks));
  check(banyan_placement_replicas(map, numbers, ranks));
  for (expert = 0; expert < info.num_experts; ++expert) {
    for (i = 0; i < numbers[expert]; ++i, ++at) {
      good = good && (ranks[at] != rank || weights[kWeights * expert] == (float)(expert + 1));
    }
  }
  free(numbers);
  free(ranks);
  return good;
}

/* Half of the rows are for expert 0. */
static void route(double* rows, int experts) {
  int row;
  memset(rows, 0, (size_t)experts * sizeof *rows);
  for (row = 0; row < kTokens; ++row) {
    ++rows[rand() % 2 ? 0 : rand() % experts];
  }
}

typedef struct job {
  banyan_comm* comm;
  int rank, size;
  banyan_placement_config config;
  banyan_placement *map, *next; /* next: NULL, or what will hold from its epoch on */
  float* weights;               /* [experts, kWeights]: of experts that are here */
} job;

static job begin(void) {
  const banyan_placement_config config = BANYAN_PLACEMENT_CONFIG_INIT;
  job j;
  int expert;
  memset(&j, 0, sizeof j);
  j.config = config;
  check(banyan_comm_create_from_environment(NULL, &j.comm));
  check(banyan_comm_rank(j.comm, &j.rank));
  check(banyan_comm_size(j.comm, &j.size));
  check(banyan_comm_topology(j.comm, &j.config.topology));
  j.config.num_experts = kPerRank * j.size;
  j.weights = need(calloc((size_t)j.config.num_experts * kWeights, sizeof *j.weights));
  for (expert = 0; expert < j.config.num_experts; ++expert) {
    j.weights[kWeights * expert] = expert / kPerRank == j.rank ? (float)(expert + 1) : 0;
  }
  j.map = contiguous(&j.config);
  return j;
}

/* Before a step: the next map, if this is its first. */
static void change_map(job* j, int step) {
  banyan_placement_info info;
  info.struct_size = sizeof info;
  if (j->next != NULL) {
    check(banyan_placement_get_info(j->next, &info));
    if ((uint64_t)step >= info.epoch) {
      banyan_placement_free(j->map);
      j->map = j->next;
      j->next = NULL;
    }
  }
}

/* After a step: what all ranks routed in it, the map that follows from it, and the copies that it needs. */
static void prepare(job* j, int step, const double* rows) {
  const size_t experts = (size_t)j->config.num_experts;
  double* all = need(malloc(experts * (size_t)j->size * sizeof *all));
  size_t* bytes = need(malloc(experts * sizeof *bytes));
  banyan_moves* moves = NULL;
  size_t expert;
  for (expert = 0; expert < experts; ++expert) {
    bytes[expert] = kWeights * sizeof *j->weights;
  }
  check(banyan_comm_allgather(j->comm, rows, all, experts * sizeof *rows));
  j->next = decide(&j->config, all, (uint64_t)step);
  check(banyan_placement_moves(j->map, j->next, bytes, &moves));
  copy_weights(j->comm, moves, j->rank, j->size, j->weights);
  banyan_moves_free(moves);
  free(all);
  free(bytes);
}

int main(void) {
  job j = begin();
  double* rows = need(malloc((size_t)j.config.num_experts * sizeof *rows));
  banyan_placement_info info;
  int step, good = 1;
  srand((unsigned)j.rank);
  for (step = 0; step < kSteps; ++step) {
    change_map(&j, step);
    good = good && has_weights(j.map, j.rank, j.weights);
    route(rows, j.config.num_experts); /* then the step's exchange, by j.map */
    if (step == kDecideAt) {
      prepare(&j, step, rows);
    }
  }
  info.struct_size = sizeof info;
  check(banyan_placement_get_info(j.map, &info));
  good = good && info.epoch == kDecideAt + kLead;
  printf("rank %d of %d: largest load %.0f, was %.0f, mean %.0f; %s\n", j.rank, j.size, info.max_load,
         info.max_load_before, info.mean_load, good ? "right" : "wrong");
  banyan_placement_free(j.map);
  banyan_placement_free(j.next);
  check(banyan_comm_destroy(j.comm));
  free(rows);
  free(j.weights);
  return good ? 0 : 1;
}
