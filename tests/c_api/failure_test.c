/* SPDX-License-Identifier: Apache-2.0 */
/** Ranks that disagree, stop or never come: each survivor gets a status and a text that names the cause. */
#include <stdint.h>

#include "ranks.h"

static banyan_comm_config short_deadlines(void) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.timeout_s = 10;
  config.bootstrap_timeout_s = 10;
  return config;
}

static int is_one_of(banyan_status status, banyan_status a, banyan_status b) { return status == a || status == b; }

/** Rank 1 exchanges 16 elements, the others 8. */
static void mismatched_count_body(rank_context* self) {
  char sendbuf[16 * MAX_RANKS] = {0}, recvbuf[16 * MAX_RANKS];
  const size_t count = self->rank == 1 ? 16 : 8;
  const banyan_status status = banyan_alltoall(self->comm, sendbuf, recvbuf, count, 1, NULL);
  CHECK(status == BANYAN_ERR_MISMATCH);
  CHECK(strstr(banyan_last_error(), "rank 1 has bytes per pair 16") != NULL);
  CHECK(banyan_alltoall(self->comm, sendbuf, recvbuf, 8, 1, NULL) != BANYAN_OK);
  CHECK(banyan_comm_barrier(self->comm) != BANYAN_OK);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 0 sends rank 2 more than rank 2 expects. Rank 2 sees it at once, the others at the latest in their next call.
 */
static void mismatched_v_body(rank_context* self) {
  char sendbuf[64 * MAX_RANKS] = {0}, recvbuf[64 * MAX_RANKS];
  size_t sendcounts[MAX_RANKS], recvcounts[MAX_RANKS], displs[MAX_RANKS];
  int peer;
  for (peer = 0; peer < self->size; ++peer) {
    sendcounts[peer] = self->rank == 0 && peer == 2 ? 24 : 16;
    recvcounts[peer] = 16;
    displs[peer] = 64 * (size_t)peer;
  }
  banyan_status status =
      banyan_alltoallv(self->comm, sendbuf, sendcounts, displs, recvbuf, recvcounts, displs, 1, NULL);
  CHECK(self->rank != 2 || status == BANYAN_ERR_MISMATCH);
  if (status == BANYAN_OK) {
    status = banyan_comm_barrier(self->comm);
  }
  CHECK(status == BANYAN_ERR_MISMATCH);
  CHECK(strstr(banyan_last_error(), "rank 0") != NULL && strstr(banyan_last_error(), "rank 2") != NULL);
  CHECK(strstr(banyan_last_error(), "24") != NULL && strstr(banyan_last_error(), "16") != NULL);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 0 exchanges while the others wait in a barrier. */
static void different_operation_body(rank_context* self) {
  char sendbuf[MAX_RANKS] = {0}, recvbuf[MAX_RANKS];
  banyan_status status;
  if (self->rank == 0) {
    status = banyan_alltoall(self->comm, sendbuf, recvbuf, 1, 1, NULL);
  } else {
    status = banyan_comm_barrier(self->comm);
  }
  CHECK(is_one_of(status, BANYAN_ERR_MISMATCH, BANYAN_ERR_ABORTED));
  CHECK(strstr(banyan_last_error(), "rank") != NULL);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void abort_body(rank_context* self) {
  char sendbuf[MAX_RANKS] = {0}, recvbuf[MAX_RANKS];
  if (self->rank == 1) {
    CHECK_OK(banyan_comm_abort(self->comm, "the gate overflowed"));
    CHECK_OK(banyan_comm_abort(self->comm, "a later reason"));
  }
  CHECK_FAILS(banyan_alltoall(self->comm, sendbuf, recvbuf, 1, 1, NULL), BANYAN_ERR_ABORTED, "the gate overflowed");
  CHECK_FAILS(banyan_comm_barrier(self->comm), BANYAN_ERR_ABORTED, "rank 1");
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 2 is not there: it leaves before the exchange. */
static void absent_rank_body(rank_context* self) {
  char sendbuf[MAX_RANKS] = {0}, recvbuf[MAX_RANKS];
  if (self->rank == 2) {
    (void)banyan_comm_destroy(self->comm);
    return;
  }
  CHECK(banyan_alltoall(self->comm, sendbuf, recvbuf, 1, 1, NULL) != BANYAN_OK);
  CHECK(strstr(banyan_last_error(), "2") != NULL);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

typedef struct start_count {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int started;
} start_count;

/** A request of a communicator that failed can be freed: started or not, waited for or not. Rank 0 aborts once the
    others have started; the news may take a while. */
static void request_after_abort_body(rank_context* self) {
  char sendbuf[MAX_RANKS] = {0}, recvbuf[MAX_RANKS];
  start_count* count = self->shared;
  banyan_request* request = NULL;
  CHECK_OK(banyan_alltoall_init(self->comm, sendbuf, recvbuf, 1, 1, NULL, &request));
  if (self->rank != 0) {
    CHECK_OK(banyan_request_start(request));
  }
  pthread_mutex_lock(&count->lock);
  ++count->started;
  pthread_cond_broadcast(&count->changed);
  while (count->started < self->size) {
    pthread_cond_wait(&count->changed, &count->lock);
  }
  pthread_mutex_unlock(&count->lock);
  if (self->rank == 0) {
    CHECK_OK(banyan_comm_abort(self->comm, "enough"));
    CHECK_FAILS(banyan_request_start(request), BANYAN_ERR_ABORTED, "enough");
  } else if (self->rank == 1) {
    CHECK_FAILS(banyan_request_wait(request), BANYAN_ERR_ABORTED, "enough");
  }
  banyan_status status = BANYAN_OK;
  do {
    status = banyan_request_free(request);
  } while (self->rank == 2 && status == BANYAN_ERR_BUSY);
  CHECK_OK(status);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void test_rank_that_never_comes(void) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  banyan_unique_id id;
  banyan_comm* comm = NULL;
  config.bootstrap_timeout_s = 0.5;
  config.interface_name = "lo";
  CHECK_OK(banyan_unique_id_create(&config, &id));
  CHECK_FAILS(banyan_comm_create_from_id(&id, 0, 2, &config, &comm), BANYAN_ERR_TIMEOUT, "1");
  CHECK(comm == NULL);
}

static void test_missing_names(void) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  banyan_comm* comm = NULL;
  config.transports = "shm,,ucx";
  CHECK_REJECTS(banyan_comm_create_local(1, &config, &comm), "shm,,ucx");
  config.transports = NULL;
  config.topology_file = "/nonexistent/topology.json";
  CHECK_FAILS(banyan_comm_create_local(1, &config, &comm), BANYAN_ERR_NOT_FOUND, "/nonexistent/topology.json");
  config.topology_file = NULL;
  config.profile_file = "/nonexistent/profile.json";
  CHECK_FAILS(banyan_comm_create_local(1, &config, &comm), BANYAN_ERR_NOT_FOUND, "/nonexistent/profile.json");
  config.profile_file = NULL;
  config.tuning_file = "/nonexistent/tuning.json";
  CHECK_FAILS(banyan_comm_create_local(1, &config, &comm), BANYAN_ERR_NOT_FOUND, "/nonexistent/tuning.json");
  CHECK(comm == NULL);
}

int main(void) {
  const banyan_comm_config config = short_deadlines();
  start_count count = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  run_ranks(4, &config, mismatched_count_body, NULL);
  run_ranks(4, &config, mismatched_v_body, NULL);
  run_ranks(3, &config, different_operation_body, NULL);
  run_ranks(4, &config, abort_body, NULL);
  run_ranks(4, &config, absent_rank_body, NULL);
  run_ranks(3, &config, request_after_abort_body, &count);
  test_rank_that_never_comes();
  test_missing_names();
  return check_summary();
}
