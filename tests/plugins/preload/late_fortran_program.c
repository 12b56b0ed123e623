/* SPDX-License-Identifier: Apache-2.0 */
/* program LIBRARY: a program without MPI or Fortran that opens a library with both, as an interpreter does. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  int (*late_fortran)(void) = library != NULL ? (int (*)(void))dlsym(library, "late_fortran") : NULL;
  uint64_t (*banyan_calls)(void) = (uint64_t(*)(void))dlsym(RTLD_DEFAULT, "banyan_preload_calls");
  if (late_fortran == NULL || banyan_calls == NULL) {
    fprintf(stderr, "wrong: no Fortran or no Banyan: %s\n", dlerror());
    return 1;
  }
  const int wrong = late_fortran();
  const int calls = (int)banyan_calls();
  if (wrong != 0 || calls != 2) {
    fprintf(stderr, "wrong: %d elements; Banyan made %d exchanges\n", wrong, calls);
  }
  return wrong != 0 || calls != 2;
}
