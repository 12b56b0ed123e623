/* SPDX-License-Identifier: Apache-2.0 */
/** Dispatch targets: good use without and with a communicator, and arguments that are wrong. */
#include <math.h>

#include "ranks.h"

extern int mkstemp(char* pattern);
extern int close(int fd);
extern int unlink(const char* path);

#define RANKS 15
#define EXPERTS 30

static banyan_topology* uneven(void) {
  banyan_topology* topology = NULL;
  CHECK_OK(banyan_topology_synthetic("2:[8,7] nic=10gbit", &topology));
  return topology;
}

static banyan_targets_config config_of(const banyan_topology* topology) {
  banyan_targets_config config = BANYAN_TARGETS_CONFIG_INIT;
  config.topology = topology;
  config.num_experts = EXPERTS;
  config.tokens_per_rank = 512;
  config.top_k = 4;
  config.row_bytes = 4096;
  return config;
}

static banyan_targets_info info_of(const banyan_targets* targets) {
  banyan_targets_info info;
  info.struct_size = sizeof info;
  CHECK_OK(banyan_targets_get_info(targets, &info));
  return info;
}

/** Rows and columns have their sums, and what is derived from rows agrees with them. */
static void check_rows(const banyan_targets* targets) {
  double columns[EXPERTS] = {0}, row[EXPERTS], by_rank[RANKS], weights[EXPERTS];
  size_t capacities[EXPERTS];
  int rank, e;
  for (rank = 0; rank < RANKS; ++rank) {
    double sum = 0, sum_by_rank = 0, mean = 0;
    CHECK_OK(banyan_targets_row(targets, rank, row));
    CHECK_OK(banyan_targets_rank_row(targets, rank, by_rank));
    CHECK_OK(banyan_targets_weights(targets, rank, weights));
    CHECK_OK(banyan_targets_capacities(targets, rank, 1.25, 2, capacities));
    for (e = 0; e < EXPERTS; ++e) {
      sum += row[e];
      columns[e] += row[e];
      mean += weights[e] / EXPERTS;
      CHECK(fabs(weights[e] * row[e] - weights[0] * row[0]) < 1e-6);
      CHECK((double)capacities[e] >= 1.25 * row[e] * (1 - 1e-9) && (double)capacities[e] < 1.25 * row[e] + 2);
    }
    for (e = 0; e < RANKS; ++e) {
      sum_by_rank += by_rank[e];
      CHECK(fabs(by_rank[e] - row[2 * e] - row[2 * e + 1]) < 1e-6);
    }
    CHECK(fabs(sum - 2048) < 1e-5 && fabs(sum_by_rank - 2048) < 1e-5);
    CHECK(fabs(mean - 1) < 1e-12);
  }
  for (e = 0; e < EXPERTS; ++e) {
    CHECK(fabs(columns[e] - 15 * 2048.0 / EXPERTS) < 1e-5);
  }
}

