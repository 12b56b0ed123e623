// SPDX-License-Identifier: Apache-2.0
#include "coll/weighted.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"
#include "schedule/size_list.hpp"

namespace banyan::coll {
namespace {

/// A note says whether its source has rows that did not fit anywhere, and then either how many of them were for the
/// reader, or else the first rank for which it had some.
constexpr uint32_t kOverflowed = 1;
constexpr uint32_t kForReader = 2;
constexpr unsigned kNoteShift = 2;
constexpr size_t kMaxRest = std::numeric_limits<uint32_t>::max() >> kNoteShift;

size_t bytes_of(size_t rows, size_t row_bytes, const char* what) {
  const auto bytes = checked::multiply(rows, row_bytes);
  if (!bytes) {
    throw Error(BANYAN_ERR_LIMIT, std::string(what) + " " + std::to_string(rows) + " * row_bytes " +
                                      std::to_string(row_bytes) + " overflows size_t");
  }
  return *bytes;
}

/// Different texts for different numbers.
std::string exact_text(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::string count_text(size_t rows) { return std::to_string(rows) + (rows == 1 ? " row" : " rows"); }

}  // namespace

Weighted::Weighted(Engine& engine, const WeightedTerms& terms)
    : engine_(engine),
      algorithm_(terms.options.algorithm),
      options_{.algorithm = algorithm_, .timeout_s = terms.options.timeout_s},
      row_bytes_(terms.row_bytes),
      overflow_(terms.overflow) {
  comm::Communicator& comm = engine_.communicator();
  comm.check_usable();
  const Deadline deadline = Deadline::in(options_.timeout_s > 0 ? options_.timeout_s : comm.settings().timeout_s);
  static_cast<void>(comm::exchange_or_fail(comm.bootstrap(), deadline, [&] {
    if (engine_.busy()) {
      throw Error(BANYAN_ERR_BUSY, "a request of this communicator is active; wait for it");
    }
    if (!terms.problem.empty()) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, terms.problem);
    }
    if (terms.capacity.weights.size() != static_cast<size_t>(comm.size())) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "weights is NULL or not of " + std::to_string(comm.size()) + " entries");
    }
    if (row_bytes_ == 0) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "row_bytes is 0");
    }
    send_capacities_ = capacities_of(terms.capacity);
    for (const size_t capacity : send_capacities_) {
      send_bounds_.push_back(bytes_of(capacity, row_bytes_, "a pair's capacity"));
      if (send_bounds_.back() >= schedule::kMaxListedSize) {
        throw Error(BANYAN_ERR_LIMIT,
                    "a pair's capacity is " + std::to_string(send_bounds_.back()) + " bytes; it must be below 4 GiB");
      }
    }
    return std::string();
  }));
  comm::require_equal(comm.bootstrap(), deadline,
                      {{"row_bytes", std::to_string(row_bytes_)},
                       {"capacity_factor", exact_text(terms.capacity.factor)},
                       {"min_capacity", std::to_string(terms.capacity.min_capacity)},
                       {"overflow", std::to_string(static_cast<int>(overflow_))},
                       {"algorithm", algorithm_}});
  gather(comm.size() <= terms.max_planned_ranks);
  static_cast<void>(comm::exchange_or_fail(comm.bootstrap(), deadline, [&] {
    lay_out();
    const planner::Choice choice = engine_.choose_bounded(matrix_, options_);
    request_.planned = engine_.plan_bounded(choice);
    block_limit_ = choice.block_limit;
    BANYAN_LOG(kDebug, "coll", "rank {}: weighted all-to-all by {} up to {} bytes, predicted to take up to {:.1f} us",
               engine_.communicator().rank(), request_.planned->algorithm, choice.block_limit,
               1e6 * choice.chosen.prediction.total_s());
    return std::string();
  }));
}

/// Every rank learns what it may be sent, or all capacities.
void Weighted::gather(bool all) {
  const size_t size = send_bounds_.size();
  const size_t each = all ? size : 1;
  std::vector<uint64_t> out;
  for (size_t peer = 0; peer < size; ++peer) {
    if (all) {
      out.insert(out.end(), send_bounds_.begin(), send_bounds_.end());
    } else {
      out.push_back(send_bounds_[peer]);
    }
  }
  std::vector<uint64_t> in(size * each);
  engine_.alltoall(out.data(), in.data(), each * sizeof(uint64_t), {.algorithm = {}, .timeout_s = options_.timeout_s});
  const auto rank = static_cast<size_t>(engine_.communicator().rank());
  for (size_t peer = 0; peer < size; ++peer) {
    request_.recv_bytes.push_back(in[peer * each + (all ? rank : 0)]);
  }
  if (all) {
    matrix_ = std::move(in);
  }
}

