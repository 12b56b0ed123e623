/* SPDX-License-Identifier: Apache-2.0 */
/** Token exchange: all functions on ranks that are threads, each layout, and arguments that are wrong. */
#include <math.h>
#include <stdint.h>

#include "ranks.h"

enum { kHidden = 6, kExperts = 7, kTopK = 3, kTokens = 9 };

static float token_value(int rank, int token, int i) { return (float)((rank * 5 + token * 3 + i) % 13) - 6; }
static float expert_value(int64_t expert, float x) { return x * (float)(expert + 1) / 2 + 1; }

static void gate(int rank, int64_t* topk_idx, float* topk_weights) {
  int token, slot;
  for (token = 0; token < kTokens; ++token) {
    for (slot = 0; slot < kTopK; ++slot) {
      topk_idx[token * kTopK + slot] = (rank + token * 2 + slot * 3) % kExperts;
      topk_weights[token * kTopK + slot] = (float)(slot + 1) / 4;
    }
  }
}

static banyan_moe_config config_of(int layout) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  config.num_experts = kExperts;
  config.top_k = kTopK;
  config.hidden = kHidden;
  config.max_tokens = kTokens;
  config.layout = layout;
  config.num_chunks = 2;
  return config;
}

static banyan_moe_group* make_group(rank_context* self, int layout) {
  const banyan_moe_config config = config_of(layout);
  banyan_moe_group* group = NULL;
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  return group;
}

/** The experts' work, where each row is one choice. */
static void compute_by_expert(banyan_moe_group* group, banyan_moe_handle* handle, size_t chunk, float* rows) {
  int experts[kExperts];
  size_t counts[kExperts], begins[kExperts + 1], row;
  int local, i;
  banyan_moe_group_info info;
  info.struct_size = sizeof info;
  CHECK_OK(banyan_moe_group_get_info(group, &info));
  CHECK_OK(banyan_moe_group_local_experts(group, experts));
  CHECK_OK(banyan_moe_handle_experts(handle, chunk, counts, begins));
  for (local = 0; local < info.num_local_experts; ++local) {
    for (row = begins[local]; row < begins[local] + counts[local]; ++row) {
      for (i = 0; i < kHidden; ++i) {
        rows[row * kHidden + (size_t)i] = expert_value(experts[local], rows[row * kHidden + (size_t)i]);
      }
    }
  }
}

/** And where a row is a token with all its choices here: their weighted sum. */
static void compute_by_row(banyan_moe_group* group, banyan_moe_handle* handle, size_t chunk, size_t num_rows,
                           float* rows) {
  int experts[kExperts];
  int64_t* local = malloc((num_rows + 1) * kTopK * sizeof *local);
  float* weights = malloc((num_rows + 1) * kTopK * sizeof *weights);
  int* sources = malloc((num_rows + 1) * sizeof *sources);
  size_t row;
  int slot, i;
  CHECK_OK(banyan_moe_group_local_experts(group, experts));
  CHECK_OK(banyan_moe_handle_rows(handle, chunk, local, weights, sources));
  for (row = 0; row < num_rows; ++row) {
    CHECK((sources[row] >= 0) == (local[row * kTopK] >= 0));
    for (i = 0; i < kHidden; ++i) {
      float sum = 0;
      for (slot = 0; slot < kTopK && local[row * kTopK + (size_t)slot] >= 0; ++slot) {
        sum += weights[row * kTopK + (size_t)slot] *
               expert_value(experts[local[row * kTopK + (size_t)slot]], rows[row * kHidden + (size_t)i]);
      }
      rows[row * kHidden + (size_t)i] = sum;
    }
  }
  free(local);
  free(weights);
  free(sources);
}

static void check_tokens(int rank, const int64_t* topk_idx, const float* topk_weights, const float* tokens) {
  int token, slot, i;
  for (token = 0; token < kTokens; ++token) {
    for (i = 0; i < kHidden; ++i) {
      double sum = 0;
      for (slot = 0; slot < kTopK; ++slot) {
        const int at = token * kTopK + slot;
        sum += (double)topk_weights[at] * (double)expert_value(topk_idx[at], token_value(rank, token, i));
      }
      CHECK(fabs(sum - (double)tokens[token * kHidden + i]) < 1e-4);
    }
  }
}

