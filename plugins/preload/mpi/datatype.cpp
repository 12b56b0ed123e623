// SPDX-License-Identifier: Apache-2.0
#include "mpi/datatype.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "mpi/failure.hpp"
#include "mpi/layout.hpp"

namespace banyan::preload {
namespace {

/// MPI_Pack counts in int: elements per call.
size_t elements_per_call(size_t size_bytes) {
  if (size_bytes > INT_MAX) {
    throw Failure("an element of " + std::to_string(size_bytes) + " bytes that is not contiguous cannot be packed");
  }
  return INT_MAX / size_bytes;
}

/// `count` elements as one of a datatype that lies where they lie, but begins elsewhere.
class Moved {
 public:
  Moved(MPI_Datatype type, int count, const void* begin) {
    const MPI_Aint back = -static_cast<MPI_Aint>(reinterpret_cast<intptr_t>(begin));
    check_mpi(PMPI_Type_create_hindexed(1, &count, &back, type, &type_), "MPI_Type_create_hindexed");
    PMPI_Type_commit(&type_);
  }
  ~Moved() { PMPI_Type_free(&type_); }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  [[nodiscard]] MPI_Datatype type() const noexcept { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

/// MPI_Pack; MPICH 4.0 takes MPI_BOTTOM for a mistake there.
void pack_run(const void* from, int count, MPI_Datatype type, std::span<std::byte> to, MPI_Comm local) {
  int position = 0;
  const int bytes = static_cast<int>(to.size());
  if (from != MPI_BOTTOM) {
    check_mpi(PMPI_Pack(from, count, type, to.data(), bytes, &position, local), "MPI_Pack");
  } else {
    const Moved moved(type, count, to.data());
    check_mpi(PMPI_Pack(to.data(), 1, moved.type(), to.data(), bytes, &position, local), "MPI_Pack");
  }
}

void unpack_run(std::span<const std::byte> from, void* to, int count, MPI_Datatype type, MPI_Comm local) {
  int position = 0;
  const int bytes = static_cast<int>(from.size());
  if (to != MPI_BOTTOM) {
    check_mpi(PMPI_Unpack(from.data(), bytes, &position, to, count, type, local), "MPI_Unpack");
  } else {
    const Moved moved(type, count, from.data());
    check_mpi(PMPI_Unpack(from.data(), bytes, &position, const_cast<std::byte*>(from.data()), 1, moved.type(), local),
              "MPI_Unpack");
  }
}

/// Basic types whose elements follow each other without gaps, and their sizes: what most calls are made of, so that
/// nothing is asked of MPI for them.
class Basics {
 public:
  Basics() {
    for (size_t i = 0; i < types_.size(); ++i) {
      int size = 0;
      MPI_Aint lower = 0, extent = 0;
      const bool known = PMPI_Type_size(types_[i], &size) == MPI_SUCCESS &&
                         PMPI_Type_get_extent(types_[i], &lower, &extent) == MPI_SUCCESS;
      sizes_[i] = known && lower == 0 && extent == size ? static_cast<size_t>(size) : 0;
    }
  }
  /// 0: none of them.
  [[nodiscard]] size_t size_of(MPI_Datatype type) const noexcept {
    const auto found = std::find(types_.begin(), types_.end(), type);
    return found != types_.end() ? sizes_[static_cast<size_t>(found - types_.begin())] : 0;
  }

 private:
  const std::array<MPI_Datatype, 16> types_ = {MPI_BYTE,          MPI_CHAR,    MPI_INT,      MPI_FLOAT,
                                               MPI_DOUBLE,        MPI_LONG,    MPI_UNSIGNED, MPI_UNSIGNED_CHAR,
                                               MPI_UNSIGNED_LONG, MPI_INT8_T,  MPI_UINT8_T,  MPI_INT32_T,
                                               MPI_UINT32_T,      MPI_INT64_T, MPI_UINT64_T, MPI_C_DOUBLE_COMPLEX};
  std::array<size_t, 16> sizes_{};
};

}  // namespace

Datatype::Datatype(MPI_Datatype type) : type_(type) {
  static const Basics basics;  // MPI is there: a datatype of a call is
  if (const size_t size = basics.size_of(type); size > 0) {
    size_bytes_ = size;
    extent_bytes_ = static_cast<ptrdiff_t>(size);
    return;
  }
  MPI_Count size = 0, lower = 0, extent = 0;
  check_mpi(PMPI_Type_size_x(type, &size), "MPI_Type_size_x");
  check_mpi(PMPI_Type_get_extent_x(type, &lower, &extent), "MPI_Type_get_extent_x");
  if (size < 0) {
    throw Failure("MPI cannot tell the size of a datatype");
  }
  size_bytes_ = static_cast<size_t>(size);
  extent_bytes_ = static_cast<ptrdiff_t>(extent);
  contiguous_ = lower == 0 && size == extent && run_of(type) == int64_t{size};
}

void Datatype::pack(const void* from, size_t count, std::byte* to, MPI_Comm local) const {
  const auto* element = static_cast<const std::byte*>(from);
  if (contiguous_ && count > 0) {
    std::memcpy(to, element, count * size_bytes_);
    return;
  }
  while (count > 0 && size_bytes_ > 0) {
    const size_t now = std::min(count, elements_per_call(size_bytes_));
    pack_run(element, static_cast<int>(now), type_, {to, now * size_bytes_}, local);
    element += static_cast<ptrdiff_t>(now) * extent_bytes_;
    to += now * size_bytes_;
    count -= now;
  }
}

void Datatype::unpack(const std::byte* from, void* to, size_t count, MPI_Comm local) const {
  auto* element = static_cast<std::byte*>(to);
  if (contiguous_ && count > 0) {
    std::memcpy(element, from, count * size_bytes_);
    return;
  }
  while (count > 0 && size_bytes_ > 0) {
    const size_t now = std::min(count, elements_per_call(size_bytes_));
    unpack_run({from, now * size_bytes_}, element, static_cast<int>(now), type_, local);
    element += static_cast<ptrdiff_t>(now) * extent_bytes_;
    from += now * size_bytes_;
    count -= now;
  }
}

}  // namespace banyan::preload
