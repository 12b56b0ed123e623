/* SPDX-License-Identifier: Apache-2.0 */
/** Every function with NULL and bad arguments: the status is right, the text names the argument, outputs stay. */
#include <stdint.h>

#include "check.h"

static int count_calls(const void* sendbuf, void* recvbuf, size_t size, void* context) {
  ++*(int*)context;
  memcpy(recvbuf, sendbuf, size);
  return 0;
}

static void test_status_functions(void) {
  int status;
  CHECK(strcmp(banyan_status_name(BANYAN_OK), "BANYAN_OK") == 0);
  for (status = 0; status <= BANYAN_ERR_INTERNAL; ++status) {
    const char* name = banyan_status_name((banyan_status)status);
    CHECK(strncmp(name, "BANYAN_", 7) == 0);
    CHECK(status == 0 || strcmp(name, banyan_status_name((banyan_status)(status - 1))) != 0);
  }
  CHECK(banyan_status_name((banyan_status)9999) != NULL);
  CHECK(banyan_last_error() != NULL && *banyan_last_error() == '\0');
  banyan_string_free(NULL);
}

static void test_version(void) {
  int major = -1, minor = -1, patch = -1;
  char line[64];
  banyan_version(&major, &minor, &patch);
  CHECK(major == BANYAN_VERSION_MAJOR && minor == BANYAN_VERSION_MINOR && patch == BANYAN_VERSION_PATCH);
  banyan_version(NULL, NULL, NULL);
  snprintf(line, sizeof line, "version: %d.%d.%d\n", major, minor, patch);
  CHECK(strncmp(banyan_build_info(), line, strlen(line)) == 0);
}

static void test_free_functions(void) {
  banyan_topology_free(NULL);
  banyan_profile_free(NULL);
  banyan_plan_free(NULL);
  CHECK_OK(banyan_request_free(NULL));
  CHECK_OK(banyan_comm_destroy(NULL));
}

