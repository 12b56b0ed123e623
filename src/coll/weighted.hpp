// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "coll/capacity.hpp"
#include "coll/engine.hpp"
#include "coll/options.hpp"
#include "coll/request.hpp"
#include "planner/plan.hpp"

namespace banyan::coll {

/// What becomes of rows beyond a pair's capacity.
enum class Overflow : uint8_t {
  kError,  ///< the exchange fails on all ranks, which may start it again
  kDrop,   ///< they stay where they are, and both ends of the pair know how many
  kRest    ///< as kDrop, and rest() exchanges them
};

/// What a rank wants of a weighted all-to-all. All but weights and rows is equal on all ranks. Borrows the weights.
struct WeightedTerms {
  CapacityTerms capacity;
  size_t row_bytes = 0;
  Overflow overflow = Overflow::kError;
  Options options;
  /// Up to so many ranks every rank learns all capacities, and the algorithm is chosen for them. Equal on all ranks.
  int max_planned_ranks = 512;
  std::string problem{};  ///< not empty: what is wrong with the caller's wish, for all ranks to hear
};

/// A rank's data of one exchange, in rows. Borrowed until it is over; counts and displacements for the call only.
struct WeightedRows {
  const void* sendbuf = nullptr;
  const size_t* sendcounts = nullptr;  ///< [size]
  const size_t* sdispls = nullptr;     ///< [size]; null: one after the other
  void* recvbuf = nullptr;
  const size_t* rdispls = nullptr;  ///< [size]; null: Weighted::recv_displs
};

/// An all-to-all whose pairs have capacities, computed once from weights. No counts are exchanged before data: messages
/// and their order follow from the capacities, which both ends know, and how many rows came is in the headers that the
/// data has anyway. So are the rows that did not fit, and whether a rank had any, which every rank learns. One request;
/// one thread, the engine's; errors are thrown.
class Weighted {
 public:
  /// Collective. What is wrong on any rank is an error on all, and names the rank; nothing has happened then.
  /// Errors: INVALID_ARGUMENT, LIMIT (sizes that overflow, or 4 GiB a pair), MISMATCH, NOT_FOUND (algorithm), BUSY.
  Weighted(Engine& engine, const WeightedTerms& terms);
  Weighted(const Weighted&) = delete;
  Weighted& operator=(const Weighted&) = delete;

  [[nodiscard]] const std::vector<size_t>& send_capacities() const noexcept { return send_capacities_; }
  [[nodiscard]] const std::vector<size_t>& recv_capacities() const noexcept { return recv_capacities_; }
  /// Where rows of each rank start, one capacity after the other; and the sum of the capacities.
  [[nodiscard]] const std::vector<size_t>& recv_displs() const noexcept { return recv_displs_; }
  [[nodiscard]] size_t recv_rows() const noexcept { return recv_rows_; }

  /// Does not allocate once an exchange has run. Errors: INVALID_ARGUMENT, LIMIT, BUSY, of this rank alone and before
  /// anything is sent; else as Engine::start.
  void start(const WeightedRows& rows);
  /// The request that start() started; Engine::test and wait move it on. Then, once: what came. Throws LIMIT, on all
  /// ranks, under Overflow::kError if any rank had more rows than fit: which, and for whom.
  [[nodiscard]] Request& request() noexcept { return request_; }
  void finish();

  /// Of the last exchange, in rows, by rank: what came, what of each rank did not fit, and what for each rank did not.
  [[nodiscard]] const std::vector<size_t>& received() const noexcept { return received_; }
  [[nodiscard]] const std::vector<size_t>& recv_rest() const noexcept { return recv_rest_; }
  [[nodiscard]] const std::vector<size_t>& send_rest() const noexcept { return send_rest_; }
  /// Ranks with rows that did not fit; equal on all ranks.
  [[nodiscard]] int num_overflowed() const noexcept { return num_overflowed_; }

  /// Overflow::kRest, all ranks: exchanges the rows that did not fit, from the last start's sendbuf, which must still
  /// be there. `restbuf` has recv_rest() rows, at `rdispls` or one rank's after the other's. Returns at once where
  /// num_overflowed() is 0. Blocks. Errors as Engine::alltoallv.
  void rest(void* restbuf, const size_t* rdispls);

  /// The plan of pairs that fill their capacities, of all ranks. Error{NOT_SUPPORTED}: more than max_planned_ranks.
  [[nodiscard]] planner::Plan plan();

 private:
  void gather(bool all);
  void lay_out();
  void check_start(const WeightedRows& rows) const;
  size_t send_offset(const WeightedRows& rows, size_t peer, size_t packed) const;
  void take_notes();
  [[noreturn]] void fail_overflow(int rank) const;

  Engine& engine_;
  std::string algorithm_;
  Options options_;
  size_t row_bytes_;
  Overflow overflow_;
  std::vector<size_t> send_capacities_, recv_capacities_, recv_displs_;
  size_t recv_rows_ = 0;
  std::vector<uint64_t> matrix_;  ///< capacities in bytes, [size, size]; empty with too many ranks
  size_t block_limit_ = 0;        ///< as in planner::Choice
  Request request_;
  std::vector<size_t> send_bounds_;  ///< send capacities in bytes
  std::vector<uint32_t> notes_;      ///< to each rank
  std::vector<size_t> received_, recv_rest_, send_rest_;
  int num_overflowed_ = 0;
  bool rest_pending_ = false;
};

}  // namespace banyan::coll
