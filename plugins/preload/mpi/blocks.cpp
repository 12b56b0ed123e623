// SPDX-License-Identifier: Apache-2.0
#include "mpi/blocks.hpp"

#include <cstdint>
#include <optional>

namespace banyan::preload {

void Blocks::lay_out(const Side& side, int size, bool copies) {
  clear();
  side_ = side;
  bytes_.resize(static_cast<size_t>(size));
  offsets_.resize(static_cast<size_t>(size));
  read_types(bytes_.size());
  if (!copies && side.counts.absent() && type_of(0).is_contiguous()) {
    bytes_.assign(bytes_.size(), count_of(0) * type_of(0).size_bytes());
    base_ = bytes_[0] > 0 ? static_cast<std::byte*>(side.buffer) : nullptr;
    return;
  }
  bool contiguous = true;
  for (size_t rank = 0; rank < bytes_.size(); ++rank) {
    bytes_[rank] = count_of(rank) * type_of(rank).size_bytes();
    contiguous = contiguous && (bytes_[rank] == 0 || type_of(rank).is_contiguous());
  }
  if (copies || !contiguous) {
    lay_out_copy();
  } else {
    lay_out_in_place();
  }
}

void Blocks::read_types(size_t size) {
  types_.clear();
  const size_t num_types = side_.types != nullptr ? size : 1;
  std::optional<size_t> known;  // whose type was read last
  for (size_t rank = 0; rank < num_types; ++rank) {
    const MPI_Datatype type = side_.type_of(rank);
    if (!any_element(rank, num_types == 1 ? size : rank + 1)) {
      types_.emplace_back();  // MPIs do not look at it either
    } else if (known && type == side_.type_of(*known)) {
      types_.push_back(types_[*known]);
    } else {
      types_.emplace_back(type);
      known = rank;
    }
  }
}

bool Blocks::any_element(size_t first, size_t end) const noexcept {
  for (size_t rank = first; rank < end; ++rank) {
    if (count_of(rank) > 0) {
      return true;
    }
  }
  return false;
}

std::byte* Blocks::address_of(size_t rank) const noexcept {
  const ptrdiff_t elements =
      side_.counts.absent() ? static_cast<ptrdiff_t>(rank) * ptrdiff_t{side_.count} : ptrdiff_t{side_.displs[rank]};
  const ptrdiff_t unit = side_.types != nullptr ? 1 : type_of(rank).extent_bytes();
  // As integers: MPI_BOTTOM is no object, and displacements may lead before the buffer.
  return reinterpret_cast<std::byte*>(  // NOLINT(performance-no-int-to-ptr)
      reinterpret_cast<intptr_t>(side_.buffer) + elements * unit);
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
    type_of(rank).pack(address_of(rank), count_of(rank), copy_.get() + offsets_[rank], local);
  }
}

void Blocks::unpack(MPI_Comm local) const {
  for (size_t rank = 0; rank < bytes_.size() && copy_ != nullptr; ++rank) {
    if (bytes_[rank] == 0) {
      continue;
    }
    type_of(rank).unpack(copy_.get() + offsets_[rank], address_of(rank), count_of(rank), local);
  }
}

}  // namespace banyan::preload
