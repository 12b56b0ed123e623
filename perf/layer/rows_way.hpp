// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layer/layer.hpp"
#include "layer/way.hpp"

namespace banyan::perf {

/// Counts and displacements of one direction, by rank, in rows.
struct RowSide {
  std::vector<size_t> counts, displs;
};

/// The two collectives that a program without a token exchange needs. All calls are collective.
class Carrier {
 public:
  virtual ~Carrier() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// All-to-all of `count` numbers for each rank. send, recv: [num_ranks, count].
  virtual void exchange_counts(const std::vector<int32_t>& send, std::vector<int32_t>& recv, size_t count) = 0;
  /// All-to-all-v of rows.
  virtual void exchange_rows(const std::byte* send, const RowSide& out, std::byte* recv, const RowSide& in) = 0;
  virtual void settle() {}  ///< as Way's, and trials too
  [[nodiscard]] virtual std::optional<uint64_t> trials() const { return std::nullopt; }
};

/// Banyan's all-to-all and all-to-all-v, as the library chooses. Borrows comm.
[[nodiscard]] std::unique_ptr<Carrier> make_banyan_carrier(banyan_comm* comm, const Layer& layer);

/// What programs do without a token exchange: a row for each choice, sorted by rank and expert, packed into one buffer;
/// each rank told how many for each of its experts, by one all-to-all, which also tells where each row belongs; rows by
/// all-to-all-v; copied into expert order; back the same way; the weighted sum at the source. The carrier is the way's;
/// the layer is borrowed; host_of: [num_ranks].
[[nodiscard]] std::unique_ptr<Way> make_rows_way(std::unique_ptr<Carrier> carrier, const Layer& layer,
                                                 const std::vector<int>& host_of, int rank);

}  // namespace banyan::perf