/** Gradients of rows that are a rank's sum: their token's, here 1; unused rows have 0. */
static void check_row_grads(banyan_moe_handle* handle, size_t chunk, size_t num_rows, const float* grad_rows) {
  int* sources = malloc((num_rows + 1) * sizeof *sources);
  size_t row;
  CHECK_OK(banyan_moe_handle_rows(handle, chunk, NULL, NULL, sources));
  for (row = 0; row < num_rows; ++row) {
    CHECK(fabsf(grad_rows[row * kHidden + kHidden - 1] - (sources[row] >= 0 ? 1.0F : 0.0F)) < 1e-6F);
  }
  free(sources);
}

/** Ranks that serve a token: of 7 experts on 3 ranks the first has 3. */
static int ranks_of(const int64_t* choices) {
  int serves[3] = {0, 0, 0};
  int slot;
  for (slot = 0; slot < kTopK; ++slot) {
    serves[choices[slot] < 3 ? 0 : choices[slot] < 5 ? 1 : 2] = 1;
  }
  return serves[0] + serves[1] + serves[2];
}

static void step(rank_context* self) {
  const int layout = *(const int*)self->shared;
  banyan_moe_group* group = make_group(self, layout);
  banyan_moe_handle* handle = NULL;
  int64_t topk_idx[kTokens * kTopK];
  float topk_weights[kTokens * kTopK], tokens[kTokens * kHidden], result[kTokens * kHidden];
  float grads[kTokens * kHidden], grad_weights[kTokens * kTopK], token_grads[kTokens * kHidden];
  size_t chunk, counted = 0;
  int at;
  gate(self->rank, topk_idx, topk_weights);
  for (at = 0; at < kTokens * kHidden; ++at) {
    tokens[at] = token_value(self->rank, at / kHidden, at % kHidden);
    grads[at] = 1;
  }
  CHECK_OK(banyan_moe_route(group, topk_idx, topk_weights, kTokens, &handle));
  CHECK_FAILS(banyan_moe_group_free(group), BANYAN_ERR_BUSY, "1 handles");
  for (chunk = 0; chunk < 2; ++chunk) {
    banyan_moe_chunk_info info;
    float *rows, *grad_rows;
    info.struct_size = sizeof info;
    CHECK_OK(banyan_moe_handle_get_info(handle, chunk, &info));
    CHECK(info.first_token == counted && info.num_dropped == 0 && info.num_invalid == 0);
    CHECK(info.wire_rows == 0 && info.logical_rows == 0); /* one host */
    counted += info.num_tokens;
    rows = malloc((info.num_rows * kHidden + 1) * sizeof *rows);
    grad_rows = malloc((info.num_rows * kHidden + 1) * sizeof *rows);
    CHECK_OK(banyan_moe_dispatch(handle, chunk, tokens, NULL, rows, NULL));
    if (layout == BANYAN_MOE_EXPERT_MAJOR) {
      compute_by_expert(group, handle, chunk, rows);
    } else {
      compute_by_row(group, handle, chunk, info.num_rows, rows);
    }
    CHECK_OK(banyan_moe_combine(handle, chunk, rows, result));
    CHECK_OK(banyan_moe_combine_backward(handle, chunk, grads, rows, grad_rows,
                                         layout == BANYAN_MOE_EXPERT_MAJOR ? grad_weights : NULL));
    if (layout != BANYAN_MOE_EXPERT_MAJOR) {
      check_row_grads(handle, chunk, info.num_rows, grad_rows);
    }
    CHECK_OK(banyan_moe_dispatch_backward(handle, chunk, grad_rows, token_grads));
    free(rows);
    free(grad_rows);
  }
  CHECK(counted == kTokens);
  check_tokens(self->rank, topk_idx, topk_weights, result);
  if (layout == BANYAN_MOE_EXPERT_MAJOR) {
    float sum = 0;
    int i;
    for (i = 0; i < kHidden; ++i) {
      sum += expert_value(topk_idx[kTopK + 1], tokens[kHidden + i]);
    }
    CHECK(fabsf(grad_weights[kTopK + 1] - sum) < 1e-4F);
    CHECK(fabsf(token_grads[0] - 1.5F) < 1e-5F); /* weights of a token add up to 6/4 */
  }
  if (layout != BANYAN_MOE_EXPERT_MAJOR) {
    for (at = 0; at < kTokens; ++at) {
      CHECK(fabsf(token_grads[at * kHidden] - (float)ranks_of(topk_idx + at * kTopK)) < 1e-6F);
    }
  }
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void reject_config(rank_context* self, banyan_moe_config config, const char* part) {
  banyan_moe_group* group = NULL;
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &config, &group), part);
  CHECK(group == NULL);
}

