/* SPDX-License-Identifier: Apache-2.0 */
/* Gates, capacities and losses from C: every function, its defaults, what it writes, and what it refuses. */
#include <math.h>

#include "check.h"

/* Two tokens of four experts. */
static const float kScores[8] = {1, 3, 2, 0, 0, 1, 2, 4};

static banyan_gate_scores scores_of(const float* values, size_t num_tokens, size_t num_experts) {
  banyan_gate_scores scores = BANYAN_GATE_SCORES_INIT;
  scores.values = values;
  scores.num_tokens = num_tokens;
  scores.num_experts = num_experts;
  return scores;
}

static int near(double a, double b) { return fabs(a - b) < 1e-6; }

static void check_topk(void) {
  const banyan_gate_scores scores = scores_of(kScores, 2, 4);
  const float bias[4] = {0, -10, 0, 0};
  banyan_gate_topk_options options = BANYAN_GATE_TOPK_OPTIONS_INIT;
  int64_t idx[4] = {9, 9, 9, 9};
  float weights[4] = {9, 9, 9, 9};
  CHECK_OK(banyan_gate_topk(&scores, NULL, idx, weights));
  CHECK(idx[0] == 1 && idx[1] == 3 && idx[2] == 9);
  CHECK(near(weights[0], exp(3) / (exp(0) + exp(1) + exp(2) + exp(3))));
  options.top_k = 2;
  options.activation = BANYAN_GATE_SOFTMAX_OF_CHOSEN;
  options.scale = 10;
  CHECK_OK(banyan_gate_topk(&scores, &options, idx, weights));
  CHECK(idx[0] == 1 && idx[1] == 2 && idx[2] == 3 && idx[3] == 2);
  CHECK(near(weights[0], 10 / (1 + exp(-1))) && near(weights[0] + weights[1], 10));
  options.bias = bias;
  CHECK_OK(banyan_gate_topk(&scores, &options, idx, weights));
  CHECK(idx[0] == 2 && idx[1] == 0);
  options.bias = NULL;
  options.num_groups = 2;
  options.top_groups = 1;
  options.group_score = BANYAN_GATE_GROUP_SUM;
  CHECK_OK(banyan_gate_topk(&scores, &options, idx, weights));
  CHECK(idx[0] == 1 && idx[1] == 0 && idx[2] == 3 && idx[3] == 2);
  options.second = BANYAN_GATE_SECOND_BY_WEIGHT;
  CHECK_OK(banyan_gate_topk(&scores, &options, idx, weights));
  CHECK((idx[1] == 0 || (idx[1] == -1 && weights[1] == 0)) && idx[0] == 1);
}

static void check_topk_refusals(void) {
  const float bad[2] = {0, NAN};
  banyan_gate_scores scores = scores_of(kScores, 2, 4);
  banyan_gate_topk_options options = BANYAN_GATE_TOPK_OPTIONS_INIT;
  int64_t idx[4] = {9, 9, 9, 9};
  float weights[4] = {9, 9, 9, 9};
  CHECK_REJECTS(banyan_gate_topk(NULL, &options, idx, weights), "scores is NULL");
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, NULL, weights), "topk_idx is NULL");
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, idx, NULL), "topk_weights is NULL");
  options.top_k = 5;
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, idx, weights), "options.top_k is 5, must be between 1 and 4");
  options.top_k = 0;
  options.activation = 4;
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, idx, weights), "options.activation is 4");
  options.activation = 0;
  options.group_score = -1;
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, idx, weights), "options.group_score is -1");
  options.group_score = 0;
  options.second = 3;
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, idx, weights), "options.second is 3");
  options.struct_size = 4;
  CHECK_REJECTS(banyan_gate_topk(&scores, &options, idx, weights), "options.struct_size");
  scores.struct_size = 1000;
  CHECK_REJECTS(banyan_gate_topk(&scores, NULL, idx, weights), "scores.struct_size");
  scores = scores_of(bad, 1, 2);
  CHECK_REJECTS(banyan_gate_topk(&scores, NULL, idx, weights), "scores.values[0, 1] (token, expert) is nan");
  scores = scores_of(NULL, 1, 2);
  CHECK_REJECTS(banyan_gate_topk(&scores, NULL, idx, weights), "scores.values is NULL");
  scores = scores_of(kScores, (size_t)-1 / 2, 4);
  CHECK_FAILS(banyan_gate_topk(&scores, NULL, idx, weights), BANYAN_ERR_LIMIT, "overflows");
  CHECK(idx[0] == 9 && weights[0] == 9);
  scores = scores_of(NULL, 0, 2);
  CHECK_OK(banyan_gate_topk(&scores, NULL, NULL, NULL));
}

