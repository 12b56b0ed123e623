/* SPDX-License-Identifier: Apache-2.0 */
/** Popularity, placements, moves and shadowing from C: what they come to, and arguments that are wrong. */
#include <math.h>
#include <stdint.h>

#include "check.h"

static banyan_topology* machine(const char* description) {
  banyan_topology* topology = NULL;
  CHECK_OK(banyan_topology_synthetic(description, &topology));
  return topology;
}

static void check_text(char* text, const char* part) {
  CHECK(text != NULL && strstr(text, part) != NULL);
  banyan_string_free(text);
}

static void test_popularity(void) {
  banyan_popularity_config config = BANYAN_POPULARITY_CONFIG_INIT;
  banyan_popularity *popularity = NULL, *again = NULL;
  banyan_popularity_info info;
  const int64_t first[4] = {0, 0, 1, 1}, second[4] = {2, 2, 2, 0};
  double load[3] = {9, 9, 9};
  char *text = NULL, *json = NULL;
  config.num_layers = 2;
  config.num_experts = 3;
  config.top_k = 1;
  CHECK_OK(banyan_popularity_create(&config, &popularity));
  CHECK_OK(banyan_popularity_observe(popularity, 0, first, 4, 1));
  CHECK_OK(banyan_popularity_observe(popularity, 1, second, 4, 1));
  CHECK_OK(banyan_popularity_export(popularity, BANYAN_FORMAT_JSON, &json));
  CHECK_OK(banyan_popularity_import(json, &again));
  CHECK_OK(banyan_popularity_observe(again, 0, first, 3, 0));
  CHECK_OK(banyan_popularity_predict(again, load));
  CHECK(load[0] == 0.5 && load[1] == 0 && load[2] == 2.5);
  info.struct_size = sizeof info;
  CHECK_OK(banyan_popularity_get_info(again, &info));
  CHECK(info.num_layers == 2 && info.num_experts == 3 && info.top_k == 1 && info.path_length == 3);
  CHECK(info.num_tokens == 3 && info.last_layer == 0 && info.full_paths == 3 && info.shorter_paths == 0);
  CHECK(info.unknown == 0 && info.num_paths == 4);
  CHECK_OK(banyan_popularity_export(again, BANYAN_FORMAT_TEXT, &text));
  check_text(text, "3 experts in 2 layers");
  banyan_string_free(json);
  banyan_popularity_free(again);
  banyan_popularity_free(popularity);
  banyan_popularity_free(NULL);
}

