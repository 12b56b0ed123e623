// SPDX-License-Identifier: Apache-2.0
#include "common/program.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <exception>

#include "common/failure.hpp"

namespace banyan::perf {

int run_program(const char* name, const std::function<int()>& body) {
  try {
    return body();
  } catch (const UsageError& error) {
    fmt::print(stderr, "{}: {}\n{}: --help lists the options\n", name, error.what(), name);
    return kExitUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return kExitFailed;
  }
}

}  // namespace banyan::perf