static void check_methods(void) {
  banyan_topology* topology = uneven();
  banyan_targets_config config = config_of(topology);
  banyan_targets* targets = NULL;
  banyan_targets_info closed, exact, budgeted;
  char* text = NULL;
  CHECK_OK(banyan_targets_create(&config, &targets));
  closed = info_of(targets);
  check_rows(targets);
  banyan_targets_free(targets);
  config.method = BANYAN_TARGETS_EXACT;
  CHECK_OK(banyan_targets_create(&config, &targets));
  exact = info_of(targets);
  check_rows(targets);
  banyan_targets_free(targets);
  CHECK(closed.num_ranks == RANKS && closed.num_experts == EXPERTS && closed.measured == 0 && closed.budget_met == 1);
  CHECK(closed.even_time_s > closed.time_s && closed.time_s >= exact.least_time_s && exact.gap_nats < 1e-9);
  CHECK(fabs(exact.time_s / exact.least_time_s - 1) < 2e-6);
  config.method = BANYAN_TARGETS_BUDGETED;
  config.budget_s = (exact.even_time_s + exact.least_time_s) / 2;
  CHECK_OK(banyan_targets_create(&config, &targets));
  budgeted = info_of(targets);
  check_rows(targets);
  CHECK(budgeted.budget_met == 1 && budgeted.time_s <= config.budget_s);
  CHECK(budgeted.divergence_nats > 0 && budgeted.divergence_nats < exact.divergence_nats);
  CHECK_OK(banyan_targets_export(targets, BANYAN_FORMAT_TEXT, &text));
  CHECK(strstr(text, "budgeted") != NULL && strstr(text, "met") != NULL);
  banyan_string_free(text);
  CHECK_OK(banyan_targets_export(targets, BANYAN_FORMAT_JSON, &text));
  CHECK(strstr(text, "banyan-targets-1") != NULL);
  banyan_string_free(text);
  CHECK_FAILS(banyan_targets_export(targets, BANYAN_FORMAT_SVG, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT or JSON");
  banyan_targets_free(targets);
  config.budget_s = exact.least_time_s / 2;
  CHECK_OK(banyan_targets_create(&config, &targets));
  CHECK(info_of(targets).budget_met == 0 && fabs(info_of(targets).time_s / exact.time_s - 1) < 1e-9);
  banyan_targets_free(targets);
  banyan_topology_free(topology);
}

/** Figures of tests/unit/moe/targets/closed_form_test.cpp, table E11, through the C API. */
static void check_explicit_beta(void) {
  static const double kBeta[BANYAN_TARGETS_NUM_TIERS] = {1, 1, 4, 8};
  banyan_targets_config config = BANYAN_TARGETS_CONFIG_INIT;
  banyan_topology* topology = NULL;
  banyan_targets* targets = NULL;
  double row[6];
  CHECK_OK(banyan_topology_synthetic("3:2 racks=[2,1]", &topology));
  config.topology = topology;
  config.num_experts = 6;
  config.tokens_per_rank = 1024;
  config.row_bytes = 1;
  config.tier_s_per_byte = kBeta;
  CHECK_OK(banyan_targets_create(&config, &targets));
  CHECK(fabs(info_of(targets).even_time_s - 1365.3) < 0.06 && fabs(info_of(targets).time_s - 414.1) < 0.06);
  banyan_targets_free(targets);
  config.unbalanced = 1;
  CHECK_OK(banyan_targets_create(&config, &targets));
  CHECK(fabs(info_of(targets).time_s - 409.6) < 0.06 && info_of(targets).column_error > 0.017);
  CHECK_OK(banyan_targets_row(targets, 0, row));
  CHECK(fabs(row[0] - 372.4) < 0.06 && fabs(row[3] - 93.1) < 0.06 && fabs(row[5] - 46.5) < 0.06);
  banyan_targets_free(targets);
  banyan_topology_free(topology);
}

/** A profile whose hosts have a tenth of the nominal rate: even dispatch takes ten times as long. */
static void check_profile(void) {
  static const char kProfile[] =
      "{\"format\": \"banyan-profile-1\", \"created\": \"2026-11-22T03:40:00Z\", \"transport\": \"shm,ucx\","
      "\"num_ranks\": 15, \"tiers\": {}, \"hosts\": ["
      "{\"key\": \"a\", \"name\": \"node0\", \"num_ranks\": 8, \"egress_bytes_per_s\": 125000000,"
      "\"ingress_bytes_per_s\": 125000000},"
      "{\"key\": \"b\", \"name\": \"node1\", \"num_ranks\": 7, \"egress_bytes_per_s\": 125000000,"
      "\"ingress_bytes_per_s\": 125000000}]}";
  char path[] = "/tmp/banyan_targets_XXXXXX";
  const int fd = mkstemp(path);
  FILE* file = fopen(path, "w");
  banyan_topology* topology = uneven();
  banyan_targets_config config = config_of(topology);
  banyan_targets* targets = NULL;
  banyan_profile* profile = NULL;
  double nominal_s;
  CHECK(fd >= 0 && file != NULL && fputs(kProfile, file) >= 0);
  fclose(file);
  close(fd);
  CHECK_OK(banyan_profile_load(path, &profile));
  unlink(path);
  CHECK_OK(banyan_targets_create(&config, &targets));
  nominal_s = info_of(targets).even_time_s;
  banyan_targets_free(targets);
  config.profile = profile;
  CHECK_OK(banyan_targets_create(&config, &targets));
  CHECK(info_of(targets).measured == 1);
  CHECK(fabs(info_of(targets).even_time_s / nominal_s - 10) < 1e-9);
  banyan_targets_free(targets);
  banyan_profile_free(profile);
  banyan_topology_free(topology);
}

/** Tokens and experts of the caller's choice. */
static void check_arrays(void) {
  static const int kExpertRank[5] = {14, 0, 0, 3, 14};
  size_t tokens[RANKS] = {0};
  double row[5];
  banyan_topology* topology = uneven();
  banyan_targets_config config = config_of(topology);
  banyan_targets* targets = NULL;
  config.num_experts = 5;
  config.expert_rank = kExpertRank;
  config.tokens = tokens;
  tokens[2] = 100;
  tokens[14] = 50;
  CHECK_OK(banyan_targets_create(&config, &targets));
  CHECK_OK(banyan_targets_row(targets, 2, row));
  CHECK(fabs(row[0] + row[1] + row[2] + row[3] + row[4] - 400) < 1e-6 && row[0] == row[4] && row[1] == row[2]);
  CHECK_OK(banyan_targets_row(targets, 1, row));
  CHECK(row[0] == 0 && row[3] == 0);
  banyan_targets_free(targets);
  tokens[3] = (size_t)-1;
  targets = NULL;
  CHECK_FAILS(banyan_targets_create(&config, &targets), BANYAN_ERR_LIMIT, "tokens[3]");
  CHECK(targets == NULL);
  banyan_topology_free(topology);
}

static void check_arguments(void) {
  static const int kBadRank[2] = {0, 15};
  banyan_topology* topology = uneven();
  banyan_targets_config config = config_of(topology);
  banyan_targets* targets = NULL;
  banyan_targets_info info;
  double row[EXPERTS];
  size_t capacities[EXPERTS];
  char* text = NULL;
  CHECK_REJECTS(banyan_targets_create(NULL, &targets), "config");
  CHECK_REJECTS(banyan_targets_create(&config, NULL), "targets");
  config.topology = NULL;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "config.topology");
  config = config_of(topology);
  config.struct_size = 3;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "struct_size");
  config = config_of(topology);
  config.method = 3;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "config.method is 3");
  config = config_of(topology);
  config.num_experts = -1;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "num_experts is -1");
  config = config_of(topology);
  config.top_k = 31;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "top_k is 31");
  config.top_k = -1;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "top_k is -1");
  config = config_of(topology);
  config.tokens_per_rank = 0;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "no rank has tokens");
  config = config_of(topology);
  config.row_bytes = 0;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "row_bytes is 0");
  config = config_of(topology);
  config.num_experts = 2;
  config.top_k = 1;
  config.expert_rank = kBadRank;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "expert_rank[1] is 15");
  config = config_of(topology);
  config.method = BANYAN_TARGETS_BUDGETED;
  config.budget_s = NAN;
  CHECK_REJECTS(banyan_targets_create(&config, &targets), "budget_s is nan");
  CHECK(targets == NULL);
  config = config_of(topology);
  CHECK_OK(banyan_targets_create(&config, &targets));
  CHECK_REJECTS(banyan_targets_get_info(NULL, &info), "targets");
  CHECK_REJECTS(banyan_targets_get_info(targets, NULL), "info");
  info.struct_size = 0;
  CHECK_REJECTS(banyan_targets_get_info(targets, &info), "struct_size");
  CHECK_REJECTS(banyan_targets_row(NULL, 0, row), "targets");
  CHECK_REJECTS(banyan_targets_row(targets, 15, row), "rank is 15, must be between 0 and 14");
  CHECK_REJECTS(banyan_targets_row(targets, 0, NULL), "c_hat");
  CHECK_REJECTS(banyan_targets_rank_row(targets, -1, row), "rank is -1");
  CHECK_REJECTS(banyan_targets_weights(targets, 0, NULL), "weights");
  CHECK_REJECTS(banyan_targets_capacities(targets, 0, -1, 0, capacities), "capacity_factor");
  CHECK_REJECTS(banyan_targets_capacities(targets, 99, 1, 0, capacities), "rank is 99");
  CHECK_REJECTS(banyan_targets_export(NULL, BANYAN_FORMAT_TEXT, &text), "targets");
  CHECK_REJECTS(banyan_targets_export(targets, BANYAN_FORMAT_TEXT, NULL), "text");
  banyan_targets_free(targets);
  banyan_targets_free(NULL);
  banyan_topology_free(topology);
}

