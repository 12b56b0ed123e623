// SPDX-License-Identifier: Apache-2.0
#include "executor/pieces.hpp"

#include <limits>
#include <new>
#include <numeric>

namespace banyan::executor {
namespace {

/// Pieces of pairs in phases: all of a phase, then all of the next.
uint64_t by_phase(int phase, uint32_t chunk) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(phase)) << 32) | chunk;
}

constexpr size_t kMostPieces = std::numeric_limits<int32_t>::max();

/// Tells `at` how much of its pair is before the middle of each piece, in order: floor((2 i + 1) shares / (2 count)).
template <uint32_t shares, class At>
void for_each_share(uint32_t count, At at) {
  const uint32_t step = shares / count;
  const uint32_t step_rest = shares % count;
  uint32_t share = shares / 2 / count;
  uint32_t rest = shares / 2 % count;
  for (uint32_t i = 0; i < count; ++i) {
    at(share);
    rest += step_rest;
    const uint32_t carry = rest >= count ? 1 : 0;
    rest -= carry * count;
    share += step + carry;
  }
}

/// Most divisions are of small numbers, which processors are several times faster at.
size_t divide(size_t a, size_t b) {
  return ((a | b) >> 32) == 0 ? static_cast<uint32_t>(a) / static_cast<uint32_t>(b) : a / b;
}

/// Pieces in which a pair travels: as large as they may be, but as many for each rail.
size_t num_pieces(const DirectPair& pair, const CompileOptions& options) {
  if (pair.phase < 0 || pair.bytes == 0) {
    return 1;
  }
  const size_t needed = options.chunk_bytes == 0 ? 1 : divide(pair.bytes - 1, options.chunk_bytes) + 1;
  const size_t rails = options.max_pieces;
  if (rails == 1) {
    return needed;
  }
  const size_t even = (needed + rails - 1) / rails * rails;
  const size_t most = std::max(needed, pair.bytes / std::max<size_t>(1, options.least_piece_bytes));
  return std::clamp(even, size_t{1}, std::max<size_t>(1, most));
}

/// All pieces but the first. Over several rails they are about equal, in whole cache lines.
size_t piece_bytes(size_t bytes, size_t count, const CompileOptions& options) {
  if (options.max_pieces == 1) {
    return options.chunk_bytes;
  }
  const size_t even = bytes / count;
  constexpr size_t kLine = schedule::kStagingAlignment;
  return even >= kLine ? even / kLine * kLine : even;
}

}  // namespace

Pieces::Pieces(const DirectPair& pair, const CompileOptions& options)
    : peer_(pair.peer), phase_(pair.phase), place_(pair.place), place_step_(options.place_step) {
  const size_t count = num_pieces(pair, options);
  if (count > kMostPieces) {
    throw std::bad_alloc();
  }
  count_ = static_cast<uint32_t>(count);
  each_ = count == 1 ? pair.bytes : piece_bytes(pair.bytes, count, options);
  first_ = pair.bytes - (count - 1) * each_;
  // 0: the only piece. Else 1 to 127 in the low bits, which never are 0, and the rest above.
  constexpr auto kLow = static_cast<uint32_t>(schedule::kMaxMessagesPerPair - 1);
  tag_ = count_ == 1 ? 0 : tag_bits((count_ / kLow) * (kLow + 1) + 1 + count_ % kLow);
}

void append_in_phases(std::vector<DirectTransfer>& transfers, const DirectPair& pair, const CompileOptions& options) {
  const Pieces pieces(pair, options);
  for (uint32_t i = 0; i < pieces.count(); ++i) {
    pieces.describe(i, by_phase(pair.phase, i), transfers.emplace_back());
  }
}

/// Counts the pieces of each share, and sets end_ to where they begin.
void ShareOrder::count() {
  constexpr uint32_t kCommon = 256;
  std::array<uint32_t, kCommon> pairs_of{};  // by pieces of a pair: most have few, so they are counted together
  std::array<uint32_t, kShares> pieces_of{};
  const auto add = [&pieces_of](uint32_t count, uint32_t pairs) {
    for_each_share<kShares>(count, [&](uint32_t share) { pieces_of[share] += pairs; });
  };
  for (const Pieces& pieces : pieces_) {
    if (pieces.count() < kCommon) {
      ++pairs_of[pieces.count()];
    } else {
      add(pieces.count(), 1);
    }
  }
  for (uint32_t count = 1; count < kCommon; ++count) {
    if (pairs_of[count] > 0) {
      add(count, pairs_of[count]);
    }
  }
  std::exclusive_scan(pieces_of.begin(), pieces_of.end(), end_.begin(), uint32_t{0});
}

/// A counting sort: pairs are in order of phase, so within a share pieces fall into place.
size_t ShareOrder::arrange(std::span<const DirectPair> pairs, const CompileOptions& options) {
  share_ = 0;
  next_piece_ = 0;
  if (pairs.empty()) {
    return 0;
  }
  pieces_.clear();
  size_t total = 0;
  for (const DirectPair& pair : pairs) {
    total += pieces_.emplace_back(pair, options).count();
  }
  if (total > kMostPieces) {
    throw std::bad_alloc();
  }
  count();
  entries_.resize(total);
  Entry* const entries = entries_.data();
  for (uint32_t pair = 0; pair < pieces_.size(); ++pair) {
    uint32_t piece = 0;
    for_each_share<kShares>(pieces_[pair].count(), [&](uint32_t share) { entries[end_[share]++] = {pair, piece++}; });
  }
  return total;
}

Cut cut_message(size_t total, size_t header, size_t most, size_t least_bytes) noexcept {
  const size_t wanted = std::clamp<size_t>(total / std::max<size_t>(1, least_bytes), 1, most);
  const size_t first = std::max((total + wanted - 1) / wanted, header);
  if (wanted == 1 || first >= total) {
    return {.total = total, .count = 1, .first = total, .each = 0};
  }
  const size_t rest = total - first;
  const size_t each = (rest + wanted - 2) / (wanted - 1);
  return {.total = total, .count = 1 + (rest + each - 1) / each, .first = first, .each = each};
}

}  // namespace banyan::executor
