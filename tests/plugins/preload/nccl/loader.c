/* SPDX-License-Identifier: Apache-2.0 */
/* loader local|deep LIBRARY CASE [LIBRARY CASE]...: a program that knows nothing of NCCL loads libraries that do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  for (int argument = 2; argument + 1 < argc; argument += 2) {
    const int flags = strcmp(argv[1], "deep") == 0 ? RTLD_DEEPBIND : 0;
    void* library = dlopen(argv[argument], RTLD_NOW | RTLD_LOCAL | flags);
    if (library == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    int (*run_case)(const char*);
    *(void**)&run_case = dlsym(library, "run_case");
    if (run_case == NULL || run_case(argv[argument + 1]) != 0) {
      return 1;
    }
  }
  return 0;
}
