/* SPDX-License-Identifier: Apache-2.0 */
/* A gate on the host, without a network: scores become choices, choices become rows in the experts' buffers, and a
 * small gate learns the share of tokens that the network would like each expert to get. Checks itself. */
#include <banyan/banyan.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kTokens = 256, kExperts = 8, kTopK = 2, kSteps = 400 };

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

static void require(int condition, const char* what) {
  if (!condition) {
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
  }
}

/* Dispatch and combine by hand: token t is the number t, and expert e multiplies it by e + 1. */
static void through_the_experts(const int64_t* topk_idx, const float* topk_weights, const int64_t* positions,
                                size_t capacity) {
  double* buffers = calloc(kExperts * capacity, sizeof *buffers);
  size_t at;
  int token, choice;
  require(buffers != NULL, "memory");
  for (at = 0; at < kTokens * kTopK; ++at) {
    if (topk_idx[at] >= 0) {
      double* slot = &buffers[(size_t)topk_idx[at] * capacity + (size_t)positions[at]];
      require(*slot == 0, "two rows have one slot");
      *slot = (double)(at / kTopK + 1);
    }
  }
  for (at = 0; at < kExperts * capacity; ++at) {
    buffers[at] *= (double)(at / capacity + 1);
  }
  for (token = 0; token < kTokens; ++token) {
    double combined = 0, expected = 0;
    for (choice = 0; choice < kTopK; ++choice) {
      at = (size_t)(token * kTopK + choice);
      if (topk_idx[at] >= 0) {
        combined += topk_weights[at] * buffers[(size_t)topk_idx[at] * capacity + (size_t)positions[at]];
        expected += (double)topk_weights[at] * (token + 1) * ((double)topk_idx[at] + 1);
      }
    }
    require(fabs(combined - expected) < 1e-9, "a token came back as another");
  }
  free(buffers);
}

/* Top-2 of random scores, at most 1.1 times the even load for each expert, the best tokens first. */
static void route(void) {
  banyan_gate_scores scores = BANYAN_GATE_SCORES_INIT;
  banyan_gate_topk_options gate = BANYAN_GATE_TOPK_OPTIONS_INIT;
  banyan_gate_capacity_options room = BANYAN_GATE_CAPACITY_OPTIONS_INIT;
  banyan_gate_drop_options drop = BANYAN_GATE_DROP_OPTIONS_INIT;
  banyan_gate_drop_result result = {sizeof result, 0, 0, 0, 0};
  static float values[kTokens * kExperts], topk_weights[kTokens * kTopK];
  static int64_t topk_idx[kTokens * kTopK], positions[kTokens * kTopK];
  size_t kept[kExperts], expert, at;
  srand(1);
  for (at = 0; at < kTokens * kExperts; ++at) {
    values[at] = (float)(rand() / (double)RAND_MAX + (at % kExperts == 0 ? 0.2 : 0.0));
  }
  scores.values = values;
  scores.num_tokens = kTokens;
  scores.num_experts = kExperts;
  gate.top_k = kTopK;
  gate.renormalize = 1;
  check(banyan_gate_topk(&scores, &gate, topk_idx, topk_weights));
  room.formula = BANYAN_GATE_CAPACITY_DEEPSPEED;
  room.num_tokens = kTokens;
  room.num_experts = kExperts;
  room.top_k = kTopK;
  room.factor = 1.1;
  check(banyan_gate_capacity(&room, &drop.capacity));
  drop.num_tokens = kTokens;
  drop.num_experts = kExperts;
  drop.top_k = kTopK;
  drop.policy = BANYAN_GATE_DROP_SCORE;
  result.positions = positions;
  result.kept = kept;
  check(banyan_gate_apply_capacity(&drop, topk_idx, topk_weights, &result));
  printf("capacity %zu, %zu of %d choices dropped, kept by expert:", drop.capacity, result.num_dropped,
         kTokens * kTopK);
  for (expert = 0; expert < kExperts; ++expert) {
    printf(" %zu", kept[expert]);
    require(kept[expert] <= drop.capacity, "an expert has more than it has room for");
  }
  printf("\n");
  through_the_experts(topk_idx, topk_weights, positions, drop.capacity);
}

/* Which expert each token draws from the softmax of the logits; evenly spaced draws, so that no luck is involved. */
static void draw(const float* logits, int64_t* topk_idx, double* shares) {
  double sum = 0, below = 0;
  int expert, token, chosen = 0;
  for (expert = 0; expert < kExperts; ++expert) {
    sum += exp(logits[expert]);
    shares[expert] = 0;
  }
  for (token = 0; token < kTokens; ++token) {
    while (chosen + 1 < kExperts && (token + 0.5) / kTokens > below + exp(logits[chosen]) / sum) {
      below += exp(logits[chosen++]) / sum;
    }
    topk_idx[token] = chosen;
    shares[chosen] += 1.0 / kTokens;
  }
}

/* A gate that is one vector of logits, trained by TA-MoE's loss alone: it ends at the target of this rank, which has
 * experts 0 to 3 in its node and four times as fast a way to them. */
static void learn(void) {
  static const double target[kExperts] = {4, 4, 4, 4, 1, 1, 1, 1};
  static float values[kTokens * kExperts], gradient[kTokens * kExperts];
  static int64_t topk_idx[kTokens];
  banyan_gate_scores scores = BANYAN_GATE_SCORES_INIT;
  banyan_gate_loss_options options = BANYAN_GATE_LOSS_OPTIONS_INIT;
  float logits[kExperts] = {0};
  double shares[kExperts], loss = 0;
  int step, expert, at;
  scores.values = values;
  scores.num_tokens = kTokens;
  scores.num_experts = kExperts;
  options.kind = BANYAN_GATE_LOSS_TOPOLOGY;
  options.topk_idx = topk_idx;
  options.target = target;
  for (step = 0; step < kSteps; ++step) {
    draw(logits, topk_idx, shares);
    for (at = 0; at < kTokens * kExperts; ++at) {
      values[at] = logits[at % kExperts];
    }
    check(banyan_gate_loss(&scores, &options, &loss, gradient));
    for (at = 0; at < kTokens * kExperts; ++at) {
      logits[at % kExperts] -= gradient[at];
    }
  }
  printf("loss %.4f, target and share by expert:", loss);
  for (expert = 0; expert < kExperts; ++expert) {
    printf(" %.3f %.3f%s", target[expert] / 20, shares[expert], expert + 1 < kExperts ? "," : "\n");
    require(fabs(shares[expert] - target[expert] / 20) < 0.02, "the gate did not learn the target");
  }
}

int main(void) {
  route();
  learn();
  printf("right\n");
  return 0;
}