static void check_bias(void) {
  const size_t counts[3] = {6, 0, 3};
  float bias[3] = {0, 0, 1};
  CHECK_OK(banyan_gate_update_bias(counts, 3, 0.5, bias));
  CHECK(bias[0] == -0.5f && bias[1] == 0.5f && bias[2] == 1);
  CHECK_REJECTS(banyan_gate_update_bias(NULL, 3, 0.5, bias), "counts is NULL");
  CHECK_REJECTS(banyan_gate_update_bias(counts, 3, 0.5, NULL), "bias is NULL");
  CHECK_REJECTS(banyan_gate_update_bias(counts, 0, 0.5, bias), "num_experts is 0");
  CHECK_REJECTS(banyan_gate_update_bias(counts, 3, INFINITY, bias), "rate is inf");
  CHECK(bias[0] == -0.5f);
}

static void check_ktop1_and_hash(void) {
  static const int64_t kIds[3] = {2, 0, 2};
  static const int64_t kTable[3] = {1, 1, 0};
  const banyan_gate_scores scores = scores_of(kScores, 2, 4);
  banyan_gate_ktop1_options ktop1 = BANYAN_GATE_KTOP1_OPTIONS_INIT;
  banyan_gate_hash_options hash = BANYAN_GATE_HASH_OPTIONS_INIT;
  int64_t idx[4], other[3];
  float weights[4];
  ktop1.num_prototypes = 2;
  CHECK_OK(banyan_gate_ktop1(&scores, &ktop1, idx, weights));
  CHECK(idx[0] == 1 && idx[1] == 2 && idx[2] == 1 && idx[3] == 3);
  ktop1.num_prototypes = 3;
  CHECK_REJECTS(banyan_gate_ktop1(&scores, &ktop1, idx, weights), "options.num_prototypes is 3");
  CHECK_OK(banyan_gate_ktop1(&scores, NULL, idx, weights));
  CHECK(idx[0] == 1 && idx[1] == 3);
  hash.num_experts = 1000;
  CHECK_OK(banyan_gate_hash(kIds, 3, &hash, idx, weights));
  CHECK(idx[0] == idx[2] && idx[0] != idx[1] && weights[1] == 1);
  hash.seed = 1;
  CHECK_OK(banyan_gate_hash(kIds, 3, &hash, other, weights));
  CHECK(other[0] != idx[0]);
  hash.table = kTable;
  CHECK_REJECTS(banyan_gate_hash(kIds, 3, &hash, idx, weights), "options.table_size is 0");
  hash.table_size = 2;
  CHECK_REJECTS(banyan_gate_hash(kIds, 3, &hash, idx, weights), "token_ids[0] is 2");
  hash.table_size = 3;
  CHECK_OK(banyan_gate_hash(kIds, 3, &hash, idx, weights));
  CHECK(idx[0] == 0 && idx[1] == 1 && idx[2] == 0);
  hash.num_experts = 1;
  CHECK_REJECTS(banyan_gate_hash(kIds, 3, &hash, idx, weights), "options.table[0] is 1");
  hash.table = NULL;
  CHECK_REJECTS(banyan_gate_hash(kIds, 3, &hash, idx, weights), "options.table is NULL");
  CHECK_REJECTS(banyan_gate_hash(NULL, 3, &hash, idx, weights), "token_ids is NULL");
  CHECK_REJECTS(banyan_gate_hash(kIds, 3, NULL, idx, weights), "options is NULL");
}

