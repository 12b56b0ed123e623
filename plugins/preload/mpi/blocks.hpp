// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "mpi/datatype.hpp"

namespace banyan::preload {

/// One side of an all-to-all(-v) as MPI's arguments give it.
struct Side {
  void* buffer = nullptr;       ///< of the sending side: never written
  const int* counts = nullptr;  ///< [size] elements per rank; nullptr: `count` of each, one after the other
  const int* displs = nullptr;  ///< [size] extents from the buffer; of `counts` only
  int count = 0;
  MPI_Datatype type = MPI_DATATYPE_NULL;
};

/// The same as runs of bytes, which is what Banyan moves: those of the caller where its datatype allows, else a copy.
/// Serves one call after the other, to save allocations. One thread.
class Blocks {
 public:
  /// `copies`: a copy in any case.
  void lay_out(const Side& side, int size, bool copies);

  /// Fills the copy, if there is one.
  void pack(MPI_Comm local);
  /// Brings the copy, if there is one, to where the caller wants it.
  void unpack(MPI_Comm local) const;
  /// Frees the copy.
  void clear() noexcept;

  [[nodiscard]] std::byte* base() const noexcept { return base_; }
  /// Bytes per rank, and where they begin behind base().
  [[nodiscard]] const std::vector<size_t>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::vector<size_t>& offsets() const noexcept { return offsets_; }

 private:
  [[nodiscard]] size_t count_of(size_t rank) const noexcept;
  [[nodiscard]] std::byte* address_of(size_t rank) const noexcept;
  void lay_out_copy();
  void lay_out_in_place();

  Side side_;
  Datatype type_{MPI_BYTE};
  std::unique_ptr<std::byte[]> copy_;
  std::byte* base_ = nullptr;
  std::vector<size_t> bytes_, offsets_;
};

}  // namespace banyan::preload
