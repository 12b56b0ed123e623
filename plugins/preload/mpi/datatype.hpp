// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstddef>

namespace banyan::preload {

/// An MPI datatype as this rank lays it out. The other ranks may lay the same elements out differently.
class Datatype {
 public:
  /// Of elements that are not there.
  Datatype() = default;
  explicit Datatype(MPI_Datatype type);

  [[nodiscard]] size_t size_bytes() const noexcept { return size_bytes_; }
  [[nodiscard]] ptrdiff_t extent_bytes() const noexcept { return extent_bytes_; }
  /// Whether elements in a row are, in memory, what pack() makes of them. False where that takes long to find out.
  [[nodiscard]] bool is_contiguous() const noexcept { return contiguous_; }

  /// `count` elements at `from` to count * size_bytes() bytes at `to`. `local`: a communicator of this process alone.
  void pack(const void* from, size_t count, std::byte* to, MPI_Comm local) const;
  /// The reverse.
  void unpack(const std::byte* from, void* to, size_t count, MPI_Comm local) const;

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
  size_t size_bytes_ = 0;
  ptrdiff_t extent_bytes_ = 0;
  bool contiguous_ = true;
};

}  // namespace banyan::preload