static void check_expert_choice(void) {
  const banyan_gate_scores scores = scores_of(kScores, 2, 4);
  banyan_gate_expert_choice_options options = BANYAN_GATE_EXPERT_CHOICE_OPTIONS_INIT;
  banyan_gate_expert_choice_result result;
  int64_t tokens[4] = {9, 9, 9, 9}, idx[4] = {9, 9, 9, 9};
  float weights[4];
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  options.activation = BANYAN_GATE_IDENTITY;
  CHECK_REJECTS(banyan_gate_expert_choice(&scores, &options, &result), "options.capacity is 0");
  options.capacity = 1;
  options.top_k = 2;
  result.tokens = tokens;
  result.weights = weights;
  result.topk_idx = idx;
  CHECK_OK(banyan_gate_expert_choice(&scores, &options, &result));
  CHECK(tokens[0] == -1 && tokens[1] == 0 && tokens[2] == 0 && tokens[3] == 1);
  CHECK(idx[0] == 1 && idx[1] == 2 && idx[2] == 3 && idx[3] == -1);
  CHECK(weights[3] == 4 && result.most_choices == 3 && result.num_given_up == 1 && result.topk_idx == idx);
  options.activation = BANYAN_GATE_SOFTMAX_OF_CHOSEN;
  CHECK_REJECTS(banyan_gate_expert_choice(&scores, &options, &result), "options.activation");
  CHECK_REJECTS(banyan_gate_expert_choice(&scores, NULL, &result), "options is NULL");
  CHECK_REJECTS(banyan_gate_expert_choice(&scores, &options, NULL), "result is NULL");
  result.struct_size = 0;
  CHECK_REJECTS(banyan_gate_expert_choice(&scores, &options, &result), "result.struct_size");
}

static void check_balanced(void) {
  static const float kSame[8] = {0, 9, 0, 8, 0, 7, 1, 7};
  const banyan_gate_scores scores = scores_of(kSame, 4, 2);
  int64_t idx[4];
  float weights[4];
  double total = 0, gap = 9;
  CHECK_OK(banyan_gate_balanced(&scores, idx, weights, &total, &gap));
  CHECK(idx[0] == 1 && idx[1] == 1 && idx[2] == 0 && idx[3] == 0 && total == 18 && gap < 1e-12);
  CHECK(near(weights[3], 1 / (1 + exp(-1))));
  CHECK_OK(banyan_gate_balanced(&scores, idx, weights, NULL, NULL));
  CHECK_REJECTS(banyan_gate_balanced(&scores, NULL, weights, NULL, NULL), "topk_idx is NULL");
}

static void check_dense_to_sparse(void) {
  const banyan_gate_scores scores = scores_of(kScores, 2, 4);
  banyan_gate_dense_to_sparse_options options = BANYAN_GATE_DENSE_TO_SPARSE_OPTIONS_INIT;
  int64_t idx[8];
  float weights[8];
  size_t used_k = 0;
  CHECK_OK(banyan_gate_dense_to_sparse(&scores, NULL, idx, weights, &used_k));
  CHECK(used_k == 4 && near(weights[0] + weights[1] + weights[2] + weights[3], 1));
  options.no_noise = 1;
  options.threshold = 0.1;
  options.end_temperature = 1;
  CHECK_OK(banyan_gate_dense_to_sparse(&scores, &options, idx, weights, &used_k));
  CHECK(used_k == 2 && idx[0] == 1 && idx[1] == 2 && idx[2] == -1 && weights[2] == 0 && idx[4] == 3);
  options.start_temperature = -1;
  CHECK_REJECTS(banyan_gate_dense_to_sparse(&scores, &options, idx, weights, &used_k), "start_temperature is -1");
  CHECK_REJECTS(banyan_gate_dense_to_sparse(&scores, NULL, idx, weights, NULL), "used_k is NULL");
}

