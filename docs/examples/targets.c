/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch targets for a gate: two hosts of 4 and 3 ranks, 14 experts, and half of the time that even dispatch would
 * take. Prints the numbers of docs/targets.md, checks them against each other, and shows where a loss with these
 * weights settles. */
#include <banyan/banyan.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kRanks = 7, kExperts = 14, kTokens = 1024, kTopK = 2, kHidden = 2048, kBytesOfElement = 2 };

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

static banyan_targets* make(const banyan_topology* topology, banyan_targets_method method, double budget_s) {
  banyan_targets_config config = BANYAN_TARGETS_CONFIG_INIT;
  banyan_targets* targets = NULL;
  config.topology = topology;
  config.num_experts = kExperts; /* in blocks: ranks 0 to 6 hold two each */
  config.tokens_per_rank = kTokens;
  config.top_k = kTopK;
  config.row_bytes = kHidden * kBytesOfElement;
  config.method = method;
  config.budget_s = budget_s;
  check(banyan_targets_create(&config, &targets));
  return targets;
}

static banyan_targets_info show(const char* name, const banyan_targets* targets) {
  banyan_targets_info info;
  double row[kExperts];
  info.struct_size = sizeof info;
  check(banyan_targets_get_info(targets, &info));
  check(banyan_targets_row(targets, 0, row)); /* expert 0 is on rank 0, expert 13 on the other host */
  printf("%-9s %7.2f ms  %6.4f nats  rank 0: %6.1f tokens to each near expert, %6.1f to each far one\n", name,
         1e3 * info.time_s, info.divergence_nats, row[0], row[kExperts - 1]);
  return info;
}

/* What minimises sum of p_e c_e^2 at a fixed sum of c, which is where the loss pulls while the mean probability m_e
 * follows c_e: c_e in proportion to 1 / p_e. These are the targets again. */
static int settles_at_targets(const banyan_targets* targets, int rank) {
  double row[kExperts], weights[kExperts], sum = 0;
  int e, good = 1;
  check(banyan_targets_row(targets, rank, row));
  check(banyan_targets_weights(targets, rank, weights));
  for (e = 0; e < kExperts; ++e) {
    sum += 1 / weights[e];
  }
  for (e = 0; e < kExperts; ++e) {
    good = good && fabs(kTokens * kTopK / weights[e] / sum - row[e]) < 1e-6;
  }
  return good;
}

int main(void) {
  banyan_topology* topology = NULL;
  banyan_targets *closed, *exact, *budgeted;
  banyan_targets_info info;
  double weights[kExperts];
  size_t capacities[kExperts];
  char* text = NULL;
  int rank, good;
  check(banyan_topology_synthetic("2:[4,3] nic=10gbit", &topology));
  closed = make(topology, BANYAN_TARGETS_CLOSED, 0);
  info = show("closed", closed);
  printf("%-9s %7.2f ms\n", "even", 1e3 * info.even_time_s);
  exact = make(topology, BANYAN_TARGETS_EXACT, 0);
  show("exact", exact);
  budgeted = make(topology, BANYAN_TARGETS_BUDGETED, info.even_time_s / 2); /* say, the time of the expert FFN */
  info = show("budgeted", budgeted);
  good = info.budget_met && info.time_s <= info.even_time_s / 2;
  check(banyan_targets_weights(budgeted, 0, weights));
  check(banyan_targets_capacities(budgeted, 0, 1.25, 4, capacities));
  printf("rank 0: loss weights %.3f near, %.3f far; room for %zu and %zu rows at factor 1.25\n", weights[0],
         weights[kExperts - 1], capacities[0], capacities[kExperts - 1]);
  for (rank = 0; rank < kRanks; ++rank) {
    good = good && settles_at_targets(budgeted, rank);
  }
  check(banyan_targets_export(budgeted, BANYAN_FORMAT_TEXT, &text));
  fputs(text, stdout);
  banyan_string_free(text);
  banyan_targets_free(closed);
  banyan_targets_free(exact);
  banyan_targets_free(budgeted);
  banyan_topology_free(topology);
  puts(good ? "right" : "wrong");
  return good ? 0 : 1;
}
