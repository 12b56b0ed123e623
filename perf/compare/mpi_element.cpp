// SPDX-License-Identifier: Apache-2.0
#include "compare/mpi_element.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "common/failure.hpp"

namespace banyan::perf {

int to_int(size_t value) {
  if (value > static_cast<size_t>(std::numeric_limits<int>::max())) {
    throw Failure("MPI 3.1 counts are int: " + std::to_string(value) + " elements do not fit; take larger or fewer");
  }
  return static_cast<int>(value);
}

void to_ints(const std::vector<size_t>& values, std::vector<int>& ints) {
  ints.resize(values.size());
  std::transform(values.begin(), values.end(), ints.begin(), to_int);
}

ElementType::ElementType(size_t size) {
  if (size == 1) {
    return;
  }
  require_mpi(MPI_Type_contiguous(to_int(size), MPI_BYTE, &type_), "MPI_Type_contiguous");
  require_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
}

}  // namespace banyan::perf
