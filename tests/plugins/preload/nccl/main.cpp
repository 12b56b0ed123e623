// SPDX-License-Identifier: Apache-2.0
// main CASE...: a program that is linked with NCCL.
#include "cases.hpp"

int main(int argc, char** argv) {
  int failed = 0;
  for (int argument = 1; argument < argc; ++argument) {
    failed |= run_case(argv[argument]);
  }
  return failed;
}
