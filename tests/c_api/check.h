/* SPDX-License-Identifier: Apache-2.0 */
/** Checks for tests in C99: each failure prints its place; check_summary() ends a program. Any thread. */
#ifndef BANYAN_TESTS_CHECK_H
#define BANYAN_TESTS_CHECK_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banyan/banyan.h"

static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;
static int check_passed = 0;
static int check_failed = 0;

static void check_count(int ok, const char* file, int line, const char* what, const char* detail) {
  pthread_mutex_lock(&check_lock);
  if (ok) {
    ++check_passed;
  } else {
    ++check_failed;
    fprintf(stderr, "%s:%d: failed: %s%s%s\n", file, line, what, *detail ? ": " : "", detail);
  }
  pthread_mutex_unlock(&check_lock);
}

/** The status must be `expected`; for errors, the text must contain `part`. */
static void check_status(banyan_status status, banyan_status expected, const char* part, const char* file, int line,
                         const char* what) {
  char detail[2600] = "";
  int ok = status == expected && (part == NULL || strstr(banyan_last_error(), part) != NULL);
  if (!ok) {
    snprintf(detail, sizeof detail, "%s, expected %s %s; text: %s", banyan_status_name(status),
             banyan_status_name(expected), part ? part : "", status == BANYAN_OK ? "" : banyan_last_error());
  }
  check_count(ok, file, line, what, detail);
}

#define CHECK(condition) check_count((condition) != 0, __FILE__, __LINE__, #condition, "")
#define CHECK_OK(call) check_status((call), BANYAN_OK, NULL, __FILE__, __LINE__, #call)
/** The call fails with this status and its text contains `part`. */
#define CHECK_FAILS(call, expected, part) check_status((call), (expected), (part), __FILE__, __LINE__, #call)
/** The call fails because an argument is wrong and the text names it. */
#define CHECK_REJECTS(call, argument) CHECK_FAILS(call, BANYAN_ERR_INVALID_ARGUMENT, argument)

/** Prints the counts and returns the program's exit status. */
static int check_summary(void) {
  printf("%d passed, %d failed\n", check_passed, check_failed);
  return check_failed != 0 || check_passed == 0;
}

#endif
