// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nccl/recognition.hpp"
#include "nccl/registry.hpp"

namespace banyan::preload::nccl {

/// What a thread has between ncclGroupStart and ncclGroupEnd. NCCL makes all of it at the outermost end, so only then
/// is it known what it was. One thread.
class Group {
 public:
  /// That of this thread; nullptr without memory.
  static Group* of_this_thread() noexcept;

  [[nodiscard]] bool is_open() const noexcept { return depth_ > 0; }

  /// NCCL opened a group, maybe in another.
  void open() noexcept { ++depth_; }
  /// NCCL ended one with `result`. The outermost is judged, unless it was only simulated.
  void close(Result result, bool is_simulated) noexcept;

  /// The program is about to use the communicator.
  void expect(const Real& real, Comm* comm);
  /// NCCL accepted an operation on the communicator last expected.
  void add(const PointToPoint& operation, bool is_type_known);
  void add_alltoall(uint64_t bytes_per_pair, bool is_type_known);
  /// The call is over. Outside of groups it is a group of its own.
  void settle() noexcept;
  /// NCCL accepted to make communicators.
  void add(std::span<const Birth> births, Result result);

 private:
  /// What the group has of one communicator.
  struct Part {
    const Comm* comm = nullptr;
    std::shared_ptr<Communicator> communicator;  ///< nullptr: NCCL did not say what it is
    std::vector<PointToPoint> operations;
    std::vector<uint64_t> alltoalls;  ///< bytes per pair
    uint64_t num_unknown_datatypes = 0;
  };

  void conclude();
  void conclude(Part& part);
  void clear() noexcept;

  int depth_ = 0;
  size_t num_parts_ = 0;     ///< in use; the others are kept for their memory
  size_t current_part_ = 0;  ///< of the communicator last expected
  std::vector<Part> parts_;
  std::vector<Birth> births_;
  Recognition recognition_;
};

}  // namespace banyan::preload::nccl
