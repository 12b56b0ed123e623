/* SPDX-License-Identifier: Apache-2.0 */
/** The ways to make a communicator: callback, unique id, environment. */
#include "check.h"

#define MAX_RANKS 16

extern int setenv(const char* name, const char* value, int overwrite);
extern int unsetenv(const char* name);

/** An allgather among threads: each copies its part, all wait, each copies the whole, all wait. */
typedef struct gather_place {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int size, arrived, generation;
  char parts[65536];
} gather_place;

typedef struct gather_member {
  gather_place* place;
  int rank;
  int fails;
} gather_member;

static void meet(gather_place* place) {
  const int generation = place->generation;
  if (++place->arrived == place->size) {
    place->arrived = 0;
    ++place->generation;
    pthread_cond_broadcast(&place->changed);
  }
  while (generation == place->generation) {
    pthread_cond_wait(&place->changed, &place->lock);
  }
}

/** In slices, because `parts` is small. */
static int gather(const void* sendbuf, void* recvbuf, size_t size, void* context) {
  const gather_member* self = context;
  gather_place* place = self->place;
  const size_t slice = sizeof place->parts / (size_t)place->size;
  size_t done, rank;
  if (self->fails) {
    return 7;
  }
  pthread_mutex_lock(&place->lock);
  for (done = 0; done < size; done += slice) {
    const size_t bytes = size - done < slice ? size - done : slice;
    memcpy(place->parts + (size_t)self->rank * slice, (const char*)sendbuf + done, bytes);
    meet(place);
    for (rank = 0; rank < (size_t)place->size; ++rank) {
      memcpy((char*)recvbuf + rank * size + done, place->parts + rank * slice, bytes);
    }
    meet(place);
  }
  pthread_mutex_unlock(&place->lock);
  return 0;
}

static void exchange_ranks(banyan_comm* comm, int rank, int size) {
  int sent[MAX_RANKS] = {0}, received[MAX_RANKS], peer;
  for (peer = 0; peer < size; ++peer) {
    sent[peer] = 10 * rank + peer;
  }
  CHECK_OK(banyan_alltoall(comm, sent, received, 1, sizeof(int), NULL));
  for (peer = 0; peer < size; ++peer) {
    CHECK(received[peer] == 10 * peer + rank);
  }
  CHECK_OK(banyan_comm_destroy(comm));
}

typedef struct creator {
  gather_member member;
  const banyan_unique_id* id; /**< NULL: by callback */
  const char* transports;     /**< NULL: default; any other is expected not to exist */
} creator;

static void* create_and_exchange(void* context) {
  creator* self = context;
  const int rank = self->member.rank, size = self->member.place->size;
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  banyan_comm* comm = NULL;
  config.interface_name = "lo";
  config.transports = self->transports;
  if (self->transports != NULL) {
    CHECK_FAILS(banyan_comm_create_from_id(self->id, rank, size, &config, &comm), BANYAN_ERR_NOT_FOUND,
                self->transports);
    CHECK(comm == NULL);
  } else if (self->id != NULL) {
    CHECK_OK(banyan_comm_create_from_id(self->id, rank, size, &config, &comm));
  } else {
    CHECK_OK(banyan_comm_create(rank, size, gather, &self->member, &config, &comm));
  }
  if (comm != NULL) {
    exchange_ranks(comm, rank, size);
  }
  return NULL;
}

static void test_threads(int size, int by_id, const char* transports) {
  static gather_place place = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, {0}};
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  banyan_unique_id id;
  pthread_t threads[MAX_RANKS];
  creator creators[MAX_RANKS];
  int rank;
  config.interface_name = "lo";
  if (by_id) {
    CHECK_OK(banyan_unique_id_create(&config, &id));
  }
  place.size = size;
  for (rank = 0; rank < size; ++rank) {
    creators[rank].member.place = &place;
    creators[rank].member.rank = rank;
    creators[rank].member.fails = 0;
    creators[rank].id = by_id ? &id : NULL;
    creators[rank].transports = transports;
    if (pthread_create(&threads[rank], NULL, create_and_exchange, &creators[rank]) != 0) {
      exit(1);
    }
  }
  for (rank = 0; rank < size; ++rank) {
    pthread_join(threads[rank], NULL);
  }
}

static void test_failing_callback(void) {
  gather_place place = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 2, 0, 0, {0}};
  gather_member member = {&place, 0, 1};
  banyan_comm* comm = NULL;
  CHECK(banyan_comm_create(0, 2, gather, &member, NULL, &comm) != BANYAN_OK);
  CHECK(strstr(banyan_last_error(), "allgather") != NULL && strstr(banyan_last_error(), "7") != NULL);
  CHECK(comm == NULL);
}

static void test_no_launcher(void) {
  static const char* const kLauncher[] = {
      "RANK",     "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK",
      "PMI_RANK", "PMI_SIZE",   "SLURM_PROCID",         "SLURM_NTASKS"};
  banyan_comm* comm = NULL;
  size_t i;
  int size = -1;
  for (i = 0; i < sizeof kLauncher / sizeof *kLauncher; ++i) {
    unsetenv(kLauncher[i]);
  }
  CHECK_OK(banyan_comm_create_from_environment(NULL, &comm));
  CHECK_OK(banyan_comm_size(comm, &size));
  CHECK(size == 1);
  exchange_ranks(comm, 0, 1);
}

static void test_wrong_environment(void) {
  banyan_comm* comm = NULL;
  setenv("BANYAN_TIMEOUT_S", "soon", 1);
  CHECK_REJECTS(banyan_comm_create_local(1, NULL, &comm), "BANYAN_TIMEOUT_S");
  unsetenv("BANYAN_TIMEOUT_S");
  setenv("BANYAN_AGGREGATE_LIMIT", "12 apples", 1);
  CHECK_REJECTS(banyan_comm_create_local(1, NULL, &comm), "BANYAN_AGGREGATE_LIMIT");
  unsetenv("BANYAN_AGGREGATE_LIMIT");
  CHECK(comm == NULL);
}

int main(void) {
  test_threads(1, 0, NULL);
  test_threads(4, 0, NULL);
  test_threads(1, 1, NULL);
  test_threads(4, 1, NULL);
  test_threads(3, 1, "nosuchtransport");
  test_failing_callback();
  test_no_launcher();
  test_wrong_environment();
  return check_summary();
}
