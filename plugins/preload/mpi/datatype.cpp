// SPDX-License-Identifier: Apache-2.0
#include "mpi/datatype.hpp"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <span>
#include <string>

#include "mpi/failure.hpp"

namespace banyan::preload {
namespace {

#if MPI_VERSION >= 4
using Number = MPI_Count;
#else
using Number = int;
#endif

/// How a type was made.
struct Envelope {
  Number num_integers = 0;
  Number num_large_counts = 0;  ///< not 0: by a function with large counts
  int combiner = MPI_COMBINER_NAMED;

  /// Not the program's to free. Those of Fortran's kinds have no name.
  [[nodiscard]] bool predefined() const noexcept {
    return combiner == MPI_COMBINER_NAMED || combiner == MPI_COMBINER_F90_REAL ||
           combiner == MPI_COMBINER_F90_COMPLEX || combiner == MPI_COMBINER_F90_INTEGER;
  }
  /// Whether it is the whole of another type, once or many times in a row. One of large counts may be, but is not
  /// followed.
  [[nodiscard]] bool repeats() const noexcept {
    return (combiner == MPI_COMBINER_DUP || combiner == MPI_COMBINER_CONTIGUOUS) && num_large_counts == 0;
  }
};

Envelope envelope_of(MPI_Datatype type) {
  Envelope found;
  Number num_addresses = 0, num_datatypes = 0;
#if MPI_VERSION >= 4
  // MPI_Type_get_envelope fails for types of large counts.
  check_mpi(PMPI_Type_get_envelope_c(type, &found.num_integers, &num_addresses, &found.num_large_counts, &num_datatypes,
                                     &found.combiner),
            "MPI_Type_get_envelope_c");
#else
  check_mpi(PMPI_Type_get_envelope(type, &found.num_integers, &num_addresses, &num_datatypes, &found.combiner),
            "MPI_Type_get_envelope");
#endif
  return found;
}

/// The type that another repeats; a handle to be freed, unless it is predefined.
MPI_Datatype repeated_by(MPI_Datatype type, const Envelope& envelope) {
  int count = 0;
  MPI_Aint no_addresses = 0;
  MPI_Datatype inner = MPI_DATATYPE_NULL;
#if MPI_VERSION >= 4
  MPI_Count no_large_counts = 0;
  check_mpi(
      PMPI_Type_get_contents_c(type, envelope.num_integers, 0, 0, 1, &count, &no_addresses, &no_large_counts, &inner),
      "MPI_Type_get_contents_c");
#else
  check_mpi(PMPI_Type_get_contents(type, envelope.num_integers, 0, 1, &count, &no_addresses, &inner),
            "MPI_Type_get_contents");
#endif
  return inner;
}

/// Whether no step of the type's construction reorders or skips. Size and extent do not tell: an indexed type may have
/// its parts in any order. Only the ways that programs use to name a run of basic elements are followed.
bool keeps_order(MPI_Datatype type) {
  const Envelope envelope = envelope_of(type);
  if (!envelope.repeats()) {
    return envelope.predefined();
  }
  MPI_Datatype inner = repeated_by(type, envelope);
  const bool kept = keeps_order(inner);
  if (!envelope_of(inner).predefined()) {
    PMPI_Type_free(&inner);
  }
  return kept;
}

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

}  // namespace

Datatype::Datatype(MPI_Datatype type) : type_(type) {
  MPI_Count size = 0, lower = 0, extent = 0;
  check_mpi(PMPI_Type_size_x(type, &size), "MPI_Type_size_x");
  check_mpi(PMPI_Type_get_extent_x(type, &lower, &extent), "MPI_Type_get_extent_x");
  if (size < 0) {
    throw Failure("MPI cannot tell the size of a datatype");
  }
  size_bytes_ = static_cast<size_t>(size);
  extent_bytes_ = static_cast<ptrdiff_t>(extent);
  contiguous_ = lower == 0 && size == extent && keeps_order(type);
}

void Datatype::pack(const void* from, size_t count, std::byte* to, MPI_Comm local) const {
  const auto* element = static_cast<const std::byte*>(from);
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
  while (count > 0 && size_bytes_ > 0) {
    const size_t now = std::min(count, elements_per_call(size_bytes_));
    unpack_run({from, now * size_bytes_}, element, static_cast<int>(now), type_, local);
    element += static_cast<ptrdiff_t>(now) * extent_bytes_;
    from += now * size_bytes_;
    count -= now;
  }
}

}  // namespace banyan::preload
