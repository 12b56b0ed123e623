// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace banyan::perf {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;  ///< the run failed, or data were wrong
constexpr int kExitUsage = 2;   ///< the command line or an input file is wrong

/// Runs a program's body and turns its exceptions into a text on stderr and an exit code.
[[nodiscard]] int run_program(const char* name, const std::function<int()>& body);

}  // namespace banyan::perf
