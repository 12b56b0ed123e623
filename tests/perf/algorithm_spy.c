/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Preloaded into mpi_compare by algorithm_selection_test.sh: writes to stderr, once per process, the name of each of
 * Open MPI's all-to-all functions as coll/tuned calls it, then goes on to the real one. The parameters are those of
 * ompi/mca/coll/base/coll_base_functions.h with pointers to MPI objects as void*.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void* find(const char* name) {
  void* function = dlsym(RTLD_NEXT, name);
  if (function == NULL) {
    fprintf(stderr, "algorithm_spy: no %s\n", name);
    abort();
  }
  fprintf(stderr, "algorithm_spy: %s\n", name);
  return function;
}

/* dlsym returns an object pointer; ISO C has no cast to a function pointer, POSIX guarantees the representation. */
#define FIND_ONCE(type, name) \
  static union {              \
    void* object;             \
    type function;            \
  } real;                     \
  if (real.object == NULL) {  \
    real.object = find(name); \
  }

typedef int (*uniform_fn)(const void*, int, void*, void*, int, void*, void*, void*);
typedef int (*uniform_window_fn)(const void*, int, void*, void*, int, void*, void*, void*, int);
typedef int (*variable_fn)(const void*, const int*, const int*, void*, void*, const int*, const int*, void*, void*,
                           void*);

#define SPY_UNIFORM(name)                                                                          \
  int name(const void* s, int sc, void* st, void* r, int rc, void* rt, void* comm, void* module);  \
  int name(const void* s, int sc, void* st, void* r, int rc, void* rt, void* comm, void* module) { \
    FIND_ONCE(uniform_fn, #name)                                                                   \
    return real.function(s, sc, st, r, rc, rt, comm, module);                                      \
  }
#define SPY_VARIABLE(name)                                                                                         \
  int name(const void* s, const int* sc, const int* sd, void* st, void* r, const int* rc, const int* rd, void* rt, \
           void* comm, void* module);                                                                              \
  int name(const void* s, const int* sc, const int* sd, void* st, void* r, const int* rc, const int* rd, void* rt, \
           void* comm, void* module) {                                                                             \
    FIND_ONCE(variable_fn, #name)                                                                                  \
    return real.function(s, sc, sd, st, r, rc, rd, rt, comm, module);                                              \
  }

SPY_UNIFORM(ompi_coll_base_alltoall_intra_basic_linear)
SPY_UNIFORM(ompi_coll_base_alltoall_intra_pairwise)
SPY_UNIFORM(ompi_coll_base_alltoall_intra_bruck)
SPY_UNIFORM(ompi_coll_base_alltoall_intra_two_procs)
SPY_VARIABLE(ompi_coll_base_alltoallv_intra_basic_linear)
SPY_VARIABLE(ompi_coll_base_alltoallv_intra_pairwise)

int ompi_coll_base_alltoall_intra_linear_sync(const void* s, int sc, void* st, void* r, int rc, void* rt, void* comm,
                                              void* module, int window);
int ompi_coll_base_alltoall_intra_linear_sync(const void* s, int sc, void* st, void* r, int rc, void* rt, void* comm,
                                              void* module, int window) {
  FIND_ONCE(uniform_window_fn, "ompi_coll_base_alltoall_intra_linear_sync")
  return real.function(s, sc, st, r, rc, rt, comm, module, window);
}