static void comm_body(rank_context* self) {
  banyan_targets_config config = BANYAN_TARGETS_CONFIG_INIT;
  const banyan_topology* topology = NULL;
  banyan_targets* targets = NULL;
  double row[8], sum = 0;
  int e;
  config.num_experts = 8;
  config.tokens_per_rank = 64;
  config.row_bytes = 256;
  CHECK_OK(banyan_targets_from_comm(self->comm, &config, &targets));
  CHECK(info_of(targets).num_ranks == self->size);
  CHECK_OK(banyan_targets_row(targets, self->rank, row));
  for (e = 0; e < 8; ++e) {
    sum += row[e];
  }
  CHECK(fabs(sum - 64) < 1e-6);
  banyan_targets_free(targets);
  targets = NULL;
  CHECK_OK(banyan_comm_topology(self->comm, &topology));
  config.topology = topology;
  CHECK_REJECTS(banyan_targets_from_comm(self->comm, &config, &targets), "config.topology must be NULL");
  CHECK_REJECTS(banyan_targets_from_comm(NULL, &config, &targets), "comm");
  CHECK_REJECTS(banyan_targets_from_comm(self->comm, NULL, &targets), "config");
  CHECK_REJECTS(banyan_targets_from_comm(self->comm, &config, NULL), "targets");
  CHECK(targets == NULL);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  check_methods();
  check_explicit_beta();
  check_profile();
  check_arrays();
  check_arguments();
  run_ranks(3, NULL, comm_body, NULL);
  return check_summary();
}
