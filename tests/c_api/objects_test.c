/* SPDX-License-Identifier: Apache-2.0 */
/** Topologies, profiles and plans as objects: made, exported, read back, refused where they are wrong. */
#include <stdint.h>

#include "ranks.h"

extern int mkstemp(char* pattern);
extern int close(int fd);
extern int unlink(const char* path);
extern int setenv(const char* name, const char* value, int overwrite);
extern int unsetenv(const char* name);

/** Writes `text` to a new file whose name ends up in `path`. */
static void write_file(char* path, const char* text) {
  FILE* file;
  int fd;
  strcpy(path, "/tmp/banyan_objects_XXXXXX");
  fd = mkstemp(path);
  file = fopen(path, "w");
  if (fd < 0 || file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
    fprintf(stderr, "cannot write %s\n", path);
    exit(1);
  }
  close(fd);
}

static char* export_topology(const banyan_topology* topology, banyan_format format) {
  char* text = NULL;
  CHECK_OK(banyan_topology_export(topology, format, &text));
  return text;
}

static void test_synthetic_topology(void) {
  banyan_topology *topology = NULL, *again = NULL;
  int ranks = -1, hosts = -1, host = -1;
  char path[64];
  char *json, *second, *text, *svg, *matrix;
  CHECK_OK(banyan_topology_synthetic("2:[8,7] nic=10gbit", &topology));
  CHECK_OK(banyan_topology_check(topology));
  CHECK_OK(banyan_topology_counts(topology, &ranks, &hosts));
  CHECK(ranks == 15 && hosts == 2);
  CHECK_OK(banyan_topology_counts(topology, NULL, NULL));
  CHECK_OK(banyan_topology_host_of(topology, 7, &host));
  CHECK(host == 0);
  CHECK_OK(banyan_topology_host_of(topology, 8, &host));
  CHECK(host == 1);
  json = export_topology(topology, BANYAN_FORMAT_JSON);
  write_file(path, json);
  CHECK_OK(banyan_topology_load(path, &again));
  unlink(path);
  second = export_topology(again, BANYAN_FORMAT_JSON);
  CHECK(strcmp(json, second) == 0);
  text = export_topology(topology, BANYAN_FORMAT_TEXT);
  svg = export_topology(topology, BANYAN_FORMAT_SVG);
  matrix = export_topology(topology, BANYAN_FORMAT_MATRIX);
  CHECK(*text != '\0' && strstr(svg, "<svg") != NULL && *matrix != '\0');
  banyan_string_free(json);
  banyan_string_free(second);
  banyan_string_free(text);
  banyan_string_free(svg);
  banyan_string_free(matrix);
  banyan_topology_free(topology);
  banyan_topology_free(again);
}

static void test_this_host(void) {
  banyan_topology* topology = NULL;
  int ranks = -1, hosts = -1;
  CHECK_OK(banyan_topology_discover(&topology));
  CHECK_OK(banyan_topology_check(topology));
  CHECK_OK(banyan_topology_counts(topology, &ranks, &hosts));
  CHECK(ranks == 1 && hosts == 1);
  banyan_topology_free(topology);
}

static void test_bad_files(void) {
  banyan_topology* topology = NULL;
  banyan_profile* profile = NULL;
  char path[64];
  CHECK_FAILS(banyan_topology_load("/nonexistent/t.json", &topology), BANYAN_ERR_NOT_FOUND, "/nonexistent/t.json");
  CHECK_FAILS(banyan_profile_load("/nonexistent/p.json", &profile), BANYAN_ERR_NOT_FOUND, "/nonexistent/p.json");
  CHECK_FAILS(banyan_topology_load("/dev/zero", &topology), BANYAN_ERR_IO, "regular");
  CHECK_FAILS(banyan_profile_load("/dev/zero", &profile), BANYAN_ERR_IO, "regular");
  write_file(path, "{\n  \"format\": \"banyan-topology-1\",\n  \"hosts\": [");
  CHECK_FAILS(banyan_topology_load(path, &topology), BANYAN_ERR_FORMAT, ":3:");
  CHECK_FAILS(banyan_profile_load(path, &profile), BANYAN_ERR_FORMAT, ":3:");
  unlink(path);
  write_file(path, "");
  CHECK_FAILS(banyan_topology_load(path, &topology), BANYAN_ERR_FORMAT, path);
  CHECK_FAILS(banyan_profile_load(path, &profile), BANYAN_ERR_FORMAT, path);
  unlink(path);
  CHECK_FAILS(banyan_topology_synthetic("2:[8,", &topology), BANYAN_ERR_FORMAT, "2:[8,");
  CHECK_FAILS(banyan_topology_synthetic("", &topology), BANYAN_ERR_FORMAT, "");
  CHECK(topology == NULL && profile == NULL);
}

