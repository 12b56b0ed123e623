// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// Failure: beyond int, which MPI 3.1's counts are.
[[nodiscard]] int to_int(size_t value);
/// The same of each, into `ints`, which keeps its memory.
void to_ints(const std::vector<size_t>& values, std::vector<int>& ints);

/// Elements as a contiguous MPI type, bytes as MPI_BYTE, so that counts are the same as Banyan's.
class ElementType {
 public:
  explicit ElementType(size_t size);
  ~ElementType() {
    if (type_ != MPI_BYTE) {
      MPI_Type_free(&type_);
    }
  }
  ElementType(const ElementType&) = delete;
  ElementType& operator=(const ElementType&) = delete;
  [[nodiscard]] MPI_Datatype get() const noexcept { return type_; }

 private:
  MPI_Datatype type_ = MPI_BYTE;
};

}  // namespace banyan::perf