void Weighted::lay_out() {
  size_t end = 0;
  for (const size_t bytes : request_.recv_bytes) {
    recv_capacities_.push_back(bytes / row_bytes_);
    recv_displs_.push_back(end / row_bytes_);
    const auto next = checked::add(end, bytes);
    if (!next) {
      throw Error(BANYAN_ERR_LIMIT, "rank " + std::to_string(engine_.communicator().rank()) +
                                        " may be sent more bytes than there are addresses");
    }
    end = *next;
  }
  recv_rows_ = end / row_bytes_;
  const size_t size = send_bounds_.size();
  request_.operation = "weighted_alltoall";
  request_.timeout_s = options_.timeout_s;
  for (auto* sizes :
       {&request_.send_bytes, &request_.send_offsets, &request_.recv_offsets, &received_, &recv_rest_, &send_rest_}) {
    sizes->resize(size);
  }
  notes_.resize(size);
}

size_t Weighted::send_offset(const WeightedRows& rows, size_t peer, size_t packed) const {
  return rows.sdispls == nullptr ? packed : bytes_of(rows.sdispls[peer], row_bytes_, "sdispls");
}

/// All that can be wrong on this rank, before anything changes.
void Weighted::check_start(const WeightedRows& rows) const {
  engine_.require_idle(request_);
  if (rest_pending_) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "rows of the last exchange did not fit and have not been exchanged yet");
  }
  size_t packed = 0;
  for (size_t peer = 0; peer < send_bounds_.size(); ++peer) {
    const size_t count = rows.sendcounts[peer];
    const size_t bytes = bytes_of(count, row_bytes_, "sendcounts");
    const auto end = checked::add(send_offset(rows, peer, packed), bytes);
    const auto room = rows.rdispls == nullptr ? std::optional<size_t>(0)
                                              : checked::add(bytes_of(rows.rdispls[peer], row_bytes_, "rdispls"),
                                                             request_.recv_bytes[peer]);
    if (!end || !room || (rows.sdispls == nullptr && !checked::add(packed, bytes))) {
      throw Error(BANYAN_ERR_LIMIT, "counts and displacements for rank " + std::to_string(peer) + " overflow size_t");
    }
    packed += bytes;
    if (count > send_capacities_[peer] && count - send_capacities_[peer] > kMaxRest) {
      throw Error(BANYAN_ERR_LIMIT, "sendcounts[" + std::to_string(peer) + "] is " + std::to_string(count) +
                                        ", more than 2^30 rows beyond the capacity " +
                                        std::to_string(send_capacities_[peer]));
    }
    if (count > 0 && rows.sendbuf == nullptr) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "sendbuf is NULL but sendcounts[" + std::to_string(peer) + "] is " + std::to_string(count));
    }
  }
  if (recv_rows_ > 0 && rows.recvbuf == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "recvbuf is NULL but needs room for " + count_text(recv_rows_));
  }
  if (rows.sendbuf != nullptr && rows.sendbuf == rows.recvbuf) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "sendbuf and recvbuf are the same; in-place exchanges are not supported");
  }
}

void Weighted::start(const WeightedRows& rows) {
  check_start(rows);
  const size_t size = send_bounds_.size();
  size_t first = size;  // rank whose rows do not fit
  size_t packed = 0;
  for (size_t peer = 0; peer < size; ++peer) {
    const size_t count = rows.sendcounts[peer];
    const size_t fitting = std::min(count, send_capacities_[peer]);
    request_.send_bytes[peer] = fitting * row_bytes_;
    request_.send_offsets[peer] = send_offset(rows, peer, packed);
    request_.recv_offsets[peer] = (rows.rdispls == nullptr ? recv_displs_[peer] : rows.rdispls[peer]) * row_bytes_;
    packed += rows.sdispls == nullptr ? count * row_bytes_ : 0;
    send_rest_[peer] = count - fitting;
    first = count > fitting ? std::min(first, peer) : first;
  }
  const bool overflowed = first < size;
  for (size_t peer = 0; peer < size; ++peer) {
    const bool for_reader = send_rest_[peer] > 0;
    const auto value = static_cast<uint32_t>(for_reader ? send_rest_[peer] : first);
    notes_[peer] = overflowed ? (value << kNoteShift) | (for_reader ? kForReader : 0) | kOverflowed : 0;
    request_.send_bytes[peer] = overflowed && overflow_ == Overflow::kError ? 0 : request_.send_bytes[peer];
  }
  request_.exchange = {.sendbuf = static_cast<const std::byte*>(rows.sendbuf),
                       .recvbuf = static_cast<std::byte*>(rows.recvbuf),
                       .uniform = false,
                       .block_bytes = 0,
                       .send_bytes = request_.send_bytes,
                       .send_offsets = request_.send_offsets,
                       .recv_bytes = request_.recv_bytes,
                       .recv_offsets = request_.recv_offsets,
                       .carries_notes = true,
                       .note = 0,
                       .notes = notes_,
                       .send_bounds = send_bounds_};
  engine_.start(request_);
}