static void test_plan(void) {
  banyan_plan_config config = BANYAN_PLAN_CONFIG_INIT;
  banyan_plan_info info;
  banyan_topology* topology = NULL;
  banyan_plan* plan = NULL;
  uint64_t matrix[16];
  char* text = NULL;
  int cell;
  CHECK_OK(banyan_topology_synthetic("2:[2,2] nic=10gbit", &topology));
  config.topology = topology;
  config.bytes_per_pair = 4096;
  CHECK_OK(banyan_plan_create(&config, &plan));
  info.struct_size = sizeof info;
  CHECK_OK(banyan_plan_get_info(plan, &info));
  CHECK(info.struct_size == sizeof info && info.algorithm[0] != '\0' && info.measured == 0);
  CHECK(info.logical_bytes == 8 * 4096 && info.wire_bytes >= info.logical_bytes);
  CHECK(info.lower_bound_s > 0 && info.predicted_time_s >= info.lower_bound_s && info.num_messages > 0);
  CHECK_OK(banyan_plan_export(plan, BANYAN_FORMAT_TEXT, &text));
  CHECK(strstr(text, info.algorithm) != NULL);
  banyan_string_free(text);
  CHECK_OK(banyan_plan_export(plan, BANYAN_FORMAT_JSON, &text));
  CHECK(text[0] == '{');
  banyan_string_free(text);
  CHECK_OK(banyan_plan_export(plan, BANYAN_FORMAT_IR, &text));
  CHECK(strstr(text, "4") != NULL);
  banyan_string_free(text);
  banyan_plan_free(plan);
  for (cell = 0; cell < 16; ++cell) {
    matrix[cell] = cell == 2 ? 1000 : 0; /* rank 0 to rank 2 only */
  }
  config.bytes_per_pair = 0;
  config.matrix = matrix;
  config.algorithm = "direct";
  CHECK_OK(banyan_plan_create(&config, &plan));
  CHECK_OK(banyan_plan_get_info(plan, &info));
  CHECK(info.logical_bytes == 1000);
  banyan_plan_free(plan);
  banyan_topology_free(topology);
}

static void test_info(void) {
  char* text = NULL;
  setenv("BANYAN_TRANSPORT", "shm", 1);
  setenv("BANYAN_JOB_SECRET", "abcdef0123456789", 1);
  CHECK_OK(banyan_environment_export(BANYAN_FORMAT_JSON, &text));
  CHECK(strstr(text, "\"BANYAN_TIMEOUT_S\"") != NULL && strstr(text, "\"nearest\": \"BANYAN_TRANSPORTS\"") != NULL);
  CHECK(strstr(text, "abcdef0123456789") == NULL);
  banyan_string_free(text);
  CHECK_OK(banyan_environment_export(BANYAN_FORMAT_TEXT, &text));
  CHECK(strstr(text, "did you mean BANYAN_TRANSPORTS?") != NULL && strstr(text, "abcdef0123456789") == NULL);
  banyan_string_free(text);
  unsetenv("BANYAN_TRANSPORT");
  unsetenv("BANYAN_JOB_SECRET");
  CHECK_OK(banyan_transports_export(BANYAN_FORMAT_JSON, &text));
  CHECK(strstr(text, "\"inproc\"") != NULL && strstr(text, "\"shm\"") != NULL);
  banyan_string_free(text);
  CHECK_OK(banyan_transports_export(BANYAN_FORMAT_TEXT, &text));
  CHECK(strstr(text, "shm: mapped-memory") != NULL);
  banyan_string_free(text);
}

static void count_probe(int done, int total, const char* probe, double eta_s, void* context) {
  int* last = context;
  CHECK(done >= *last && done <= total && probe != NULL && eta_s >= 0);
  *last = done;
}

static void check_profile_file(const banyan_profile* profile) {
  char *json = NULL, *again = NULL, *text = NULL;
  banyan_profile* loaded = NULL;
  char path[64];
  CHECK_OK(banyan_profile_export(profile, BANYAN_FORMAT_JSON, &json));
  write_file(path, json);
  CHECK_OK(banyan_profile_load(path, &loaded));
  unlink(path);
  CHECK_OK(banyan_profile_export(loaded, BANYAN_FORMAT_JSON, &again));
  CHECK(strcmp(json, again) == 0);
  banyan_profile_free(loaded);
  CHECK_OK(banyan_profile_export(profile, BANYAN_FORMAT_TEXT, &text));
  CHECK(*text != '\0');
  banyan_string_free(text);
  CHECK_OK(banyan_profile_export(profile, BANYAN_FORMAT_SVG, &text));
  CHECK(strstr(text, "<svg") != NULL);
  banyan_string_free(text);
  banyan_string_free(json);
  banyan_string_free(again);
}

static void profile_body(rank_context* self) {
  banyan_profile_config config = BANYAN_PROFILE_CONFIG_INIT;
  banyan_profile* profile = NULL;
  const banyan_profile* used = NULL;
  banyan_plan* plan = NULL;
  banyan_plan_info info;
  int last = 0;
  config.budget_s = 1;
  config.max_bytes = 65536;
  config.progress = count_probe;
  config.progress_context = &last;
  CHECK_OK(banyan_profile_measure(self->comm, &config, &profile));
  CHECK((last > 0) == (self->rank == 0));
  if (profile != NULL) {
    check_profile_file(profile);
    CHECK_OK(banyan_comm_set_profile(self->comm, profile));
    banyan_profile_free(profile);
    CHECK_OK(banyan_comm_profile(self->comm, &used));
    CHECK(used != NULL);
    CHECK_OK(banyan_plan_from_comm(self->comm, 4096, NULL, NULL, &plan));
    info.struct_size = sizeof info;
    CHECK_OK(banyan_plan_get_info(plan, &info));
    CHECK(info.measured == 1);
    banyan_plan_free(plan);
  }
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  test_synthetic_topology();
  test_this_host();
  test_bad_files();
  test_plan();
  test_info();
  run_ranks(2, NULL, profile_body, NULL);
  return check_summary();
}
