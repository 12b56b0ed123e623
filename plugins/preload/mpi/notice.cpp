// SPDX-License-Identifier: Apache-2.0
#include "mpi/notice.hpp"

#include <cstdio>

namespace banyan::preload {

void say(const std::string& text) { std::fprintf(stderr, "banyan preload: %s\n", text.c_str()); }

}  // namespace banyan::preload
