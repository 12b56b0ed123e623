/* SPDX-License-Identifier: Apache-2.0 */
/* Plans without a cluster: which algorithm would two hosts of 8 and 7 ranks use, and when would it be done? */
#include <stdio.h>
#include <stdlib.h>

#include <banyan/banyan.h>

static void check(banyan_status status) {
  if (status != BANYAN_OK) {
    fprintf(stderr, "%s: %s\n", banyan_status_name(status), banyan_last_error());
    exit(1);
  }
}

static void plan(const banyan_topology* topology, size_t bytes_per_pair) {
  banyan_plan_config config = BANYAN_PLAN_CONFIG_INIT;
  banyan_plan_info info;
  banyan_plan* result = NULL;
  config.topology = topology;
  config.bytes_per_pair = bytes_per_pair;
  info.struct_size = sizeof info;
  check(banyan_plan_create(&config, &result));
  check(banyan_plan_get_info(result, &info));
  printf("%8zu bytes per pair: %-24s predicted %10.1f us, bound %10.1f us\n", bytes_per_pair, info.algorithm,
         1e6 * info.predicted_time_s, 1e6 * info.lower_bound_s);
  banyan_plan_free(result);
}

int main(int argc, char** argv) {
  banyan_topology* topology = NULL;
  char* tree = NULL;
  check(banyan_topology_synthetic(argc > 1 ? argv[1] : "2:[8,7] nic=10gbit", &topology));
  check(banyan_topology_export(topology, BANYAN_FORMAT_TEXT, &tree));
  fputs(tree, stdout);
  banyan_string_free(tree);
  plan(topology, 64);
  plan(topology, 4096);
  plan(topology, 262144);
  banyan_topology_free(topology);
  return 0;
}
