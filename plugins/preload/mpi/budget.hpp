// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "mpi/progress.hpp"

namespace banyan::preload {

struct Budget;

/// The place of a Banyan communicator among those of this process that are not gone yet. Each holds memory, threads and
/// descriptors from before it is made until all its ranks have freed it. Any thread.
class Place {
 public:
  /// None.
  Place() = default;
  Place(Place&& other) noexcept;
  Place& operator=(Place&& other) noexcept;
  ~Place() { give_back(); }

  /// For a communicator of which this is rank `rank` of `size`. Where places are about to be given back, waits for them
  /// a while. None if there is none; why_not() then says why.
  static Place find(int rank, int size, Progress& progress);

  [[nodiscard]] const std::string& why_not() const noexcept { return why_not_; }

 private:
  static Place try_to_find(Budget& all, size_t descriptors);
  void give_back() noexcept;

  size_t descriptors_ = 0;  ///< that the communicator may come to have open; 0: no place
  std::string why_not_;
};

}  // namespace banyan::preload