/// Who had rows that did not fit; the first of them, or the number of ranks.
void Weighted::take_notes() {
  const auto& notes = engine_.executor().notes();
  num_overflowed_ = 0;
  for (size_t from = 0; from < notes.size(); ++from) {
    num_overflowed_ += (notes[from] & kOverflowed) != 0 ? 1 : 0;
    recv_rest_[from] = (notes[from] & kForReader) != 0 ? notes[from] >> kNoteShift : 0;
  }
}

void Weighted::finish() {
  take_notes();
  const auto& received = engine_.executor().received();
  for (size_t from = 0; from < received.size(); ++from) {
    received_[from] = received[from] / row_bytes_;
  }
  if (num_overflowed_ == 0) {
    return;
  }
  if (overflow_ == Overflow::kError) {
    const auto& notes = engine_.executor().notes();
    const auto first =
        std::find_if(notes.begin(), notes.end(), [](uint32_t note) { return (note & kOverflowed) != 0; });
    fail_overflow(static_cast<int>(first - notes.begin()));
  }
  rest_pending_ = overflow_ == Overflow::kRest;
}

void Weighted::fail_overflow(int rank) const {
  const int own = engine_.communicator().rank();
  const auto from = static_cast<size_t>(rank);
  const uint32_t note = engine_.executor().notes()[from];
  std::string text = "rank " + std::to_string(rank) + " has ";
  const auto beyond = [&](size_t rest, size_t peer, size_t capacity) {
    text += count_text(capacity + rest) + " for rank " + std::to_string(peer) + ", but the pair's capacity is " +
            std::to_string(capacity);
  };
  if (rank == own) {
    const auto peer = static_cast<size_t>(
        std::find_if(send_rest_.begin(), send_rest_.end(), [](size_t rest) { return rest > 0; }) - send_rest_.begin());
    beyond(send_rest_[peer], peer, send_capacities_[peer]);
  } else if ((note & kForReader) != 0) {
    beyond(recv_rest_[from], static_cast<size_t>(own), recv_capacities_[from]);
  } else {
    text += "more rows for rank " + std::to_string(note >> kNoteShift) + " than the pair's capacity";
  }
  if (num_overflowed_ > 1) {
    text += "; in all " + std::to_string(num_overflowed_) + " ranks have rows that do not fit";
  }
  throw Error(BANYAN_ERR_LIMIT, text +
                                    "; nothing was sent by it, start again with fewer rows, or choose what becomes of "
                                    "the others (overflow)");
}

void Weighted::rest(void* restbuf, const size_t* rdispls) {
  if (overflow_ != Overflow::kRest) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the request's overflow policy is not BANYAN_OVERFLOW_REST");
  }
  if (engine_.busy()) {
    throw Error(BANYAN_ERR_BUSY, "a request of this communicator is active; wait for it");
  }
  if (!rest_pending_) {
    return;
  }
  const size_t size = send_rest_.size();
  std::vector<size_t> send_bytes(size), send_offsets(size), recv_bytes(size), recv_offsets(size);
  size_t packed = 0;
  for (size_t peer = 0; peer < size; ++peer) {
    send_bytes[peer] = send_rest_[peer] * row_bytes_;
    send_offsets[peer] = request_.send_offsets[peer] + request_.send_bytes[peer];
    recv_bytes[peer] = bytes_of(recv_rest_[peer], row_bytes_, "rows that did not fit");
    recv_offsets[peer] = rdispls == nullptr ? packed : bytes_of(rdispls[peer], row_bytes_, "rdispls");
    if (!checked::add(recv_offsets[peer], recv_bytes[peer])) {
      throw Error(BANYAN_ERR_LIMIT, "rows that did not fit of rank " + std::to_string(peer) + " overflow size_t");
    }
    if (recv_bytes[peer] > 0 && restbuf == nullptr) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "restbuf is NULL, but rank " + std::to_string(peer) + " has " +
                                                   count_text(recv_rest_[peer]) + " more");
    }
    packed += recv_bytes[peer];
  }
  rest_pending_ = false;
  engine_.alltoallv(request_.exchange.sendbuf, restbuf, {send_bytes, send_offsets, recv_bytes, recv_offsets}, options_);
}

planner::Plan Weighted::plan() {
  if (matrix_.empty()) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "there is no plan of all capacities: with " +
                                              std::to_string(send_bounds_.size()) +
                                              " ranks each knows those of its own pairs only");
  }
  return engine_.plan({.block_bytes = 0, .matrix = matrix_}, {.algorithm = request_.planned->algorithm, .timeout_s = 0},
                      block_limit_);
}

}  // namespace banyan::coll
