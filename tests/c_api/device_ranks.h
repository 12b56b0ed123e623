/* SPDX-License-Identifier: Apache-2.0 */
/** Ranks with devices of tests/plugins/device_host: rank r has device r, and memory of it beside the group's. */
#ifndef BANYAN_TESTS_DEVICE_RANKS_H
#define BANYAN_TESTS_DEVICE_RANKS_H

#include <dlfcn.h>
#include <stdint.h>

#include "banyan/device_plugin.h"
#include "ranks.h"

#define SCRATCH_BYTES ((size_t)1 << 20)

/** The plugin's table, as the library has it. HOST_PLUGIN is its file. */
static const banyan_device_ops* host_ops(void) {
  void* library = dlopen(HOST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  banyan_device_query_fn query = NULL;
  if (library != NULL) {
    *(void**)&query = dlsym(library, BANYAN_DEVICE_QUERY_SYMBOL);
  }
  if (query == NULL) {
    fprintf(stderr, "cannot load %s\n", HOST_PLUGIN);
    exit(1);
  }
  return query(BANYAN_DEVICE_ABI_VERSION);
}

/** Memory of a device that no group knows. */
typedef struct scratch {
  void* device;
  void* memory;
} scratch;

static scratch make_scratch(int device) {
  scratch made = {NULL, NULL};
  banyan_device_config config;
  config.struct_size = sizeof config;
  config.device = device;
  config.timeout_s = 1;
  CHECK_OK(host_ops()->open(&config, &made.device));
  CHECK_OK(host_ops()->window_create(made.device, SCRATCH_BYTES, &made.memory));
  return made;
}

static void free_scratch(scratch made) {
  CHECK_OK(host_ops()->window_free(made.device, made.memory));
  host_ops()->close(made.device);
}

static void* stream_of(int device) { return (void*)(uintptr_t)(device + 1); }

static banyan_device_group_options host_options(void) {
  banyan_device_group_options options = BANYAN_DEVICE_GROUP_OPTIONS_INIT;
  options.plugin = "host";
  options.eager_bytes = 512;
  options.timeout_s = 20;
  return options;
}

static banyan_device_group* make_group(rank_context* self) {
  const banyan_device_group_options options = host_options();
  banyan_device_group* group = NULL;
  CHECK_OK(banyan_device_group_create(self->comm, self->rank, &options, &group));
  return group;
}

/** An exchange that goes as it should; `memory` is this rank's device's. */
static inline void check_exchange(rank_context* self, banyan_device_group* group, void* memory) {
  int* const from = memory;
  int* const to = from + 64;
  int peer;
  for (peer = 0; peer < self->size; ++peer) {
    from[peer] = 100 * self->rank + peer;
  }
  CHECK_OK(banyan_device_alltoall(group, from, to, 1, sizeof(int), stream_of(self->rank)));
  for (peer = 0; peer < self->size; ++peer) {
    CHECK(to[peer] == 100 * peer + self->rank);
  }
}

/** Mappings of device memory in this process. */
static int count_mappings(void) {
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[1024];
  int count = 0;
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    count += strstr(line, "banyan-fake-device") != NULL;
  }
  CHECK(maps != NULL && fclose(maps) == 0);
  return count;
}

#endif
