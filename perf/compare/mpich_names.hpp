// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace banyan::perf {

/// The values of one of MPICH's algorithm variables, by number: MPI's tool interface gives them only in the variable's
/// description, as "NAME - text" one after the other (MPICH 4.0.2). Empty: the description is of another form.
[[nodiscard]] std::vector<std::string> mpich_algorithm_names(const std::string& description);

}  // namespace banyan::perf
