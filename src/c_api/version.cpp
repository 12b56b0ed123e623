// SPDX-License-Identifier: Apache-2.0
#include "banyan/types.h"

#define BANYAN_TEXT_OF(x) #x
#define BANYAN_TEXT(x) BANYAN_TEXT_OF(x)

extern "C" {

void banyan_version(int* major, int* minor, int* patch) {
  if (major != nullptr) {
    *major = BANYAN_VERSION_MAJOR;
  }
  if (minor != nullptr) {
    *minor = BANYAN_VERSION_MINOR;
  }
  if (patch != nullptr) {
    *patch = BANYAN_VERSION_PATCH;
  }
}

const char* banyan_build_info(void) {
  return "version: " BANYAN_TEXT(BANYAN_VERSION_MAJOR) "." BANYAN_TEXT(BANYAN_VERSION_MINOR) "." BANYAN_TEXT(
             BANYAN_VERSION_PATCH) "\n"
         "compiler: " BANYAN_BUILD_COMPILER "\n"
         "build type: " BANYAN_BUILD_TYPE "\n"
         "sanitizers: " BANYAN_BUILD_SANITIZERS "\n"
         "ucx plugin: " BANYAN_BUILD_UCX_TEXT "\n";
}

}  // extern "C"