static void wrong_configs(rank_context* self) {
  const banyan_moe_config good = config_of(BANYAN_MOE_EXPERT_MAJOR);
  const int offsets[kExperts + 1] = {0, 1, 2, 3, 4, 5, 6, 7};
  const int ranks[kExperts] = {0, 1, 0, 1, 0, 1, 2};
  banyan_moe_config config = good;
  banyan_moe_group* group = NULL;
  CHECK_REJECTS(banyan_moe_group_create(NULL, &good, &group), "comm");
  CHECK_REJECTS(banyan_moe_group_create(self->comm, NULL, &group), "config");
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &good, NULL), "group");
  config.struct_size = 3;
  reject_config(self, config, "struct_size");
  config = good, config.num_experts = 0;
  reject_config(self, config, "num_experts is 0");
  config = good, config.num_experts = -1;
  reject_config(self, config, "num_experts is -1");
  config = good, config.top_k = kExperts + 1;
  reject_config(self, config, "top_k");
  config = good, config.hidden = 0;
  reject_config(self, config, "hidden");
  config = good, config.max_tokens = 0;
  reject_config(self, config, "max_tokens");
  config = good, config.dtype = 9;
  reject_config(self, config, "dtype is 9, must be from 0 to 4");
  CHECK(strncmp(banyan_last_error(), "dtype", 5) == 0);
  config = good, config.dtype = BANYAN_DTYPE_BYTES;
  reject_config(self, config, "combine_dtype");
  config = good, config.dedup = -1;
  reject_config(self, config, "dedup is -1, must be from 0 to 4");
  config = good, config.layout = 3;
  reject_config(self, config, "layout is 3");
  config = good, config.drop = 3;
  reject_config(self, config, "drop is 3");
  config = good, config.deterministic = 2;
  reject_config(self, config, "deterministic is 2");
  config = good, config.timeout_s = -1;
  reject_config(self, config, "timeout_s is -1");
  config = good, config.capacity = kTokens + 1;
  reject_config(self, config, "capacity");
  config = good, config.capacity_scope = 2;
  reject_config(self, config, "capacity_scope is 2");
  config = good, config.capacity_scope = BANYAN_MOE_CAPACITY_GLOBAL;
  reject_config(self, config, "GLOBAL without a capacity");
  config = good, config.capacity_factor = -0.5;
  reject_config(self, config, "capacity_factor is -0.5");
  config = good, config.capacity_factor = 1, config.capacity = 1;
  reject_config(self, config, "capacity and capacity_factor");
  config = good, config.num_chunks = 65;
  reject_config(self, config, "num_chunks");
  config = good, config.experts_s = -1;
  reject_config(self, config, "experts_s is -1");
  config = good, config.expert_ranks = ranks;
  reject_config(self, config, "expert_offsets");
  config.expert_offsets = offsets;
  reject_config(self, config, "expert 6 on rank 2 of 2");
}

