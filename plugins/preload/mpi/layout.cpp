// SPDX-License-Identifier: Apache-2.0
#include "mpi/layout.hpp"

#include <cstddef>
#include <vector>

#include "mpi/failure.hpp"

namespace banyan::preload {
namespace {

#if MPI_VERSION >= 4
using Number = MPI_Count;
#else
using Number = int;
#endif

/// Numbers of types' construction that are looked at, at most: it is done for every call.
constexpr int64_t kMostLooks = 200;

using Run = std::optional<int64_t>;

/// How a type was made.
struct Envelope {
  Number num_integers = 0, num_addresses = 0, num_datatypes = 0;
  Number num_large_counts = 0;  ///< not 0: by a function with large counts
  int combiner = MPI_COMBINER_NAMED;

  explicit Envelope(MPI_Datatype type) {
#if MPI_VERSION >= 4
    // MPI_Type_get_envelope fails for types of large counts.
    check_mpi(
        PMPI_Type_get_envelope_c(type, &num_integers, &num_addresses, &num_large_counts, &num_datatypes, &combiner),
        "MPI_Type_get_envelope_c");
#else
    check_mpi(PMPI_Type_get_envelope(type, &num_integers, &num_addresses, &num_datatypes, &combiner),
              "MPI_Type_get_envelope");
#endif
  }

  /// Not the program's to free. Those of Fortran's kinds have no name.
  [[nodiscard]] bool predefined() const noexcept {
    return combiner == MPI_COMBINER_NAMED || combiner == MPI_COMBINER_F90_REAL ||
           combiner == MPI_COMBINER_F90_COMPLEX || combiner == MPI_COMBINER_F90_INTEGER;
  }
};

/// What a type was made of, in the order of its function's arguments, whether they were int, MPI_Aint or MPI_Count.
class Contents {
 public:
  Contents(MPI_Datatype type, const Envelope& envelope) : types_(static_cast<size_t>(envelope.num_datatypes)) {
    std::vector<int> integers(static_cast<size_t>(envelope.num_integers));
    std::vector<MPI_Aint> addresses(static_cast<size_t>(envelope.num_addresses));
    std::vector<MPI_Count> large_counts(static_cast<size_t>(envelope.num_large_counts));
#if MPI_VERSION >= 4
    check_mpi(PMPI_Type_get_contents_c(type, envelope.num_integers, envelope.num_addresses, envelope.num_large_counts,
                                       envelope.num_datatypes, integers.data(), addresses.data(), large_counts.data(),
                                       types_.data()),
              "MPI_Type_get_contents_c");
#else
    check_mpi(PMPI_Type_get_contents(type, envelope.num_integers, envelope.num_addresses, envelope.num_datatypes,
                                     integers.data(), addresses.data(), types_.data()),
              "MPI_Type_get_contents");
#endif
    numbers_.assign(integers.begin(), integers.end());
    numbers_.insert(numbers_.end(), addresses.begin(), addresses.end());
    numbers_.insert(numbers_.end(), large_counts.begin(), large_counts.end());
  }
  ~Contents() {
    for (MPI_Datatype& type : types_) {
      if (!Envelope(type).predefined()) {
        PMPI_Type_free(&type);
      }
    }
  }
  Contents(const Contents&) = delete;
  Contents& operator=(const Contents&) = delete;

  [[nodiscard]] int64_t number(size_t index) const { return numbers_.at(index); }
  /// The only one, or that of a block of a struct.
  [[nodiscard]] MPI_Datatype type(size_t block) const { return types_.at(types_.size() > 1 ? block : 0); }

 private:
  std::vector<int64_t> numbers_;
  std::vector<MPI_Datatype> types_;
};

struct Extent {
  explicit Extent(MPI_Datatype type) {
    check_mpi(PMPI_Type_size_x(type, &size), "MPI_Type_size_x");
    check_mpi(PMPI_Type_get_extent_x(type, &lower, &bytes), "MPI_Type_get_extent_x");
  }
  MPI_Count size = 0, lower = 0, bytes = 0;
};

class Walk {
 public:
  Run run(MPI_Datatype type) {
    const Envelope envelope(type);
    if (envelope.predefined()) {
      const Extent extent(type);
      return extent.lower == 0 && extent.size == extent.bytes ? Run(extent.size) : std::nullopt;
    }
    looks_ += 1 + int64_t{envelope.num_integers} + envelope.num_addresses + envelope.num_large_counts;
    return looks_ > kMostLooks ? std::nullopt : run(Contents(type, envelope), envelope.combiner);
  }

 private:
  Run run(const Contents& made_of, int combiner) {
    switch (combiner) {
      case MPI_COMBINER_DUP:
      case MPI_COMBINER_RESIZED:
        return run(made_of.type(0));
      case MPI_COMBINER_CONTIGUOUS:
        return block(made_of.type(0), made_of.number(0));
      case MPI_COMBINER_VECTOR:
        return vector(made_of, Extent(made_of.type(0)).bytes);
      case MPI_COMBINER_HVECTOR:
        return vector(made_of, 1);
      case MPI_COMBINER_INDEXED:
        return blocks(made_of, {.unit_bytes = Extent(made_of.type(0)).bytes});
      case MPI_COMBINER_INDEXED_BLOCK:
        return blocks(made_of, {.unit_bytes = Extent(made_of.type(0)).bytes, .one_length = true});
      case MPI_COMBINER_HINDEXED:
      case MPI_COMBINER_STRUCT:
        return blocks(made_of, {});
      case MPI_COMBINER_HINDEXED_BLOCK:
        return blocks(made_of, {.one_length = true});
      default:
        return std::nullopt;
    }
  }

  /// `count` elements one after the other.
  Run block(MPI_Datatype type, int64_t count) {
    const Run one = run(type);
    if (!one || count == 0) {
      return one ? Run(0) : std::nullopt;
    }
    return count == 1 || Extent(type).bytes == *one ? Run(count * *one) : std::nullopt;
  }

  Run vector(const Contents& made_of, int64_t stride_unit_bytes) {
    const int64_t count = made_of.number(0);
    const Run one = block(made_of.type(0), made_of.number(1));
    if (!one || count == 0) {
      return one ? Run(0) : std::nullopt;
    }
    return count == 1 || made_of.number(2) * stride_unit_bytes == *one ? Run(count * *one) : std::nullopt;
  }

  struct Places {
    int64_t unit_bytes = 1;   ///< of displacements
    bool one_length = false;  ///< for all blocks
  };

  /// Each block that is not empty begins where the last one ended.
  Run blocks(const Contents& made_of, const Places& places) {
    const auto count = static_cast<size_t>(made_of.number(0));
    const size_t first_displacement = 1 + (places.one_length ? 1 : count);
    int64_t end = 0;
    for (size_t i = 0; i < count; ++i) {
      const Run one = block(made_of.type(i), made_of.number(places.one_length ? 1 : 1 + i));
      if (!one || (*one > 0 && made_of.number(first_displacement + i) * places.unit_bytes != end)) {
        return std::nullopt;
      }
      end += *one;
    }
    return end;
  }

  int64_t looks_ = 0;
};

}  // namespace

std::optional<int64_t> run_of(MPI_Datatype type) { return Walk().run(type); }

}  // namespace banyan::preload
