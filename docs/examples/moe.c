/* SPDX-License-Identifier: Apache-2.0 */
/* A Mixture-of-Experts layer without training: a gate chooses experts, tokens go to them, experts compute, and their
 * weighted sum comes back. Checks itself, and says how many rows crossed between hosts. Try it in the lab:
 *   banyan-lab up --nodes 2 --ranks 2 --rate 1gbit && banyan-lab run -- build/dev/docs/examples/moe */
#include <banyan/banyan.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kTokens = 64, kHidden = 256, kExperts = 16, kTopK = 4 };

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

static void* make(size_t bytes) {
  void* memory = malloc(bytes > 0 ? bytes : 1);
  if (memory == NULL) {
    exit(1);
  }
  return memory;
}

static float value(int rank, int token, int i) { return (float)((rank * 7 + token * 3 + i) % 11) - 5; }

/* The gate: kTopK different experts for each token, with weights that add up to 1. */
static void gate(int rank, int64_t* topk_idx, float* topk_weights) {
  int token, slot;
  for (token = 0; token < kTokens; ++token) {
    const int first = (rank * 5 + token * 3) % kExperts;
    for (slot = 0; slot < kTopK; ++slot) {
      topk_idx[token * kTopK + slot] = (first + slot * 5) % kExperts; /* 5 and 16 have no common divisor */
      topk_weights[token * kTopK + slot] = (float)(slot + 1) / 10;
    }
  }
}

/* What an expert makes of a row: here, that many times as much. */
static float expert(int64_t number, float x) { return (float)(number + 1) * x; }

/* Runs this rank's experts over their rows, in place. */
static void compute(banyan_moe_group* group, banyan_moe_handle* handle, float* rows) {
  banyan_moe_group_info info = {.struct_size = sizeof info};
  int* experts;
  size_t *counts, *begins, row, i;
  int local;
  check(banyan_moe_group_get_info(group, &info));
  experts = make((size_t)info.num_local_experts * sizeof *experts);
  counts = make((size_t)info.num_local_experts * sizeof *counts);
  begins = make(((size_t)info.num_local_experts + 1) * sizeof *begins);
  check(banyan_moe_group_local_experts(group, experts));
  check(banyan_moe_handle_experts(handle, 0, counts, begins));
  for (local = 0; local < info.num_local_experts; ++local) {
    for (row = begins[local]; row < begins[local] + counts[local]; ++row) {
      for (i = 0; i < kHidden; ++i) {
        rows[row * kHidden + i] = expert(experts[local], rows[row * kHidden + i]);
      }
    }
  }
  free(experts);
  free(counts);
  free(begins);
}

/* The largest difference between a token and its definition. */
static double difference(int rank, const int64_t* topk_idx, const float* topk_weights, const float* result) {
  double largest = 0;
  int token, slot, i;
  for (token = 0; token < kTokens; ++token) {
    for (i = 0; i < kHidden; ++i) {
      double sum = 0;
      for (slot = 0; slot < kTopK; ++slot) {
        const int at = token * kTopK + slot;
        sum += (double)topk_weights[at] * (double)expert(topk_idx[at], value(rank, token, i));
      }
      largest = fmax(largest, fabs(sum - (double)result[token * kHidden + i]));
    }
  }
  return largest;
}

int main(void) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  banyan_moe_chunk_info info = {.struct_size = sizeof info};
  banyan_comm* comm = NULL;
  banyan_moe_group* group = NULL;
  banyan_moe_handle* handle = NULL;
  int64_t topk_idx[kTokens * kTopK];
  float topk_weights[kTokens * kTopK];
  float *tokens = make(sizeof(float) * kTokens * kHidden), *rows;
  double wrong;
  int rank, token, i;
  check(banyan_comm_create_from_environment(NULL, &comm));
  check(banyan_comm_rank(comm, &rank));
  config.num_experts = kExperts;
  config.top_k = kTopK;
  config.hidden = kHidden;
  config.max_tokens = kTokens;
  check(banyan_moe_group_create(comm, &config, &group)); /* once */

  gate(rank, topk_idx, topk_weights); /* each step: what the framework's gate gives */
  for (token = 0; token < kTokens; ++token) {
    for (i = 0; i < kHidden; ++i) {
      tokens[token * kHidden + i] = value(rank, token, i);
    }
  }
  check(banyan_moe_route(group, topk_idx, topk_weights, kTokens, &handle));
  check(banyan_moe_handle_get_info(handle, 0, &info));
  rows = make(info.num_rows * kHidden * sizeof *rows);
  check(banyan_moe_dispatch(handle, 0, tokens, NULL, rows, NULL));
  compute(group, handle, rows);
  check(banyan_moe_combine(handle, 0, rows, tokens));

  wrong = difference(rank, topk_idx, topk_weights, tokens);
  printf("rank %d: %zu rows of tokens served, %zu rows sent to other hosts for %zu choices there, largest error %.2g\n",
         rank, info.num_rows, info.wire_rows, info.logical_rows, wrong);
  check(banyan_moe_handle_free(handle));
  check(banyan_moe_group_free(group));
  check(banyan_comm_destroy(comm));
  free(tokens);
  free(rows);
  return wrong < 1e-4 ? 0 : 1;
}
