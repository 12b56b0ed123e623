/* SPDX-License-Identifier: Apache-2.0 */
/** Token exchange of ranks that hold the same tokens in pairs, on ranks that are threads. */
#include <math.h>
#include <stdint.h>

#include "ranks.h"

enum { kRanks = 4, kHidden = 3, kExperts = 4, kTopK = 2, kTokens = 5, kChunks = 2 };

static const int kPairs[kRanks] = {0, 0, 7, 7};
/** Both of a pair have parts of two experts. */
static const int kOffsets[kExperts + 1] = {0, 2, 4, 6, 8};
static const int kHolders[2 * kExperts] = {0, 1, 2, 3, 0, 1, 2, 3};

static float token_value(int pair, int token, int i) { return (float)((pair * 5 + token * 3 + i) % 13) - 6; }
static float expert_value(int expert, float x) { return x * (float)(expert + 1) / 2 + 1; }

static void fill_step(int pair, int64_t* topk_idx, float* topk_weights, float* tokens) {
  int at;
  for (at = 0; at < kTokens * kTopK; ++at) {
    topk_idx[at] = (pair + at / kTopK + at % kTopK) % kExperts;
    topk_weights[at] = (float)(at % kTopK + 1) / 4;
  }
  for (at = 0; at < kTokens * kHidden; ++at) {
    tokens[at] = token_value(pair, at / kHidden, at % kHidden);
  }
}

static banyan_moe_config config_of(int sharded) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  config.num_experts = kExperts;
  config.top_k = kTopK;
  config.hidden = kHidden;
  config.max_tokens = kTokens;
  config.num_chunks = kChunks;
  config.duplicates = kPairs;
  if (sharded) {
    config.sharded_experts = 1;
    config.expert_offsets = kOffsets;
    config.expert_ranks = kHolders;
  }
  return config;
}

static size_t move_chunk(banyan_moe_group* group, banyan_moe_handle* handle, size_t chunk, const float* tokens,
                         float* result, float* grad_weights, float* token_grads) {
  banyan_moe_group_info of_group;
  banyan_moe_chunk_info info;
  int experts[kExperts], local, i;
  size_t counts[kExperts], begins[kExperts + 1], row, choices = 0;
  float *rows, *grad_rows;
  banyan_moe_request* request = NULL;
  of_group.struct_size = sizeof of_group;
  info.struct_size = sizeof info;
  CHECK_OK(banyan_moe_group_get_info(group, &of_group));
  CHECK_OK(banyan_moe_group_local_experts(group, experts));
  CHECK_OK(banyan_moe_handle_get_info(handle, chunk, &info));
  CHECK_OK(banyan_moe_handle_experts(handle, chunk, counts, begins));
  rows = malloc((info.num_rows * kHidden + 1) * sizeof *rows);
  grad_rows = malloc((info.num_rows * kHidden + 1) * sizeof *rows);
  CHECK_FAILS(banyan_moe_dispatch_start(handle, chunk, tokens, NULL, rows, NULL, &request), BANYAN_ERR_NOT_SUPPORTED,
              "duplicates");
  CHECK_FAILS(banyan_moe_turn_start(group, &request), BANYAN_ERR_NOT_SUPPORTED, "duplicates");
  CHECK_OK(banyan_moe_dispatch(handle, chunk, tokens, NULL, rows, NULL));
  for (local = 0; local < of_group.num_local_experts; ++local) {
    choices += counts[local];
    for (row = begins[local]; row < begins[local] + counts[local]; ++row) {
      for (i = 0; i < kHidden; ++i) {
        rows[row * kHidden + (size_t)i] = expert_value(experts[local], rows[row * kHidden + (size_t)i]);
      }
    }
  }
  CHECK(choices == info.num_choices && choices == info.num_rows);
  CHECK_OK(banyan_moe_combine(handle, chunk, rows, result));
  CHECK_OK(banyan_moe_combine_backward(handle, chunk, tokens, rows, grad_rows, grad_weights));
  CHECK_OK(banyan_moe_dispatch_backward(handle, chunk, grad_rows, token_grads));
  free(rows);
  free(grad_rows);
  return info.num_tokens;
}

