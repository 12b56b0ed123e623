/* SPDX-License-Identifier: Apache-2.0 */
/** What a route agrees on, on ranks that are threads: which choices stay within capacities, and notes. */
#include <stdint.h>

#include "ranks.h"

enum { kRanks = 3, kHidden = 2, kExperts = 3, kTokens = 4 };

static banyan_moe_config config_of(void) {
  banyan_moe_config config = BANYAN_MOE_CONFIG_INIT;
  config.num_experts = kExperts;
  config.top_k = 1;
  config.hidden = kHidden;
  config.max_tokens = kTokens;
  return config;
}

static banyan_moe_chunk_info info_of(const banyan_moe_handle* handle) {
  banyan_moe_chunk_info info;
  info.struct_size = sizeof info;
  CHECK_OK(banyan_moe_handle_get_info(handle, 0, &info));
  return info;
}

/** All tokens of all ranks want expert 1, which takes five of twelve. */
static void shared(rank_context* self) {
  const int by_score = *(const int*)self->shared;
  banyan_moe_config config = config_of();
  banyan_moe_group* group = NULL;
  banyan_moe_handle* handle = NULL;
  banyan_moe_chunk_info info;
  const int64_t topk_idx[kTokens] = {1, 1, 1, 1};
  float topk_weights[kTokens], tokens[kTokens * kHidden], rows[8 * kHidden];
  int at;
  config.capacity = 5;
  config.capacity_scope = BANYAN_MOE_CAPACITY_GLOBAL;
  config.drop = by_score ? BANYAN_MOE_DROP_SCORE : BANYAN_MOE_DROP_POSITION;
  for (at = 0; at < kTokens; ++at) {
    topk_weights[at] = (float)((at * 5 + self->rank * 3) % 12); /* 0 5 10 3, 3 8 1 6, 6 11 4 9 */
    tokens[at * kHidden] = (float)(self->rank * 10 + at);
    tokens[at * kHidden + 1] = 1;
  }
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  CHECK_OK(banyan_moe_route(group, topk_idx, topk_weights, kTokens, &handle));
  info = info_of(handle);
  CHECK(info.num_dropped == 7 && info.num_rows == 5 && info.capacity == 5 &&
        info.num_choices == (self->rank == 1 ? 5 : 0));
  CHECK_OK(banyan_moe_dispatch(handle, 0, tokens, NULL, rows, NULL));
  if (self->rank == 1) {
    const float by_position_rows[] = {0, 1, 2, 3, 10};
    const float by_score_rows[] = {2, 11, 13, 21, 23};
    for (at = 0; at < 5; ++at) {
      CHECK(rows[at * kHidden] == (by_score ? by_score_rows[at] : by_position_rows[at]));
    }
  } else {
    CHECK(rows[0] == 0 && rows[5 * kHidden - 1] == 0);
  }
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

/** Rank r brings r + 1 tokens, of which the first wants expert 0, the others expert 2. */
static void agreed(rank_context* self) {
  const double factor = *(const double*)self->shared;
  banyan_moe_config config = config_of();
  banyan_moe_group* group = NULL;
  banyan_moe_handle* handle = NULL;
  banyan_moe_chunk_info info;
  const int64_t topk_idx[kTokens] = {0, 2, 2, 2};
  if (factor > 0) {
    config.capacity_factor = factor;
  } else {
    config.capacity = BANYAN_MOE_CAPACITY_MAX;
  }
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  CHECK_OK(banyan_moe_route(group, topk_idx, NULL, (size_t)self->rank + 1, &handle));
  info = info_of(handle);
  if (factor > 0) { /* 1 of 3 experts, of the last rank's 3 tokens */
    CHECK(info.capacity == 1 && info.num_dropped == 1 && info.num_rows == kRanks);
  } else { /* what the last rank has for expert 2 */
    CHECK(info.capacity == 2 && info.num_dropped == 0 && info.num_rows == kRanks * 2);
  }
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  CHECK_OK(banyan_comm_destroy(self->comm));
}

static void notes(rank_context* self) {
  banyan_moe_config config = config_of();
  banyan_moe_group* group = NULL;
  banyan_moe_handle* handle = NULL;
  const int64_t topk_idx[kTokens] = {0, 1, 2, 0};
  int step, rank, all[kRanks];
  config.note_bytes = sizeof step;
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  for (step = 0; step < 3; ++step) {
    const int note = step * 100 + self->rank;
    if (step > 0) {
      CHECK_OK(banyan_moe_group_set_note(group, &note));
    }
    CHECK_OK(banyan_moe_route(group, topk_idx, NULL, kTokens, &handle));
    CHECK_OK(banyan_moe_handle_notes(handle, all));
    for (rank = 0; rank < kRanks; ++rank) {
      CHECK(all[rank] == (step > 0 ? step * 100 + rank : 0));
    }
    CHECK_REJECTS(banyan_moe_handle_notes(handle, NULL), "notes");
    CHECK_OK(banyan_moe_handle_free(handle));
  }
  CHECK_REJECTS(banyan_moe_group_set_note(group, NULL), "note");
  CHECK_REJECTS(banyan_moe_group_set_note(NULL, all), "group");
  CHECK_REJECTS(banyan_moe_handle_notes(NULL, all), "handle");
  CHECK_OK(banyan_moe_group_free(group));
  config.note_bytes = 0;
  CHECK_OK(banyan_moe_group_create(self->comm, &config, &group));
  CHECK_OK(banyan_moe_route(group, topk_idx, NULL, kTokens, &handle));
  CHECK_FAILS(banyan_moe_group_set_note(group, all), BANYAN_ERR_NOT_SUPPORTED, "note_bytes");
  CHECK_FAILS(banyan_moe_handle_notes(handle, all), BANYAN_ERR_NOT_SUPPORTED, "note_bytes");
  CHECK_OK(banyan_moe_handle_free(handle));
  CHECK_OK(banyan_moe_group_free(group));
  config.note_bytes = 65;
  CHECK_REJECTS(banyan_moe_group_create(self->comm, &config, &group), "note_bytes is 65");
  CHECK_OK(banyan_comm_destroy(self->comm));
}

int main(void) {
  double factors[] = {0, 0.9};
  int by_score[] = {0, 1};
  run_ranks(kRanks, NULL, shared, &by_score[0]);
  run_ranks(kRanks, NULL, shared, &by_score[1]);
  run_ranks(kRanks, NULL, agreed, &factors[0]);
  run_ranks(kRanks, NULL, agreed, &factors[1]);
  run_ranks(kRanks, NULL, notes, NULL);
  return check_summary();
}
