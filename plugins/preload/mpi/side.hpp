// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace banyan::preload {

/// An array among MPI's arguments: of int, or of MPI_Count or MPI_Aint. Borrowed.
class Numbers {
 public:
  Numbers() = default;
  template <std::signed_integral Number>
  Numbers(const Number* first) noexcept  // NOLINT(google-explicit-constructor): stands for the pointer
      : first_(first), is_wide_(sizeof(Number) == sizeof(int64_t)) {
    static_assert(sizeof(Number) == sizeof(int64_t) || sizeof(Number) == sizeof(int));
  }

  [[nodiscard]] bool absent() const noexcept { return first_ == nullptr; }
  [[nodiscard]] int64_t operator[](size_t index) const noexcept {
    if (!is_wide_) {
      return static_cast<const int*>(first_)[index];
    }
    int64_t number = 0;
    std::memcpy(&number, static_cast<const std::byte*>(first_) + index * sizeof number, sizeof number);
    return number;
  }

 private:
  const void* first_ = nullptr;
  bool is_wide_ = false;
};

/// One side of an all-to-all as MPI's arguments give it.
struct Side {
  void* buffer = nullptr;  ///< of the sending side: never written
  Numbers counts = {};     ///< [size] elements per rank; absent: `count` of each, one after the other
  Numbers displs = {};     ///< [size] from the buffer, extents or, with `types`, bytes; of `counts` only
  int64_t count = 0;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  const MPI_Datatype* types = nullptr;  ///< [size], of MPI_Alltoallw; else all are `type`

  [[nodiscard]] int64_t count_of(size_t rank) const noexcept { return counts.absent() ? count : counts[rank]; }
  [[nodiscard]] MPI_Datatype type_of(size_t rank) const noexcept { return types != nullptr ? types[rank] : type; }
};

/// Whether the arguments are in themselves as MPI wants them; what is not is MPI's to report. Where nothing goes, MPIs
/// differ in what may be absent: then all may.
bool is_sound(const Side& side, int size);

}  // namespace banyan::preload