static void check_topology(void) {
  static const unsigned char kLocal[4] = {1, 1, 0, 0};
  const banyan_gate_scores scores = scores_of(kScores, 2, 4);
  banyan_gate_topology_options options = BANYAN_GATE_TOPOLOGY_OPTIONS_INIT;
  int64_t idx[4];
  float weights[4];
  size_t leaving = 9;
  double first_order = 0, link_sum = 0;
  CHECK_REJECTS(banyan_gate_topology(&scores, &options, idx, weights, &leaving), "options.is_local is NULL");
  options.is_local = kLocal;
  CHECK_REJECTS(banyan_gate_topology(&scores, &options, idx, weights, NULL), "num_leaving is NULL");
  options.limit = 1;
  CHECK_OK(banyan_gate_topology(&scores, &options, idx, weights, &leaving));
  CHECK(leaving == 1 && idx[0] == 1 && idx[1] == 0 && idx[2] == 3 && idx[3] == 2);
  CHECK_OK(banyan_gate_outgoing_share(50e9 / 8, 88e9 / 8, 4, &first_order, &link_sum));
  CHECK(fabs(first_order - 0.142) < 5e-4 && fabs(link_sum - 0.124) < 5e-4);
  CHECK_OK(banyan_gate_outgoing_share(1, 1, 1, NULL, NULL));
  CHECK_REJECTS(banyan_gate_outgoing_share(1, 1, 0, NULL, NULL), "ranks_per_node is 0");
}

static void check_capacities(void) {
  banyan_gate_capacity_options capacity = BANYAN_GATE_CAPACITY_OPTIONS_INIT;
  banyan_gate_drop_options options = BANYAN_GATE_DROP_OPTIONS_INIT;
  banyan_gate_drop_result result;
  const size_t capacities[2] = {1, 0};
  int64_t idx[3] = {0, 0, 1}, positions[3];
  float weights[3] = {0.2f, 0.7f, 0.5f};
  size_t room = 0, requested[2], kept[2];
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  result.positions = positions;
  result.requested = requested;
  result.kept = kept;
  CHECK_REJECTS(banyan_gate_capacity(&capacity, &room), "options.num_experts is 0");
  capacity.num_experts = 2;
  capacity.num_tokens = 3;
  CHECK_OK(banyan_gate_capacity(&capacity, &room));
  CHECK(room == 2);
  capacity.formula = 4;
  CHECK_REJECTS(banyan_gate_capacity(&capacity, &room), "options.formula is 4");
  CHECK_REJECTS(banyan_gate_capacity(&capacity, NULL), "capacity is NULL");
  options.num_tokens = 3;
  options.num_experts = 2;
  CHECK_REJECTS(banyan_gate_apply_capacity(&options, idx, weights, &result), "options.capacity is 0");
  options.capacities = capacities;
  options.policy = 9;
  CHECK_REJECTS(banyan_gate_apply_capacity(&options, idx, weights, &result), "options.policy is 9");
  options.policy = BANYAN_GATE_DROP_SCORE;
  CHECK_REJECTS(banyan_gate_apply_capacity(&options, idx, NULL, &result), "topk_weights is NULL");
  CHECK_REJECTS(banyan_gate_apply_capacity(&options, NULL, weights, &result), "topk_idx is NULL");
  CHECK(idx[0] == 0 && weights[0] == 0.2f);
  CHECK_OK(banyan_gate_apply_capacity(&options, idx, weights, &result));
  CHECK(idx[0] == -1 && idx[1] == 0 && idx[2] == -1 && weights[0] == 0 && weights[1] == 0.7f && weights[2] == 0);
  CHECK(positions[0] == -1 && positions[1] == 0 && positions[2] == -1 && result.num_dropped == 2);
  CHECK(requested[0] == 2 && kept[0] == 1 && requested[1] == 1 && kept[1] == 0);
  idx[0] = 2;
  CHECK_REJECTS(banyan_gate_apply_capacity(&options, idx, weights, &result), "topk_idx[0, 0] (token, choice) is 2");
}

