// SPDX-License-Identifier: Apache-2.0
#include "mpi/blocks.hpp"

#include <cstdint>

namespace banyan::preload {

void Blocks::lay_out(const Side& side, int size, bool copies) {
  clear();
  side_ = side;
  type_ = Datatype(side.type);
  bytes_.resize(static_cast<size_t>(size));
  offsets_.resize(static_cast<size_t>(size));
  for (size_t rank = 0; rank < bytes_.size(); ++rank) {
    bytes_[rank] = count_of(rank) * type_.size_bytes();
  }
  if (copies || !type_.is_contiguous()) {
    lay_out_copy();
  } else {
    lay_out_in_place();
  }
}

size_t Blocks::count_of(size_t rank) const noexcept {
  return static_cast<size_t>(side_.counts != nullptr ? side_.counts[rank] : side_.count);
}

std::byte* Blocks::address_of(size_t rank) const noexcept {
  const ptrdiff_t elements =
      side_.counts != nullptr ? ptrdiff_t{side_.displs[rank]} : static_cast<ptrdiff_t>(rank) * ptrdiff_t{side_.count};
  // As integers: MPI_BOTTOM is no object, and displacements may lead before the buffer.
  return reinterpret_cast<std::byte*>(  // NOLINT(performance-no-int-to-ptr)
      reinterpret_cast<intptr_t>(side_.buffer) + elements * type_.extent_bytes());
}

void Blocks::lay_out_copy() {
  size_t total = 0;
  for (size_t rank = 0; rank < bytes_.size(); ++rank) {
    offsets_[rank] = total;
    total += bytes_[rank];
  }
  if (total > 0) {
    copy_ = std::make_unique_for_overwrite<std::byte[]>(total);
    base_ = copy_.get();
  }
}

void Blocks::lay_out_in_place() {
  for (size_t rank = 0; rank < bytes_.size(); ++rank) {
    if (bytes_[rank] > 0 && (base_ == nullptr || address_of(rank) < base_)) {
      base_ = address_of(rank);
    }
  }
  for (size_t rank = 0; rank < bytes_.size(); ++rank) {
    offsets_[rank] = bytes_[rank] > 0 ? static_cast<size_t>(address_of(rank) - base_) : 0;
  }
}

void Blocks::clear() noexcept {
  copy_.reset();
  base_ = nullptr;
}

void Blocks::pack(MPI_Comm local) {
  for (size_t rank = 0; rank < bytes_.size() && copy_ != nullptr; ++rank) {
    if (bytes_[rank] == 0) {
      continue;  // it may have no displacement
    }
    type_.pack(address_of(rank), count_of(rank), copy_.get() + offsets_[rank], local);
  }
}

void Blocks::unpack(MPI_Comm local) const {
  for (size_t rank = 0; rank < bytes_.size() && copy_ != nullptr; ++rank) {
    if (bytes_[rank] == 0) {
      continue;
    }
    type_.unpack(copy_.get() + offsets_[rank], address_of(rank), count_of(rank), local);
  }
}

}  // namespace banyan::preload
