/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where experts are: how popular they will be, which are copied to which ranks, how each rank's rows are shared out
 * among the copies, and how a running job gets from one map to the next. docs/placement.md explains it with an example.
 * All of it is a pure function of its input: ranks that give equal input get equal results without a message. Host
 * memory; nothing here is collective. A row is one token for one of its top_k experts.
 */
#ifndef BANYAN_PLACEMENT_H
#define BANYAN_PLACEMENT_H

#include "banyan/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is known of the paths that tokens take through experts. One thread at a time. */
typedef struct banyan_popularity banyan_popularity;
/** A map from experts to ranks, with shares, from an epoch on. Immutable. Any thread. */
typedef struct banyan_placement banyan_placement;
/** The copies of weights that lead from one map to another. Immutable. Any thread. */
typedef struct banyan_moves banyan_moves;

/**
 * How paths are learnt. Start from BANYAN_POPULARITY_CONFIG_INIT; zero means default.
 * Source: Lina (arXiv 2210.17223), estimation of popularity for inference: tokens with the same choices in the last
 * layers choose alike in the next; its paths are of 3 layers.
 */
typedef struct banyan_popularity_config {
  size_t struct_size;
  int num_layers;           /**< of experts, 1 to 4096; required */
  int num_experts;          /**< of each layer, 1 to 65536; required */
  int top_k;                /**< choices of a token in a layer, at most num_experts; required */
  int path_length;          /**< layers of a path, at most 16; default 3 (Lina's l) */
  int path_choices;         /**< of a token's choices in a layer, how many of the first are in its path; default 1 */
  int max_paths;            /**< kept per layer, the ones most tokens took, at most 2^20; default 4096 */
  int max_experts_per_path; /**< kept per path, the ones chosen most; default 16 */
  double decay; /**< what was learnt of a layer is multiplied by it when more is; above 0, at most 1; default 0.99 */
} banyan_popularity_config;

#define BANYAN_POPULARITY_CONFIG_INIT \
  { sizeof(banyan_popularity_config), 0, 0, 0, 0, 0, 0, 0, 0 }

/** Makes an object that knows nothing yet. Free it with banyan_popularity_free. Errors: INVALID_ARGUMENT. */
BANYAN_API banyan_status banyan_popularity_create(const banyan_popularity_config* config,
                                                  banyan_popularity** popularity);

/**
 * Tells what the tokens of a batch chose in `layer`. Layer 0 begins a batch, then come 1, 2, ... with tokens in equal
 * positions. topk_idx: [num_tokens, top_k] int64, experts in order of preference, -1 for none (a dropped choice);
 * borrowed for the call. learn 0: the batch's paths go on, but what was learnt stays (a model that is only used).
 * Time: num_tokens * path_length lookups. Memory between calls: max_paths paths a layer; while a layer is learnt,
 * num_tokens * path_length more. Errors: INVALID_ARGUMENT (a layer out of order, another num_tokens than the batch's,
 * an index out of range or twice for one token: the text has token and value; nothing is changed).
 */
BANYAN_API banyan_status banyan_popularity_observe(banyan_popularity* popularity, int layer, const int64_t* topk_idx,
                                                   size_t num_tokens, int learn);

/**
 * The rows that each expert of the next layer is expected to get from the batch: the sum over its tokens of how often
 * tokens of the same path chose the expert. load: [num_experts]. A path that was never seen (or forgotten) is cut at
 * its older end until one is known, down to none, which is the layer's average; a layer that was never learnt is even.
 * Errors: INVALID_ARGUMENT (no layer observed yet, or the last one: there is no next).
 */
BANYAN_API banyan_status banyan_popularity_predict(banyan_popularity* popularity, double* load);

/** What an object holds, and what its last prediction was made from, in tokens. */
typedef struct banyan_popularity_info {
  size_t struct_size; /**< in: sizeof(banyan_popularity_info) */
  int num_layers, num_experts, top_k, path_length;
  size_t num_paths;     /**< kept, of all layers */
  size_t num_tokens;    /**< of the batch */
  int last_layer;       /**< of the batch; -1: none yet */
  size_t full_paths;    /**< tokens predicted from all path_length layers, or all there were */
  size_t shorter_paths; /**< tokens whose path was cut */
  size_t unknown;       /**< tokens of a layer that was never learnt */
} banyan_popularity_info;

