/* SPDX-License-Identifier: Apache-2.0 */
/** Device groups that cannot be made on one rank, ranks that disagree, and exchanges that end without a peer: every
 * rank gets a status and a text that names rank and cause, the communicator goes on, and nothing is left mapped. */
#define _POSIX_C_SOURCE 200809L
#include "device_ranks.h"

typedef struct fault {
  const char* operation; /* "map:1" */
  const char* text;
} fault;

static void check_group_works(rank_context* self) {
  const scratch memory = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  check_exchange(self, group, memory.memory);
  CHECK_OK(banyan_device_group_free(group));
  free_scratch(memory);
}

/** The error that all ranks have, each in its words: the failing rank the cause, the others with the rank's name. */
static void check_failure(rank_context* self, banyan_status status, banyan_status expected, int failing,
                          const char* cause) {
  char name[32];
  snprintf(name, sizeof name, "rank %d: ", failing);
  CHECK_FAILS(status, expected, cause);
  if (self->rank != failing) {
    CHECK_FAILS(status, expected, name);
  }
}

static void create_fails_body(rank_context* self) {
  const fault* expected = self->shared;
  const banyan_device_group_options options = host_options();
  banyan_device_group* group = NULL;
  check_failure(self, banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_NOT_SUPPORTED, 1,
                expected->text);
  CHECK(group == NULL);
  CHECK_OK(banyan_comm_barrier(self->comm)); /* the communicator is as it was */
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void alloc_fails_body(rank_context* self) {
  const fault* expected = self->shared;
  banyan_device_group* group = make_group(self);
  void* memory = NULL;
  check_failure(self, banyan_device_alloc(group, 4096, &memory), BANYAN_ERR_NOT_SUPPORTED, 1, expected->text);
  CHECK_FAILS(banyan_device_alloc(group, 4096, &memory), BANYAN_ERR_LIMIT, "no more windows");
  CHECK(memory == NULL);
  CHECK_OK(banyan_device_alltoall(group, NULL, NULL, 0, 1, stream_of(self->rank)));
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void tokens_fail_body(rank_context* self) {
  const fault* expected = self->shared;
  const int rank_of_expert[] = {1, 0};
  banyan_device_group* group = make_group(self);
  banyan_device_tokens_options options = BANYAN_DEVICE_TOKENS_OPTIONS_INIT;
  banyan_device_tokens* tokens = NULL;
  options.max_tokens = 4;
  options.top_k = 1;
  options.num_experts = 2;
  options.rank_of_expert = rank_of_expert;
  options.row_bytes = 64;
  check_failure(self, banyan_device_tokens_create(group, &options, &tokens), BANYAN_ERR_NOT_SUPPORTED, 1,
                expected->text);
  CHECK(tokens == NULL);
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void run_fault(const char* operation, const char* text, void (*body)(rank_context*)) {
  fault expected;
  expected.operation = operation;
  expected.text = text;
  CHECK(setenv("FAKE_DEVICE_FAULT", operation, 1) == 0);
  run_ranks(3, NULL, body, &expected);
  CHECK(unsetenv("FAKE_DEVICE_FAULT") == 0);
  CHECK(count_mappings() == 0);
}

static void no_driver_body(rank_context* self) {
  const banyan_device_group_options options = host_options();
  banyan_device_group* group = NULL;
  CHECK_FAILS(banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_NOT_SUPPORTED,
              "there is no driver on this machine");
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 1's terms are wrong, or not those of the others. */
static void unequal_body(rank_context* self) {
  banyan_device_group_options options = host_options();
  banyan_device_group* group = NULL;
  const int odd = self->rank == 1;
  check_failure(self, banyan_device_group_create(self->comm, odd ? 99 : self->rank, &options, &group),
                BANYAN_ERR_INVALID_ARGUMENT, 1, "device is 99");
  options.eager_bytes = odd ? 1024 : 512;
  CHECK_FAILS(banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_MISMATCH,
              "eager_bytes is \"512\" on rank 0 and \"1024\" on rank 1");
  options = host_options();
  options.timeout_s = odd ? 21 : 20;
  CHECK_FAILS(banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_MISMATCH, "timeout_s");
  options = host_options();
  options.max_blocks = odd;
  CHECK_FAILS(banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_MISMATCH, "max_blocks");
  options = host_options();
  options.timeout_s = odd ? -1 : 20;
  check_failure(self, banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_INVALID_ARGUMENT,
                1, "options.timeout_s");
  options = host_options();
  options.struct_size = odd ? 3 : sizeof options;
  check_failure(self, banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_INVALID_ARGUMENT,
                1, "struct_size is 3");
  options = host_options();
  options.plugin = odd ? "nosuch" : "host";
  check_failure(self, banyan_device_group_create(self->comm, self->rank, &options, &group), BANYAN_ERR_NOT_FOUND, 1,
                "libbanyan_device_nosuch.so");
  CHECK(group == NULL);
  check_group_works(self);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void memory_body(rank_context* self) {
  banyan_device_group* group = make_group(self);
  void* first = NULL;
  void* second = NULL;
  const int odd = self->rank == 1;
  check_failure(self, banyan_device_alloc(group, odd ? 0 : 64, &first), BANYAN_ERR_INVALID_ARGUMENT, 1, "size is 0");
  CHECK_OK(banyan_device_alloc(group, 64, &first));
  CHECK_OK(banyan_device_alloc(group, odd ? 4096 : 128, &second));
  CHECK_FAILS(banyan_device_free(group, odd ? first : second), BANYAN_ERR_MISMATCH, "rank 1 number 0");
  check_failure(self, banyan_device_free(group, odd ? (char*)first + 1 : first), BANYAN_ERR_INVALID_ARGUMENT, 1,
                "memory is not what banyan_device_alloc of this group gave");
  CHECK_OK(banyan_device_free(group, NULL));
  CHECK_OK(banyan_device_free(group, first));
  CHECK_REJECTS(banyan_device_free(group, first), "memory is not");
  CHECK_OK(banyan_device_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank 1 does not take part in the second exchange. */
static void late_peer_body(rank_context* self) {
  const scratch memory = make_scratch(self->rank);
  banyan_device_group_options options = host_options();
  banyan_device_group* group = NULL;
  char* const from = memory.memory;
  options.timeout_s = 2;
  CHECK_OK(banyan_device_group_create(self->comm, self->rank, &options, &group));
  CHECK_OK(banyan_comm_barrier(self->comm));
  CHECK_OK(banyan_device_alltoall(group, from, from + 512, 1, 1, NULL));
  if (self->rank == 0) {
    CHECK_OK(banyan_device_alltoall(group, from, from + 512, 1, 1, NULL)); /* enqueued; it fails later */
    CHECK_FAILS(banyan_device_group_check(group), BANYAN_ERR_TIMEOUT,
                "rank 0: call 2 of the device group ended: rank 1 was not heard from within 2 s");
    CHECK_FAILS(banyan_device_group_check(group), BANYAN_ERR_TIMEOUT, "Free the group on all ranks and make a new one");
    CHECK_FAILS(banyan_device_alltoall(group, from, from + 512, 1, 1, NULL), BANYAN_ERR_TIMEOUT, "call 2");
  } else {
    CHECK_OK(banyan_device_group_check(group));
  }
  CHECK_OK(banyan_device_group_free(group));
  check_group_works(self); /* on the same communicator */
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(memory);
}

static void abort_body(rank_context* self) {
  const scratch memory = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  char* const from = memory.memory;
  if (self->rank == 0) {
    CHECK_OK(banyan_device_group_abort(group));
    CHECK_OK(banyan_device_alltoall(group, from, from + 512, 1, 1, NULL));
    CHECK_FAILS(banyan_device_group_check(group), BANYAN_ERR_ABORTED,
                "rank 1 was waited for when the group was aborted");
  }
  CHECK_OK(banyan_device_group_free(group));
  check_group_works(self);
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(memory);
}

/** Rank 0's own two counts differ: the communicator ends, on all ranks, and with it the group. */
static void mismatch_body(rank_context* self) {
  const size_t sendcounts[2] = {1, 1}, recvcounts[2] = {2, 1}, displs[2] = {0, 2};
  const scratch memory = make_scratch(self->rank);
  banyan_device_group* group = make_group(self);
  char* const from = memory.memory;
  const int rank_of_expert[2] = {0, 1};
  banyan_device_tokens_options options = BANYAN_DEVICE_TOKENS_OPTIONS_INIT;
  banyan_device_tokens* tokens = NULL;
  banyan_status status = BANYAN_OK;
  int ranks[2];
  options.max_tokens = 4;
  options.top_k = 1;
  options.num_experts = 2;
  options.rank_of_expert = rank_of_expert;
  options.row_bytes = 16;
  CHECK_OK(banyan_device_tokens_create(group, &options, &tokens));
  CHECK_OK(banyan_device_alltoall(group, from, from + 512, 1, 1, NULL));
  CHECK_OK(banyan_comm_allgather(self->comm, &self->rank, ranks, sizeof(int)));
  if (self->rank == 0) {
    CHECK_FAILS(banyan_device_alltoallv(group, from, sendcounts, displs, from, sendcounts, displs, 1, NULL),
                BANYAN_ERR_NOT_SUPPORTED, "in place");
    CHECK_FAILS(banyan_device_alltoallv(group, from, sendcounts, displs, from + 512, recvcounts, displs, 1, NULL),
                BANYAN_ERR_MISMATCH, "rank 0 sends itself 1 elements and receives 2");
  }
  while (status == BANYAN_OK) {
    status = banyan_device_group_check(group);
  }
  CHECK_FAILS(status, BANYAN_ERR_MISMATCH, "rank 0 sends itself 1 elements and receives 2");
  CHECK_FAILS(banyan_device_alltoall(group, from, from + 512, 1, 1, NULL), BANYAN_ERR_MISMATCH, "rank 0 sends itself");
  CHECK_FAILS(banyan_device_group_free(group), BANYAN_ERR_BUSY, "1 token exchanges");
  CHECK_OK(banyan_device_tokens_free(tokens));
  CHECK_OK(banyan_device_group_free(group)); /* keeps what peers may still write to */
  CHECK_OK(banyan_comm_destroy(self->comm));
  free_scratch(memory);
}

int main(void) {
  static const char* const creation[] = {"open", "window", "export", "map", "group"};
  char operation[32], text[64];
  size_t i;
  for (i = 0; i < sizeof creation / sizeof creation[0]; ++i) {
    snprintf(operation, sizeof operation, "%s:1", creation[i]);
    snprintf(text, sizeof text, "device 1 refuses %s", creation[i]);
    run_fault(operation, text, create_fails_body);
  }
  run_fault("add_window:1", "device 1 refuses add_window", alloc_fails_body);
  run_fault("tokens:1", "device 1 refuses tokens", tokens_fail_body);
  CHECK(setenv("FAKE_DEVICE_COUNT", "0", 1) == 0);
  run_ranks(2, NULL, no_driver_body, NULL);
  CHECK(unsetenv("FAKE_DEVICE_COUNT") == 0);
  run_ranks(3, NULL, unequal_body, NULL);
  run_ranks(2, NULL, memory_body, NULL);
  run_ranks(2, NULL, late_peer_body, NULL);
  run_ranks(2, NULL, abort_body, NULL);
  CHECK(count_mappings() == 0);
  run_ranks(2, NULL, mismatch_body, NULL);
  CHECK(count_mappings() == 4); /* an inbox and an area of each rank */
  return check_summary();
}
