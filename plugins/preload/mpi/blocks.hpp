// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "mpi/datatype.hpp"
#include "mpi/side.hpp"

namespace banyan::preload {

/// A side of an all-to-all as runs of bytes, which is what Banyan moves: those of the caller where its datatype allows,
/// else a copy. Serves one call after the other, to save allocations. One thread.
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
  /// Bytes per rank, and where they begin behind base(); offsets() is not for calls whose blocks are equal.
  [[nodiscard]] const std::vector<size_t>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::vector<size_t>& offsets() const noexcept { return offsets_; }

 private:
  void read_types(size_t size);
  /// Whether there is something for one of the ranks from `first` to before `end`.
  [[nodiscard]] bool any_element(size_t first, size_t end) const noexcept;
  [[nodiscard]] const Datatype& type_of(size_t rank) const noexcept { return types_[types_.size() > 1 ? rank : 0]; }
  [[nodiscard]] size_t count_of(size_t rank) const noexcept { return static_cast<size_t>(side_.count_of(rank)); }
  [[nodiscard]] std::byte* address_of(size_t rank) const noexcept;
  void lay_out_copy();
  void lay_out_in_place();

  Side side_;
  std::vector<Datatype> types_;  ///< one for all ranks, or one each
  std::unique_ptr<std::byte[]> copy_;
  std::byte* base_ = nullptr;
  std::vector<size_t> bytes_, offsets_;
};

}  // namespace banyan::preload