static void step(rank_context* self) {
  const int sharded = *(const int*)self->shared;
  const banyan_moe_config config = config_of(sharded);
  const int pair = self->rank / 2;
  banyan_moe_group* group = NULL;
  banyan_moe_handle* handle = NULL;
  int64_t topk_idx[kTokens * kTopK];
  float topk_weights[kTokens * kTopK], grad_weights[kTokens * kTopK];
  float tokens[kTokens * kHidden], result[kTokens * kHidden], token_grads[kTokens * kHidden];
  size_t moved = 0, chunk;
  int at, slot;
  fill_step(pair, topk_idx, topk_weights, tokens);
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  CHECK_OK(banyan_moe_route(group, topk_idx, topk_weights, kTokens, &handle));
  for (chunk = 0; chunk < kChunks; ++chunk) {
    moved += move_chunk(group, handle, chunk, tokens, result, grad_weights, token_grads);
  }
  CHECK(moved == kTokens);
  for (at = 0; at < kTokens * kHidden; ++at) {
    float sum = 0;
    for (slot = at / kHidden * kTopK; slot < (at / kHidden + 1) * kTopK; ++slot) {
      sum += topk_weights[slot] * expert_value((int)topk_idx[slot], tokens[at]);
    }
    CHECK(fabsf(result[at] - sum) < 1e-4F);
    CHECK(fabsf(token_grads[at] - 0.75F * tokens[at]) < 1e-4F); /* of all weights of a token */
  }
  for (at = 0; at < kTokens * kTopK; ++at) {
    float sum = 0;
    int i;
    for (i = at / kTopK * kHidden; i < (at / kTopK + 1) * kHidden; ++i) {
      sum += tokens[i] * expert_value((int)topk_idx[at], tokens[i]);
    }
    CHECK(fabsf(grad_weights[at] - sum) < 1e-3F);
  }
  CHECK_FAILS(banyan_moe_group_free(group), BANYAN_ERR_BUSY, "1 handles");
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void wrong(rank_context* self) {
  const int unequal[kRanks] = {0, 0, 7, self->rank == 3 ? 0 : 7};
  banyan_moe_config config = config_of(0);
  banyan_moe_group* group = NULL;
  banyan_moe_handle* handle = NULL;
  int64_t topk_idx[kTokens * kTopK];
  float topk_weights[kTokens * kTopK], tokens[kTokens * kHidden];
  config.sharded_experts = 1;
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &config, &group), "rank 1 has other experts");
  config.sharded_experts = 2;
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &config, &group), "sharded_experts is 2");
  config = config_of(1), config.duplicates = NULL;
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &config, &group), "sharded_experts needs duplicates");
  config = config_of(0), config.duplicates = unequal;
  CHECK_FAILS(banyan_moe_group_create(self->comm, &config, &group), BANYAN_ERR_MISMATCH, "duplicates");
  config = config_of(0);
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  fill_step(self->rank / 2, topk_idx, topk_weights, tokens);
  topk_weights[3] += self->rank == 1 ? 1.0F : 0.0F;
  CHECK_REJECTS(banyan_moe_route(group, topk_idx, topk_weights, kTokens, &handle),
                "rank 1: num_tokens, topk_idx or topk_weights differ from those of its duplicate, rank 0");
  CHECK_REJECTS(banyan_moe_route(group, NULL, NULL, kTokens, &handle), "topk_idx is NULL");
  CHECK(handle == NULL);
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  int sharded[] = {0, 1};
  run_ranks(kRanks, NULL, step, &sharded[0]);
  run_ranks(kRanks, NULL, step, &sharded[1]);
  run_ranks(kRanks, NULL, wrong, NULL);
  return check_summary();
}
