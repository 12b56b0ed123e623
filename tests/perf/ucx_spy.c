// SPDX-License-Identifier: Apache-2.0
// Preloaded into rank 0 of an MPICH over UCX: appends a line to the file SPY_LOG for each message that the rank hands
// to UCX, "send BYTES" or "recv BYTES", so that a test sees which algorithm ran.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char* what, size_t bytes) {
  const char* const log = getenv("SPY_LOG");
  const char* const rank = getenv("PMI_RANK");
  if (log == NULL || rank == NULL || strcmp(rank, "0") != 0) {
    return;
  }
  char line[64];
  const int length = snprintf(line, sizeof line, "%s %zu\n", what, bytes);
  const int file = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, line, (size_t)length) != length) {
    abort();
  }
  close(file);
}

void* ucp_tag_send_nbx(void* endpoint, const void* buffer, size_t count, uint64_t tag, const void* parameters) {
  static void* (*next)(void*, const void*, size_t, uint64_t, const void*);
  if (next == NULL) {
    *(void**)&next = dlsym(RTLD_NEXT, "ucp_tag_send_nbx");
  }
  note("send", count);
  return next(endpoint, buffer, count, tag, parameters);
}

void* ucp_tag_recv_nbx(void* worker, void* buffer, size_t count, uint64_t tag, uint64_t mask, const void* parameters) {
  static void* (*next)(void*, void*, size_t, uint64_t, uint64_t, const void*);
  if (next == NULL) {
    *(void**)&next = dlsym(RTLD_NEXT, "ucp_tag_recv_nbx");
  }
  note("recv", count);
  return next(worker, buffer, count, tag, mask, parameters);
}
