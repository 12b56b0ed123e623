// SPDX-License-Identifier: Apache-2.0
#include "mpi/side.hpp"

namespace banyan::preload {

bool is_sound(const Side& side, int size) {
  for (size_t rank = 0; rank < static_cast<size_t>(size); ++rank) {
    const int64_t count = side.count_of(rank);
    // A sending side in place is the receiving side again by now.
    const bool has_place = (side.counts.absent() || !side.displs.absent()) && side.buffer != MPI_IN_PLACE;
    if (count < 0 || (count > 0 && (!has_place || side.type_of(rank) == MPI_DATATYPE_NULL))) {
      return false;
    }
  }
  return true;
}

}  // namespace banyan::preload