/** Fills `info`; its struct_size must be set. */
BANYAN_API banyan_status banyan_popularity_get_info(const banyan_popularity* popularity, banyan_popularity_info* info);

/**
 * Renders as TEXT (a table of layers) or JSON (docs/placement.md; what banyan_popularity_import reads). The batch that
 * is being observed is not part of it. Free the string with banyan_string_free.
 */
BANYAN_API banyan_status banyan_popularity_export(const banyan_popularity* popularity, banyan_format format,
                                                  char** text);

/** The object that was exported as this JSON. At most 64 MiB. Errors: FORMAT (the text names the member), LIMIT. */
BANYAN_API banyan_status banyan_popularity_import(const char* text, banyan_popularity** popularity);

/** Frees it. NULL is allowed. */
BANYAN_API void banyan_popularity_free(banyan_popularity* popularity);

/** What to place where. Start from BANYAN_PLACEMENT_CONFIG_INIT; zero means default. All arrays are borrowed. */
typedef struct banyan_placement_config {
  size_t struct_size;
  const banyan_topology* topology; /**< of the ranks that share the experts; required */
  const banyan_profile* profile;   /**< NULL: nominal speeds; they break ties only */
  int num_experts;                 /**< need not be divisible by ranks; required */
  const double* load;              /**< [num_experts] rows, from all ranks alike; NULL: of `rank_load` */
  const double* rank_load; /**< [num_ranks, num_experts] rows from each rank; NULL: `load`. One of both is required */
  int slots_per_rank;      /**< experts that a rank has room for; default: as many as hold each expert once */
  const int* slots;        /**< [num_ranks], instead of slots_per_rank */
  int max_replicas;        /**< of an expert, at most one a rank; default: no limit */
  const int* home;         /**< [num_experts]: the rank where each expert is and stays; NULL: chosen here */
  int fill_slots;          /**< 1: more replicas than n_e asks for, where they help; default 0 */
  double balance_slack;    /**< rows may stay in their host where this raises the largest load by up to this part of
                                it (0.05: 5 %), but never above the unreplicated one; default 0 */
  uint64_t epoch;          /**< first step in which the map holds */
} banyan_placement_config;