/** The gradient, which is float, against differences of the loss, which is double, of scores that are float. */
static void check_gradient(const banyan_gate_loss_options* options) {
  float values[8], gradient[8];
  double loss = 0, above = 0, below = 0;
  banyan_gate_scores scores = scores_of(values, 2, 4);
  size_t at;
  memcpy(values, kScores, sizeof values);
  CHECK_OK(banyan_gate_loss(&scores, options, &loss, gradient));
  for (at = 0; at < 8; ++at) {
    const float kept = values[at], step = 1.0f / 1024;
    values[at] = kept + step;
    CHECK_OK(banyan_gate_loss(&scores, options, &above, NULL));
    values[at] = kept - step;
    CHECK_OK(banyan_gate_loss(&scores, options, &below, NULL));
    values[at] = kept;
    CHECK(fabs(gradient[at] - (above - below) / (2.0 * step)) < 1e-5 * (1 + fabs(loss)));
  }
}

static void check_losses(void) {
  static const int64_t kChoices[4] = {1, 0, 3, 2};
  static const float kNoise[8] = {0.1f, 0.2f, -0.3f, 0, 0.4f, 0, 0.1f, -0.2f};
  static const double kTarget[4] = {4, 2, 1, 1}, kEven[4] = {3, 3, 3, 3};
  const banyan_gate_scores scores = scores_of(kScores, 2, 4);
  banyan_gate_loss_options options = BANYAN_GATE_LOSS_OPTIONS_INIT;
  double plain = 0, even = 0, loss = 9;
  CHECK_REJECTS(banyan_gate_loss(&scores, &options, &loss, NULL), "options.topk_idx is NULL");
  options.top_k = 2;
  options.topk_idx = kChoices;
  options.target = kTarget;
  options.noise = kNoise;
  options.noise_std = 0.5;
  options.num_groups = 2;
  for (options.kind = BANYAN_GATE_LOSS_BALANCE; options.kind <= BANYAN_GATE_LOSS_ALIGNMENT; ++options.kind) {
    check_gradient(&options);
  }
  CHECK_REJECTS(banyan_gate_loss(&scores, &options, &loss, NULL), "options.kind is 7");
  options.kind = BANYAN_GATE_LOSS_BALANCE;
  CHECK_OK(banyan_gate_loss(&scores, &options, &plain, NULL));
  options.kind = BANYAN_GATE_LOSS_TOPOLOGY;
  options.target = kEven;
  CHECK_OK(banyan_gate_loss(&scores, &options, &even, NULL));
  CHECK(plain == even);
  options.target = NULL;
  CHECK_REJECTS(banyan_gate_loss(&scores, &options, &loss, NULL), "options.target is NULL");
  CHECK_REJECTS(banyan_gate_loss(&scores, NULL, &loss, NULL), "options is NULL");
  CHECK_REJECTS(banyan_gate_loss(&scores, &options, NULL, NULL), "loss is NULL");
  CHECK_REJECTS(banyan_gate_loss(NULL, &options, &loss, NULL), "scores is NULL");
  CHECK(loss == 9);
}

int main(void) {
  check_topk();
  check_topk_refusals();
  check_bias();
  check_ktop1_and_hash();
  check_expert_choice();
  check_balanced();
  check_dense_to_sparse();
  check_topology();
  check_capacities();
  check_losses();
  return check_summary();
}