static void test_popularity_arguments(void) {
  banyan_popularity_config config = BANYAN_POPULARITY_CONFIG_INIT;
  banyan_popularity *popularity = NULL, *other = NULL;
  banyan_popularity_info info;
  const int64_t choices[2] = {0, 5};
  double load[4];
  char* text = NULL;
  CHECK_REJECTS(banyan_popularity_create(NULL, &popularity), "config");
  CHECK_REJECTS(banyan_popularity_create(&config, NULL), "popularity");
  CHECK_REJECTS(banyan_popularity_create(&config, &popularity), "num_layers is 0");
  config.num_layers = 2;
  config.num_experts = 4;
  config.top_k = 1;
  config.decay = NAN;
  CHECK_REJECTS(banyan_popularity_create(&config, &popularity), "decay is nan");
  config.decay = 0;
  config.struct_size = 2;
  CHECK_REJECTS(banyan_popularity_create(&config, &popularity), "struct_size");
  config.struct_size = sizeof config;
  CHECK(popularity == NULL);
  CHECK_OK(banyan_popularity_create(&config, &popularity));
  CHECK_REJECTS(banyan_popularity_observe(NULL, 0, choices, 1, 1), "popularity");
  CHECK_REJECTS(banyan_popularity_observe(popularity, 0, NULL, 1, 1), "topk_idx");
  CHECK_REJECTS(banyan_popularity_observe(popularity, 0, choices, 2, 1), "topk_idx of token 1 has 5");
  CHECK_REJECTS(banyan_popularity_observe(popularity, -1, choices, 1, 1), "layer is -1");
  CHECK_REJECTS(banyan_popularity_predict(popularity, load), "no layer");
  CHECK_OK(banyan_popularity_observe(popularity, 0, NULL, 0, 1));
  CHECK_REJECTS(banyan_popularity_predict(popularity, NULL), "load");
  CHECK_OK(banyan_popularity_predict(popularity, load));
  CHECK_REJECTS(banyan_popularity_get_info(popularity, NULL), "info");
  info.struct_size = 0;
  CHECK_REJECTS(banyan_popularity_get_info(popularity, &info), "struct_size");
  CHECK_REJECTS(banyan_popularity_export(popularity, BANYAN_FORMAT_JSON, NULL), "text");
  CHECK_FAILS(banyan_popularity_export(popularity, BANYAN_FORMAT_SVG, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT or JSON");
  CHECK_REJECTS(banyan_popularity_import(NULL, &other), "text");
  CHECK_FAILS(banyan_popularity_import("{}", &other), BANYAN_ERR_FORMAT, "format: is missing");
  CHECK_FAILS(banyan_popularity_import("{\n", &other), BANYAN_ERR_FORMAT, "text:");
  CHECK(other == NULL && text == NULL);
  banyan_popularity_free(popularity);
}

/** Four hosts of two ranks; expert 0 is hot. The map of the start has experts 2r and 2r + 1 on rank r. */
static banyan_placement* hot_placement(const banyan_topology* topology, banyan_placement** start) {
  banyan_placement_config config = BANYAN_PLACEMENT_CONFIG_INIT;
  banyan_placement* placement = NULL;
  double load[16];
  int numbers[16], ranks[16], expert;
  for (expert = 0; expert < 16; ++expert) {
    load[expert] = expert == 0 ? 400 : 20;
    numbers[expert] = 1;
    ranks[expert] = expert / 2;
  }
  config.topology = topology;
  config.num_experts = 16;
  config.load = load;
  CHECK_OK(banyan_placement_from_replicas(&config, numbers, ranks, start));
  config.home = ranks;
  config.slots_per_rank = 3;
  config.epoch = 100;
  CHECK_OK(banyan_placement_create(&config, &placement));
  return placement;
}

static void test_placement(void) {
  banyan_topology* topology = machine("4:2 nic=10gbit");
  banyan_placement *start = NULL, *placement = hot_placement(topology, &start), *later = NULL;
  banyan_placement_info info, before;
  int numbers[16], ranks[64], expert, rank, at = 0, i;
  double shares[8], sum;
  size_t counts[8], rows;
  char* text = NULL;
  before.struct_size = info.struct_size = sizeof info;
  CHECK_OK(banyan_placement_get_info(start, &before));
  CHECK(before.num_ranks == 8 && before.num_hosts == 4 && before.num_experts == 16 && before.num_replicas == 16);
  CHECK(fabs(before.max_load - 420) < 1e-6 && before.epoch == 0);
  CHECK_OK(banyan_placement_get_info(placement, &info));
  CHECK(info.epoch == 100 && info.digest != before.digest && fabs(info.mean_load - 87.5) < 1e-6);
  CHECK(fabs(info.max_load_before - 420) < 1e-6 && fabs(info.max_load - 116) < 1e-6);
  CHECK(info.remote_rows < info.remote_rows_before);
  CHECK_OK(banyan_placement_replicas(placement, NULL, NULL));
  CHECK_OK(banyan_placement_replicas(placement, numbers, ranks));
  CHECK(numbers[0] == 5 && ranks[0] == 0); /* n_0 = 8 * 400 / 700 = 4.6 */
  for (expert = 0; expert < 16; ++expert) {
    for (rank = 0; rank < 8; ++rank) {
      CHECK_OK(banyan_placement_shares(placement, rank, expert, shares));
      CHECK_OK(banyan_placement_split(placement, rank, expert, 1000, counts));
      for (i = 0, sum = 0, rows = 0; i < numbers[expert]; ++i) {
        sum += shares[i];
        rows += counts[i];
        CHECK(shares[i] >= 0 && fabs((double)counts[i] - 1000 * shares[i]) <= 1.001);
      }
      CHECK(fabs(sum - 1) < 1e-12 && rows == 1000);
    }
    at += numbers[expert];
  }
  CHECK(at == info.num_replicas);
  CHECK_OK(banyan_placement_with_epoch(placement, 200, &later));
  CHECK_OK(banyan_placement_get_info(later, &before));
  CHECK(before.epoch == 200 && before.digest != info.digest && before.max_load == info.max_load);
  CHECK_OK(banyan_placement_export(placement, BANYAN_FORMAT_TEXT, &text));
  check_text(text, "from step 100 on");
  CHECK_OK(banyan_placement_export(placement, BANYAN_FORMAT_JSON, &text));
  check_text(text, "\"banyan-placement-1\"");
  banyan_placement_free(later);
  banyan_placement_free(placement);
  banyan_placement_free(start);
  banyan_placement_free(NULL);
  banyan_topology_free(topology);
}

static void test_placement_arguments(void) {
  banyan_topology* topology = machine("1:2");
  banyan_placement_config config = BANYAN_PLACEMENT_CONFIG_INIT;
  banyan_placement *placement = NULL, *other = NULL;
  banyan_placement_info info;
  const double load[3] = {1, 2, 3}, bad[3] = {1, INFINITY, 3};
  const int slots[2] = {1, 1}, numbers[3] = {1, 1, 1}, ranks[3] = {0, 1, 5};
  double shares[2];
  size_t counts[2];
  char* text = NULL;
  CHECK_REJECTS(banyan_placement_create(NULL, &placement), "config");
  CHECK_REJECTS(banyan_placement_create(&config, NULL), "placement");
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "config.topology");
  config.topology = topology;
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "num_experts is 0");
  config.num_experts = 3;
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "load and rank_load");
  config.load = bad;
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "load[1] is inf");
  config.load = load;
  config.slots = slots;
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "too few for 3 experts");
  config.slots = NULL;
  config.fill_slots = 3;
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "fill_slots is 3");
  config.fill_slots = 0;
  config.struct_size = sizeof config + 8;
  CHECK_REJECTS(banyan_placement_create(&config, &placement), "struct_size");
  config.struct_size = sizeof config;
  CHECK_REJECTS(banyan_placement_from_replicas(NULL, numbers, ranks, &placement), "config");
  CHECK_REJECTS(banyan_placement_from_replicas(&config, NULL, ranks, &placement), "num_replicas");
  CHECK_REJECTS(banyan_placement_from_replicas(&config, numbers, NULL, &placement), "ranks");
  CHECK_REJECTS(banyan_placement_from_replicas(&config, numbers, ranks, NULL), "placement");
  CHECK_REJECTS(banyan_placement_from_replicas(&config, numbers, ranks, &placement), "ranks of expert 2 have 5");
  CHECK(placement == NULL);
  CHECK_OK(banyan_placement_create(&config, &placement));
  CHECK_REJECTS(banyan_placement_with_epoch(NULL, 1, &other), "placement");
  CHECK_REJECTS(banyan_placement_with_epoch(placement, 1, NULL), "copy");
  CHECK_REJECTS(banyan_placement_get_info(NULL, &info), "placement");
  info.struct_size = 1;
  CHECK_REJECTS(banyan_placement_get_info(placement, &info), "struct_size");
  CHECK_REJECTS(banyan_placement_replicas(NULL, NULL, NULL), "placement");
  CHECK_REJECTS(banyan_placement_shares(placement, 2, 0, shares), "source_rank is 2");
  CHECK_REJECTS(banyan_placement_shares(placement, 0, 3, shares), "expert is 3");
  CHECK_REJECTS(banyan_placement_shares(placement, 0, 0, NULL), "shares");
  CHECK_REJECTS(banyan_placement_split(placement, 0, 0, 1, NULL), "counts");
  CHECK_FAILS(banyan_placement_split(placement, 0, 0, SIZE_MAX, counts), BANYAN_ERR_LIMIT, "2^53");
  CHECK_FAILS(banyan_placement_export(placement, BANYAN_FORMAT_IR, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT or JSON");
  CHECK_REJECTS(banyan_placement_export(placement, BANYAN_FORMAT_TEXT, NULL), "text");
  banyan_placement_free(placement);
  banyan_topology_free(topology);
}

static void test_moves(void) {
  banyan_topology *topology = machine("4:2 nic=10gbit"), *small = machine("1:2");
  banyan_placement *start = NULL, *placement = hot_placement(topology, &start), *other = NULL;
  banyan_placement_config config = BANYAN_PLACEMENT_CONFIG_INIT;
  banyan_moves* moves = NULL;
  banyan_moves_info info;
  banyan_move move;
  banyan_move_link link;
  const double one[1] = {1};
  size_t bytes[16], k;
  uint64_t sum = 0, remote = 0;
  char* text = NULL;
  for (k = 0; k < 16; ++k) {
    bytes[k] = 1000;
  }
  CHECK_OK(banyan_placement_moves(start, placement, bytes, &moves));
  info.struct_size = sizeof info;
  CHECK_OK(banyan_moves_get_info(moves, &info));
  CHECK(info.num_moves >= 4 && info.bytes == 1000 * info.num_moves && info.peak_slots == 3 && info.time_s > 0);
  for (k = 0; k < info.num_moves; ++k) {
    move.struct_size = sizeof move;
    CHECK_OK(banyan_moves_get(moves, k, &move));
    CHECK(move.bytes == 1000 && move.from_rank == move.expert / 2 && move.to_rank != move.from_rank);
    sum += move.bytes;
  }
  CHECK(sum == info.bytes);
  for (k = 0; k < info.num_links; ++k) {
    link.struct_size = sizeof link;
    CHECK_OK(banyan_moves_link(moves, k, &link));
    CHECK(strncmp(link.name, "node", 4) == 0 && link.time_s <= info.time_s && link.capacity_bytes_per_s > 0);
    remote += link.incoming ? link.bytes : 0;
  }
  CHECK(remote == info.remote_bytes);
  CHECK_OK(banyan_moves_export(moves, BANYAN_FORMAT_TEXT, &text));
  check_text(text, "rank 0 -> rank");
  CHECK_OK(banyan_moves_export(moves, BANYAN_FORMAT_JSON, &text));
  check_text(text, "\"banyan-moves-1\"");
  move.struct_size = sizeof move;
  link.struct_size = sizeof link;
  CHECK_REJECTS(banyan_moves_get(moves, info.num_moves, &move), "index is ");
  CHECK_REJECTS(banyan_moves_get(moves, 0, NULL), "move");
  CHECK_REJECTS(banyan_moves_link(moves, info.num_links, &link), "index is ");
  CHECK_REJECTS(banyan_moves_link(moves, 0, NULL), "link");
  CHECK_REJECTS(banyan_moves_get_info(NULL, &info), "moves");
  text = NULL;
  CHECK_FAILS(banyan_moves_export(moves, BANYAN_FORMAT_SVG, &text), BANYAN_ERR_NOT_SUPPORTED, "TEXT or JSON");
  banyan_moves_free(moves);
  banyan_moves_free(NULL);
  config.topology = small;
  config.num_experts = 1;
  config.load = one;
  CHECK_OK(banyan_placement_create(&config, &other));
  moves = NULL;
  CHECK_REJECTS(banyan_placement_moves(start, other, bytes, &moves), "16 experts");
  CHECK_REJECTS(banyan_placement_moves(NULL, other, bytes, &moves), "from");
  CHECK_REJECTS(banyan_placement_moves(start, NULL, bytes, &moves), "to is NULL");
  CHECK_REJECTS(banyan_placement_moves(start, placement, NULL, &moves), "expert_bytes");
  CHECK_REJECTS(banyan_placement_moves(start, placement, bytes, NULL), "moves");
  CHECK(moves == NULL);
  banyan_placement_free(other);
  banyan_placement_free(start);
  banyan_placement_free(placement);
  banyan_topology_free(topology);
  banyan_topology_free(small);
}

static void test_shadow(void) {
  banyan_shadow_config config = BANYAN_SHADOW_CONFIG_INIT;
  banyan_shadow_result result;
  int64_t counts[4] = {5000, 10, 5000, 10};
  int shadowed[2] = {7, 7};
  result.struct_size = sizeof result;
  CHECK_REJECTS(banyan_shadow_decide(NULL, shadowed, &result), "config");
  CHECK_REJECTS(banyan_shadow_decide(&config, shadowed, &result), "num_ranks is 0");
  config.num_ranks = 2;
  config.num_experts = 2;
  CHECK_REJECTS(banyan_shadow_decide(&config, shadowed, &result), "config.counts");
  config.counts = counts;
  CHECK_REJECTS(banyan_shadow_decide(&config, shadowed, &result), "hidden is 0");
  config.hidden = 1024;
  config.flops_per_s = 11.5e12;
  CHECK_REJECTS(banyan_shadow_decide(&config, shadowed, &result), "bandwidth_bytes_per_s is 0");
  config.bandwidth_bytes_per_s = 6.25e9;
  config.policy = 9;
  CHECK_REJECTS(banyan_shadow_decide(&config, shadowed, &result), "config.policy is 9");
  config.policy = BANYAN_SHADOW_PAPER;
  CHECK_REJECTS(banyan_shadow_decide(&config, NULL, &result), "shadowed");
  counts[1] = -1;
  CHECK_REJECTS(banyan_shadow_decide(&config, shadowed, &result), "counts[1] is -1");
  counts[1] = 10;
  CHECK(shadowed[0] == 7 && shadowed[1] == 7);
  CHECK_OK(banyan_shadow_decide(&config, shadowed, &result));
  CHECK(shadowed[0] == 1 && shadowed[1] == 0 && result.num_shadowed == 1);
  CHECK(result.max_before == 10000 && result.max_after == 5020 && result.time_after_s < result.time_before_s);
  config.policy = BANYAN_SHADOW_FASTMOE;
  CHECK_OK(banyan_shadow_decide(&config, shadowed, NULL));
  CHECK(shadowed[0] == 1 && shadowed[1] == 0);
}

int main(void) {
  test_popularity();
  test_popularity_arguments();
  test_placement();
  test_placement_arguments();
  test_moves();
  test_shadow();
  return check_summary();
}