#define BANYAN_PLACEMENT_CONFIG_INIT \
  { sizeof(banyan_placement_config), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Decides which ranks hold which experts, and which share of each rank's rows goes to which replica.
 * Replicas: n_e = ranks * load_e / sum of load, rounded up, at least 1 (Lina, arXiv 2210.17223: devices of an expert in
 * proportion to its popularity); where slots do not suffice, the next one goes to the expert with most rows a replica.
 * Packing: first-fit decreasing (as Lina) into ranks of the mean load, on hosts and racks that have the expert least,
 * then where most of its rows come from, then by capacity of the cost model; a heuristic. Shares: the least possible
 * largest load of a rank for these replicas, exactly, and of all such shares those by which the fewest rows leave their
 * host (a row that leaves its rack counts twice): docs/placement.md has the proof.
 * The largest load is never above that of the unreplicated map: `home`, or first-fit decreasing of whole experts.
 * Free it with banyan_placement_free. Errors: INVALID_ARGUMENT (NULL, a number out of range, a load that is negative,
 * NaN or infinite, more experts than slots, homes beyond a rank's slots: the text has field, index and value).
 */
BANYAN_API banyan_status banyan_placement_create(const banyan_placement_config* config, banyan_placement** placement);

/**
 * The map with these replicas, for example the one that a job starts with: expert e is on the num_replicas[e] ranks
 * that follow those of the experts before it in `ranks`. Shares are as of banyan_placement_create for config->load or
 * rank_load (both NULL: all experts alike); slots, home, max_replicas and fill_slots are not used. Errors:
 * INVALID_ARGUMENT (an expert without replicas, or twice on a rank; a rank out of range).
 */
BANYAN_API banyan_status banyan_placement_from_replicas(const banyan_placement_config* config, const int* num_replicas,
                                                        const int* ranks, banyan_placement** placement);

/** The same map from another epoch on, as a handle of its own. */
BANYAN_API banyan_status banyan_placement_with_epoch(const banyan_placement* placement, uint64_t epoch,
                                                     banyan_placement** copy);

/** Figures of a placement, in rows as the loads that it was made for. */
typedef struct banyan_placement_info {
  size_t struct_size; /**< in: sizeof(banyan_placement_info) */
  int num_ranks, num_hosts, num_experts;
  int num_replicas;          /**< of all experts: the length of banyan_placement_replicas' flat form */
  uint64_t epoch;            /**< first step in which the map holds */
  uint64_t digest;           /**< equal for equal ranks, experts, replicas, shares and epoch */
  double mean_load;          /**< of a rank: no placement has a smaller largest load */
  double max_load_before;    /**< of the busiest rank, of the unreplicated map; as max_load for given replicas */
  double max_load;           /**< of the busiest rank, predicted */
  double remote_rows_before; /**< rows that leave their host, of the unreplicated map */
  double remote_rows;        /**< rows that leave their host, predicted */
} banyan_placement_info;

/** Fills `info`; its struct_size must be set. */
BANYAN_API banyan_status banyan_placement_get_info(const banyan_placement* placement, banyan_placement_info* info);

/**
 * Which ranks hold which experts. num_replicas: [num_experts], ranks: [info.num_replicas], those of expert 0 in
 * ascending order, then those of expert 1, and so on. Either may be NULL.
 */
BANYAN_API banyan_status banyan_placement_replicas(const banyan_placement* placement, int* num_replicas, int* ranks);

/**
 * The part of source_rank's rows for the expert that each of its replicas gets, in order of banyan_placement_replicas.
 * shares: [replicas of the expert], of sum 1. Errors: INVALID_ARGUMENT.
 */
BANYAN_API banyan_status banyan_placement_shares(const banyan_placement* placement, int source_rank, int expert,
                                                 double* shares);

/**
 * Splits `rows` rows of source_rank for the expert by shares, each replica within a row of its own. counts: [replicas
 * of the expert], of sum `rows`; the first counts[0] rows go to the first replica, and so on. Errors: INVALID_ARGUMENT,
 * LIMIT (2^53 rows or more).
 */
BANYAN_API banyan_status banyan_placement_split(const banyan_placement* placement, int source_rank, int expert,
                                                size_t rows, size_t* counts);

/** Renders as TEXT (a table of experts) or JSON (docs/placement.md). Free the string with banyan_string_free. */
BANYAN_API banyan_status banyan_placement_export(const banyan_placement* placement, banyan_format format, char** text);

/** Frees it. NULL is allowed. */
BANYAN_API void banyan_placement_free(banyan_placement* placement);

/**
 * The copies of weights that must be made before `to` holds, if `from` holds now; a pure function, equal on all ranks.
 * Each rank that is to hold an expert and does not copies it from one that does: of those in the nearest tier (same
 * memory, host, rack) the one that sends fewest bytes by then, then the lowest. In order of expert and rank. Copies may
 * run in the background, in any order, until step `to`'s epoch. expert_bytes: [num_experts], of one copy. Free with
 * banyan_moves_free. Errors: INVALID_ARGUMENT (other ranks, hosts or experts in both), LIMIT (a sum that overflows).
 */
BANYAN_API banyan_status banyan_placement_moves(const banyan_placement* from, const banyan_placement* to,
                                                const size_t* expert_bytes, banyan_moves** moves);

/** Figures of moves. */
typedef struct banyan_moves_info {
  size_t struct_size; /**< in: sizeof(banyan_moves_info) */
  size_t num_moves;
  size_t num_links;      /**< that bytes cross, see banyan_moves_link */
  uint64_t bytes;        /**< of all moves */
  uint64_t remote_bytes; /**< of those between hosts */
  int peak_slots;        /**< most experts that a rank holds while both maps are needed */
  double time_s; /**< largest of the links' time_s: the least that the copies can take; 0: no capacity is known */
} banyan_moves_info;

/** Fills `info`; its struct_size must be set. */
BANYAN_API banyan_status banyan_moves_get_info(const banyan_moves* moves, banyan_moves_info* info);

/** One copy. */
typedef struct banyan_move {
  size_t struct_size; /**< in: sizeof(banyan_move) */
  int expert, from_rank, to_rank;
  uint64_t bytes;
} banyan_move;

/** Fills `move` with copy `index`, below num_moves; its struct_size must be set. */
BANYAN_API banyan_status banyan_moves_get(const banyan_moves* moves, size_t index, banyan_move* move);

/** What crosses a directed link: all that leaves, or all that enters, a subtree of the topology's tree. */
typedef struct banyan_move_link {
  size_t struct_size; /**< in: sizeof(banyan_move_link) */
  char name[64];      /**< of the subtree, as topologies export it: "node0" */
  int incoming;       /**< 1: bytes enter it; 0: they leave it */
  uint64_t bytes;
  double capacity_bytes_per_s; /**< 0: no limit known */
  double time_s;               /**< bytes / capacity */
} banyan_move_link;

/** Fills `link` with link `index`, below num_links; its struct_size must be set. */
BANYAN_API banyan_status banyan_moves_link(const banyan_moves* moves, size_t index, banyan_move_link* link);

/** Renders as TEXT or JSON (docs/placement.md). Free the string with banyan_string_free. */
BANYAN_API banyan_status banyan_moves_export(const banyan_moves* moves, banyan_format format, char** text);

/** Frees it. NULL is allowed. */
BANYAN_API void banyan_moves_free(banyan_moves* moves);

/** Which experts are worth shadowing, that is, sent to all ranks so that their tokens stay where they are. */
typedef enum banyan_shadow_policy {
  /** FasterMoE (doi 10.1145/3503221.3508418) algorithm 1 with formulas 7 and 8: tokens of a shadowed expert are
     computed by their source ranks; two transfers of weights an expert (out, and gradients back); no token transfer
     after. */
  BANYAN_SHADOW_PAPER = 0,
  /** laekov/fastmoe v1.1.0, fmoe/fastermoe/shadow_policy.py: the largest load of an expert that is left counts, with
     its token transfer; one transfer of weights an expert. */
  BANYAN_SHADOW_FASTMOE = 1
} banyan_shadow_policy;

/** Input of a shadowing decision. Start from BANYAN_SHADOW_CONFIG_INIT; zero means default. */
typedef struct banyan_shadow_config {
  size_t struct_size;
  int num_ranks, num_experts;   /**< required */
  const int64_t* counts;        /**< [num_ranks, num_experts]: tokens of each rank for each expert; required */
  const int* owner;             /**< [num_experts]; default: expert e on rank e * num_ranks / num_experts, divisible */
  size_t hidden;                /**< H, elements of a token; required */
  double alpha;                 /**< hidden size of the expert's FFN / H; default 2 (FastMoE's) */
  double flops_per_s;           /**< P of a rank; required */
  double bandwidth_bytes_per_s; /**< W_net, in bytes (the paper's is in elements); required */
  size_t element_size;          /**< bytes of an element; default 4 */
  int policy;                   /**< a banyan_shadow_policy; default: PAPER */
} banyan_shadow_config;

#define BANYAN_SHADOW_CONFIG_INIT \
  { sizeof(banyan_shadow_config), 0, 0, 0, 0, 0, 0, 0, 0, 0, BANYAN_SHADOW_PAPER }

/** What a shadowing decision came to; times of a layer, forward and backward, as its policy predicts them. */
typedef struct banyan_shadow_result {
  size_t struct_size; /**< in: sizeof(banyan_shadow_result) */
  int num_shadowed;
  double time_before_s; /**< nothing shadowed */
  double time_after_s;  /**< as decided */
  int64_t max_before;   /**< PAPER: tokens of the busiest rank; FASTMOE: of the busiest expert */
  int64_t max_after;    /**< the same as decided */
} banyan_shadow_result;

/**
 * Decides by FasterMoE's greedy search: experts by decreasing load, each shadowed while that lowers the predicted time,
 * ended by the first that does not. With B tokens on the busiest rank, r experts shadowed, s = element_size:
 *   PAPER    before (7): 3 * 4 B alpha H^2 / P + 4 B H s / W       after (8): 3 * 4 B' alpha H^2 / P + 2 r * 2 alpha
 * H^2 s / W FASTMOE  (3 * 4 alpha H^2 / P + 4 H s / W) B_k + r * 2 alpha H^2 s / W, B_k the load of the largest expert
 * left shadowed: [num_experts], 1 for experts to shadow, else 0; result may be NULL. A pure function. Any thread.
 * Errors: INVALID_ARGUMENT (a field that is missing, negative, not finite, out of range: the text has it), LIMIT (2^53
 * tokens).
 */
BANYAN_API banyan_status banyan_shadow_decide(const banyan_shadow_config* config, int* shadowed,
                                              banyan_shadow_result* result);

#ifdef __cplusplus
}
#endif

#endif