static void test_topology(void) {
  banyan_topology* topology = NULL;
  char* text = NULL;
  int number = -1;
  CHECK_REJECTS(banyan_topology_discover(NULL), "topology");
  CHECK_REJECTS(banyan_topology_load(NULL, &topology), "path");
  CHECK_REJECTS(banyan_topology_load("/dev/null", NULL), "topology");
  CHECK_REJECTS(banyan_topology_synthetic(NULL, &topology), "description");
  CHECK_REJECTS(banyan_topology_synthetic("2:[2,2]", NULL), "topology");
  CHECK_REJECTS(banyan_topology_export(NULL, BANYAN_FORMAT_TEXT, &text), "topology");
  CHECK_REJECTS(banyan_topology_check(NULL), "topology");
  CHECK_REJECTS(banyan_topology_counts(NULL, &number, &number), "topology");
  CHECK_REJECTS(banyan_topology_host_of(NULL, 0, &number), "topology");
  CHECK(topology == NULL && text == NULL && number == -1);
  CHECK_OK(banyan_topology_synthetic("2:[2,2]", &topology));
  CHECK_REJECTS(banyan_topology_export(topology, BANYAN_FORMAT_TEXT, NULL), "text");
  CHECK_FAILS(banyan_topology_export(topology, BANYAN_FORMAT_IR, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT");
  CHECK_REJECTS(banyan_topology_host_of(topology, 0, NULL), "host");
  CHECK_REJECTS(banyan_topology_host_of(topology, -1, &number), "rank -1");
  CHECK_REJECTS(banyan_topology_host_of(topology, 4, &number), "rank 4");
  CHECK(text == NULL && number == -1);
  banyan_topology_free(topology);
}

static void test_profile(void) {
  banyan_profile* profile = NULL;
  char* text = NULL;
  CHECK_REJECTS(banyan_profile_measure(NULL, NULL, &profile), "comm");
  CHECK_REJECTS(banyan_profile_load(NULL, &profile), "path");
  CHECK_REJECTS(banyan_profile_load("/dev/null", NULL), "profile");
  CHECK_REJECTS(banyan_profile_export(NULL, BANYAN_FORMAT_TEXT, &text), "profile");
  CHECK(profile == NULL && text == NULL);
}

static void test_plan(void) {
  banyan_plan_config config = BANYAN_PLAN_CONFIG_INIT;
  banyan_plan_info info;
  banyan_topology* topology = NULL;
  banyan_plan* plan = NULL;
  char* text = NULL;
  CHECK_REJECTS(banyan_plan_create(NULL, &plan), "config");
  CHECK_REJECTS(banyan_plan_create(&config, NULL), "plan");
  CHECK_REJECTS(banyan_plan_create(&config, &plan), "topology");
  CHECK_REJECTS(banyan_plan_from_comm(NULL, 8, NULL, NULL, &plan), "comm");
  CHECK_REJECTS(banyan_plan_get_info(NULL, &info), "plan");
  CHECK_REJECTS(banyan_plan_export(NULL, BANYAN_FORMAT_TEXT, &text), "plan");
  CHECK_OK(banyan_topology_synthetic("2:[2,2]", &topology));
  config.topology = topology;
  config.bytes_per_pair = 64;
  config.algorithm = "no such algorithm";
  CHECK_FAILS(banyan_plan_create(&config, &plan), BANYAN_ERR_NOT_FOUND, "no such algorithm");
  config.algorithm = NULL;
  config.struct_size = sizeof config + 1;
  CHECK_REJECTS(banyan_plan_create(&config, &plan), "struct_size");
  config.struct_size = 0;
  CHECK_REJECTS(banyan_plan_create(&config, &plan), "struct_size");
  config.struct_size = sizeof config;
  config.bytes_per_pair = SIZE_MAX / 4;
  CHECK_FAILS(banyan_plan_create(&config, &plan), BANYAN_ERR_LIMIT, "bytes_per_pair");
  CHECK(plan == NULL && text == NULL);
  config.bytes_per_pair = 64;
  CHECK_OK(banyan_plan_create(&config, &plan));
  CHECK_REJECTS(banyan_plan_get_info(plan, NULL), "info");
  info.struct_size = 0;
  CHECK_REJECTS(banyan_plan_get_info(plan, &info), "struct_size");
  CHECK_REJECTS(banyan_plan_export(plan, BANYAN_FORMAT_TEXT, NULL), "text");
  CHECK_FAILS(banyan_plan_export(plan, BANYAN_FORMAT_SVG, &text), BANYAN_ERR_NOT_SUPPORTED, "IR");
  CHECK(text == NULL);
  banyan_plan_free(plan);
  banyan_topology_free(topology);
}

static void test_info(void) {
  char* text = NULL;
  CHECK_REJECTS(banyan_environment_export(BANYAN_FORMAT_TEXT, NULL), "text");
  CHECK_REJECTS(banyan_transports_export(BANYAN_FORMAT_TEXT, NULL), "text");
  CHECK_FAILS(banyan_environment_export(BANYAN_FORMAT_SVG, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT or JSON");
  CHECK_FAILS(banyan_transports_export(BANYAN_FORMAT_IR, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT or JSON");
  CHECK(text == NULL);
}

static void test_comm_creation(void) {
  banyan_comm* comm = NULL;
  banyan_unique_id id;
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  int calls = 0;
  memset(&id, 0, sizeof id);
  CHECK_REJECTS(banyan_unique_id_create(NULL, NULL), "id");
  CHECK_REJECTS(banyan_comm_create_from_id(NULL, 0, 1, NULL, &comm), "id");
  CHECK_REJECTS(banyan_comm_create_from_id(&id, 0, 1, NULL, NULL), "comm");
  CHECK_REJECTS(banyan_comm_create_from_id(&id, 0, 2, NULL, &comm), "id");
  CHECK_REJECTS(banyan_comm_create(0, 1, NULL, NULL, NULL, &comm), "allgather");
  CHECK_REJECTS(banyan_comm_create(0, 1, count_calls, &calls, NULL, NULL), "comm");
  CHECK_REJECTS(banyan_comm_create(1, 1, count_calls, &calls, NULL, &comm), "rank");
  CHECK_REJECTS(banyan_comm_create(-1, 1, count_calls, &calls, NULL, &comm), "rank");
  CHECK_REJECTS(banyan_comm_create(0, 0, count_calls, &calls, NULL, &comm), "size");
  CHECK_REJECTS(banyan_comm_create_from_environment(NULL, NULL), "comm");
  CHECK_REJECTS(banyan_comm_create_local(1, NULL, NULL), "comms");
  CHECK_REJECTS(banyan_comm_create_local(0, NULL, &comm), "size");
  CHECK_REJECTS(banyan_comm_create_local(-3, NULL, &comm), "size");
  config.timeout_s = -1;
  CHECK_REJECTS(banyan_comm_create_local(1, &config, &comm), "timeout_s");
  config.timeout_s = 0;
  config.struct_size = sizeof config + 8;
  CHECK_REJECTS(banyan_comm_create_local(1, &config, &comm), "struct_size");
  config.struct_size = 0;
  CHECK_REJECTS(banyan_comm_create_local(1, &config, &comm), "struct_size");
  CHECK(comm == NULL && calls == 0);
}

static void test_comm_handle(void) {
  const banyan_topology* topology = NULL;
  const banyan_profile* profile = NULL;
  banyan_comm* split = NULL;
  int number = -1;
  char byte = 0;
  CHECK_REJECTS(banyan_comm_split(NULL, 0, 0, &split), "comm");
  CHECK_REJECTS(banyan_comm_rank(NULL, &number), "comm");
  CHECK_REJECTS(banyan_comm_size(NULL, &number), "comm");
  CHECK_REJECTS(banyan_comm_topology(NULL, &topology), "comm");
  CHECK_REJECTS(banyan_comm_profile(NULL, &profile), "comm");
  CHECK_REJECTS(banyan_comm_set_profile(NULL, NULL), "comm");
  CHECK_REJECTS(banyan_comm_barrier(NULL), "comm");
  CHECK_REJECTS(banyan_comm_allgather(NULL, &byte, &byte, 1), "comm");
  CHECK_REJECTS(banyan_comm_abort(NULL, "why"), "comm");
  CHECK(split == NULL && number == -1 && topology == NULL && profile == NULL);
}

static void test_comm_outputs(banyan_comm* comm) {
  char bytes[2] = {0, 0};
  CHECK_REJECTS(banyan_comm_split(comm, 0, 0, NULL), "split");
  CHECK_REJECTS(banyan_comm_rank(comm, NULL), "rank");
  CHECK_REJECTS(banyan_comm_size(comm, NULL), "size");
  CHECK_REJECTS(banyan_comm_topology(comm, NULL), "topology");
  CHECK_REJECTS(banyan_comm_profile(comm, NULL), "profile");
  CHECK_REJECTS(banyan_comm_allgather(comm, NULL, bytes, 1), "sendbuf");
  CHECK_REJECTS(banyan_comm_allgather(comm, bytes, NULL, 1), "recvbuf");
  CHECK_REJECTS(banyan_profile_measure(comm, NULL, NULL), "profile");
  CHECK_REJECTS(banyan_plan_from_comm(comm, 8, NULL, NULL, NULL), "plan");
}

static void test_alltoall(banyan_comm* comm) {
  int in[4] = {1, 2, 3, 4}, out[4] = {0, 0, 0, 0};
  banyan_alltoall_options options = BANYAN_ALLTOALL_OPTIONS_INIT;
  banyan_request* request = NULL;
  CHECK_REJECTS(banyan_alltoall(NULL, in, out, 4, sizeof(int), NULL), "comm");
  CHECK_REJECTS(banyan_alltoall(comm, NULL, out, 4, sizeof(int), NULL), "sendbuf");
  CHECK_REJECTS(banyan_alltoall(comm, in, NULL, 4, sizeof(int), NULL), "recvbuf");
  CHECK_REJECTS(banyan_alltoall(comm, in, out, 4, 0, NULL), "element_size");
  CHECK_FAILS(banyan_alltoall(comm, in, out, SIZE_MAX / 2, 4, NULL), BANYAN_ERR_LIMIT, "count");
  CHECK_FAILS(banyan_alltoall(comm, in, in, 4, sizeof(int), NULL), BANYAN_ERR_NOT_SUPPORTED, "in-place");
  options.struct_size = sizeof options + 1;
  CHECK_REJECTS(banyan_alltoall(comm, in, out, 4, sizeof(int), &options), "struct_size");
  options.struct_size = sizeof options;
  options.timeout_s = -2;
  CHECK_REJECTS(banyan_alltoall(comm, in, out, 4, sizeof(int), &options), "timeout_s");
  options.timeout_s = 0;
  options.algorithm = "no such algorithm";
  CHECK_FAILS(banyan_alltoall(comm, in, out, 4, sizeof(int), &options), BANYAN_ERR_NOT_FOUND, "no such algorithm");
  CHECK_REJECTS(banyan_alltoall_init(NULL, in, out, 4, sizeof(int), NULL, &request), "comm");
  CHECK_REJECTS(banyan_alltoall_init(comm, in, out, 4, sizeof(int), NULL, NULL), "request");
  CHECK_REJECTS(banyan_alltoall_init(comm, NULL, out, 4, sizeof(int), NULL, &request), "sendbuf");
  CHECK_REJECTS(banyan_request_start(NULL), "request");
  CHECK_REJECTS(banyan_request_test(NULL), "request");
  CHECK_REJECTS(banyan_request_wait(NULL), "request");
  CHECK(request == NULL && out[0] == 0);
}

static void test_alltoallv(banyan_comm* comm) {
  int in[4] = {1, 2, 3, 4}, out[4] = {0, 0, 0, 0};
  size_t count = 4, displ = 0, none = 0, huge = SIZE_MAX / 2;
  const size_t i = sizeof(int);
  banyan_request* request = NULL;
  CHECK_REJECTS(banyan_alltoallv(NULL, in, &count, &displ, out, &count, &displ, i, NULL), "comm");
  CHECK_REJECTS(banyan_alltoallv(comm, NULL, &count, &displ, out, &count, &displ, i, NULL), "sendbuf");
  CHECK_REJECTS(banyan_alltoallv(comm, in, NULL, &displ, out, &count, &displ, i, NULL), "sendcounts");
  CHECK_REJECTS(banyan_alltoallv(comm, in, &count, NULL, out, &count, &displ, i, NULL), "sdispls");
  CHECK_REJECTS(banyan_alltoallv(comm, in, &count, &displ, NULL, &count, &displ, i, NULL), "recvbuf");
  CHECK_REJECTS(banyan_alltoallv(comm, in, &count, &displ, out, NULL, &displ, i, NULL), "recvcounts");
  CHECK_REJECTS(banyan_alltoallv(comm, in, &count, &displ, out, &count, NULL, i, NULL), "rdispls");
  CHECK_REJECTS(banyan_alltoallv(comm, in, &count, &displ, out, &count, &displ, 0, NULL), "element_size");
  CHECK_FAILS(banyan_alltoallv(comm, in, &huge, &displ, out, &huge, &displ, i, NULL), BANYAN_ERR_LIMIT, "sendcounts");
  CHECK_FAILS(banyan_alltoallv(comm, in, &count, &huge, out, &count, &displ, i, NULL), BANYAN_ERR_LIMIT, "sdispls");
  CHECK_FAILS(banyan_alltoallv(comm, in, &count, &displ, out, &none, &displ, i, NULL), BANYAN_ERR_MISMATCH, "rank 0");
  CHECK_REJECTS(banyan_alltoallv_init(NULL, in, &count, &displ, out, &count, &displ, i, NULL, &request), "comm");
  CHECK_REJECTS(banyan_alltoallv_init(comm, in, &count, &displ, out, &count, &displ, i, NULL, NULL), "request");
  CHECK_REJECTS(banyan_alltoallv_init(comm, in, NULL, &displ, out, &count, &displ, i, NULL, &request), "sendcounts");
  CHECK(request == NULL && out[0] == 0);
}

static void test_stats(banyan_comm* comm) {
  banyan_comm_stats stats;
  memset(&stats, 0xff, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_REJECTS(banyan_comm_get_stats(NULL, &stats), "comm");
  CHECK_REJECTS(banyan_comm_get_stats(comm, NULL), "stats");
  CHECK(stats.operations == UINT64_MAX);
  stats.struct_size = 1;
  CHECK_REJECTS(banyan_comm_get_stats(comm, &stats), "struct_size");
  stats.struct_size = 2 * sizeof(size_t);
  CHECK_OK(banyan_comm_get_stats(comm, &stats));
  CHECK(stats.operations == 0 && stats.messages_sent == UINT64_MAX);
}

int main(void) {
  banyan_comm* comm = NULL;
  test_status_functions();
  test_version();
  test_free_functions();
  test_topology();
  test_profile();
  test_plan();
  test_info();
  test_comm_creation();
  test_comm_handle();
  CHECK_OK(banyan_comm_create_local(1, NULL, &comm));
  test_comm_outputs(comm);
  test_alltoall(comm);
  test_alltoallv(comm);
  test_stats(comm);
  CHECK_OK(banyan_comm_destroy(comm));
  return check_summary();
}
