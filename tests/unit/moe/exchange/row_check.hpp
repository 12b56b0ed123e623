// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "complaints.hpp"
#include "exchange_job.hpp"

namespace banyan::moe::testing {

using banyan::testing::Complaints;

/// Byte of a token's scales.
[[nodiscard]] std::byte scale_byte(size_t rank, size_t token, size_t position);

/// Whether every row that a rank has after a dispatch is what the definition says, and nothing else is there.
class RowCheck {
 public:
  /// `routings`: of all ranks, what is kept. All but the capacity is borrowed.
  RowCheck(const Job& job, const Group& group, const std::vector<Routing>& routings, std::optional<size_t> capacity,
           size_t rank, Complaints& complaints)
      : job_(job),
        group_(group),
        routings_(routings),
        capacity_(capacity),
        rank_(rank),
        row_bytes_(job.hidden * device::element_bytes(job.dtype)),
        complaints_(complaints) {}

  /// What chunk `number` brought.
  void check(size_t number, const Handle::Chunk& chunk, const std::vector<std::byte>& rows,
             const std::vector<std::byte>& row_scales);

 private:
  struct Chunk;
  void expect(bool right, const std::string& text);
  void check_tokens(Chunk& chunk, size_t source);
  void check_row(Chunk& chunk, size_t place, size_t source, size_t token, const std::vector<float>& values);
  void check_slots(const Handle::Chunk& chunk);

  const Job& job_;
  const Group& group_;
  const std::vector<Routing>& routings_;
  std::optional<size_t> capacity_;
  size_t rank_;
  size_t row_bytes_;
  Complaints& complaints_;
};

}  // namespace banyan::moe::testing
