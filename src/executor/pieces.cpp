// SPDX-License-Identifier: Apache-2.0
#include "executor/pieces.hpp"

#include <numeric>

#include "schedule/schedule.hpp"

namespace banyan::executor {
namespace {

/// Pieces of pairs in phases: all of a phase, then all of the next.
uint64_t by_phase(int phase, size_t chunk) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(phase)) << 32) | static_cast<uint32_t>(chunk);
}

/// Parts of a pair that are told apart when pairs advance in proportion.
constexpr size_t kShares = 256;

/// Where the middle of a piece is in its pair.
size_t share_of(size_t chunk, size_t count) { return (2 * chunk + 1) * kShares / (2 * count); }

/// By share, then by phase, of which there are fewer than 2^24, then by place in the pair.
uint64_t by_share(size_t share, int phase, size_t chunk) {
  return (static_cast<uint64_t>(share) << 52) | (static_cast<uint64_t>(static_cast<uint32_t>(phase)) << 28) |
         (chunk & 0xFFFFFFFU);
}

/// Pieces in which a pair travels: as large as they may be, but as many for each rail.
size_t num_pieces(const DirectPair& pair, const CompileOptions& options) {
  if (pair.phase < 0 || pair.bytes == 0) {
    return 1;
  }
  const size_t needed = options.chunk_bytes == 0 ? 1 : (pair.bytes - 1) / options.chunk_bytes + 1;
  const size_t rails = options.max_pieces;
  const size_t even = (needed + rails - 1) / rails * rails;
  const size_t most = std::max(needed, pair.bytes / std::max<size_t>(1, options.least_piece_bytes));
  return rails == 1 ? needed : std::clamp(even, size_t{1}, std::max<size_t>(1, most));
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
    : pair_(pair), count_(num_pieces(pair, options)), place_step_(options.place_step) {
  each_ = count_ == 1 ? pair.bytes : piece_bytes(pair.bytes, count_, options);
  // 0: the only piece. Else 1 to 127 in the low bits, which never are 0, and the rest above.
  constexpr size_t kLow = schedule::kMaxMessagesPerPair - 1;
  tag_ = count_ == 1 ? 0 : static_cast<int>((count_ / kLow) * schedule::kMaxMessagesPerPair + 1 + count_ % kLow);
}

DirectTransfer Pieces::piece(size_t number, uint64_t order) const {
  const size_t first = pair_.bytes - (count_ - 1) * each_;
  return {.peer = pair_.peer,
          .phase = pair_.phase,
          .order = order,
          .place = pair_.place + static_cast<int>(number) * place_step_,
          .tag = tag_,
          .offset = number == 0 ? 0 : first + (number - 1) * each_,
          .bytes = number == 0 ? first : each_};
}

void append_in_phases(std::vector<DirectTransfer>& transfers, const DirectPair& pair, const CompileOptions& options) {
  const Pieces pieces(pair, options);
  for (size_t i = 0; i < pieces.count(); ++i) {
    transfers.push_back(pieces.piece(i, by_phase(pair.phase, i)));
  }
}

/// A counting sort: pairs are in order of phase, so within a share pieces fall into place.
void ShareOrder::lay_out(std::span<const DirectPair> pairs, const CompileOptions& options,
                         std::vector<DirectTransfer>& transfers) {
  next_.assign(kShares + 1, 0);
  size_t total = 0;
  for (const DirectPair& pair : pairs) {
    const size_t count = Pieces(pair, options).count();
    for (size_t i = 0; i < count; ++i) {
      ++next_[share_of(i, count) + 1];
    }
    total += count;
  }
  std::partial_sum(next_.begin(), next_.end(), next_.begin());
  transfers.resize(total);
  for (const DirectPair& pair : pairs) {
    const Pieces pieces(pair, options);
    for (size_t i = 0; i < pieces.count(); ++i) {
      const size_t share = share_of(i, pieces.count());
      transfers[next_[share]++] = pieces.piece(i, by_share(share, pair.phase, i));
    }
  }
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