static void wrong_calls(rank_context* self) {
  banyan_moe_group* group = make_group(self, BANYAN_MOE_FLAT);
  banyan_moe_handle* handle = NULL;
  banyan_moe_group_info group_info = {.struct_size = 0};
  banyan_moe_chunk_info info = {.struct_size = sizeof info};
  int64_t topk_idx[kTokens * kTopK];
  float topk_weights[kTokens * kTopK], buffer[kTokens * kHidden];
  size_t begins[kExperts + 1];
  gate(self->rank, topk_idx, topk_weights);
  memset(buffer, 0, sizeof buffer);
  CHECK_REJECTS(banyan_moe_group_get_info(NULL, &group_info), "group");
  CHECK_REJECTS(banyan_moe_group_get_info(group, &group_info), "struct_size");
  CHECK_REJECTS(banyan_moe_group_local_experts(NULL, NULL), "group");
  CHECK_REJECTS(banyan_moe_route(NULL, topk_idx, NULL, kTokens, &handle), "group");
  CHECK_REJECTS(banyan_moe_route(group, topk_idx, NULL, kTokens, NULL), "handle");
  CHECK_REJECTS(banyan_moe_route(group, topk_idx, NULL, kTokens + (self->rank == 1 ? 1 : 0), &handle),
                "rank 1: num_tokens is 10, max_tokens 9");
  CHECK_REJECTS(banyan_moe_route(group, NULL, NULL, kTokens, &handle), "topk_idx is NULL");
  topk_idx[4] = self->rank == 1 ? kExperts : topk_idx[4];
  CHECK_REJECTS(banyan_moe_route(group, topk_idx, NULL, kTokens, &handle), "rank 1: topk_idx[1][1] is 7");
  gate(self->rank, topk_idx, topk_weights);
  CHECK(handle == NULL);
  CHECK_OK(banyan_moe_route(group, topk_idx, topk_weights, kTokens, &handle));
  CHECK_REJECTS(banyan_moe_handle_get_info(NULL, 0, &info), "handle");
  CHECK_REJECTS(banyan_moe_handle_get_info(handle, 2, &info), "chunk is 2");
  CHECK_REJECTS(banyan_moe_handle_experts(handle, 2, NULL, NULL), "chunk is 2");
  CHECK_FAILS(banyan_moe_handle_experts(handle, 0, NULL, begins), BANYAN_ERR_NOT_SUPPORTED, "begins");
  CHECK_REJECTS(banyan_moe_handle_rows(NULL, 0, NULL, NULL, NULL), "handle");
  CHECK_REJECTS(banyan_moe_dispatch(handle, 0, NULL, NULL, buffer, NULL), "tokens");
  CHECK_REJECTS(banyan_moe_dispatch(handle, 0, buffer, NULL, NULL, NULL), "rows");
  CHECK_REJECTS(banyan_moe_combine(handle, 0, NULL, buffer), "rows");
  CHECK_REJECTS(banyan_moe_combine(handle, 0, buffer, NULL), "tokens");
  CHECK_REJECTS(banyan_moe_dispatch_backward(handle, 0, NULL, buffer), "grad_rows");
  CHECK_FAILS(banyan_moe_combine_backward(handle, 0, buffer, NULL, buffer, topk_weights), BANYAN_ERR_NOT_SUPPORTED,
              "grad_weights");
  CHECK_REJECTS(banyan_moe_combine_backward(NULL, 0, buffer, NULL, buffer, NULL), "handle");
  CHECK_FAILS(banyan_comm_destroy(self->comm), BANYAN_ERR_BUSY, "groups");
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_handle_free(NULL));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_moe_group_free(NULL));
}

static void wrong(rank_context* self) {
  wrong_configs(self);
  wrong_calls(self);
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  int layouts[] = {BANYAN_MOE_EXPERT_MAJOR, BANYAN_MOE_FLAT, BANYAN_MOE_RANK_MAJOR};
  size_t n;
  for (n = 0; n < sizeof layouts / sizeof layouts[0]; ++n) {
    run_ranks(3, NULL, step, &layouts[n]);
  }
  run_ranks(2, NULL, wrong, NULL);
  return check_summary();
}
