// SPDX-License-Identifier: Apache-2.0
#include "row_check.hpp"

#include <algorithm>

namespace banyan::moe::testing {

std::byte scale_byte(size_t rank, size_t token, size_t position) {
  return static_cast<std::byte>(rank * 37 + token * 11 + position * 3 + 1);
}

/// A chunk while it is checked.
struct RowCheck::Chunk {
  size_t number;
  const Handle::Chunk& handle;
  const std::vector<std::byte>& rows;
  const std::vector<std::byte>& row_scales;
  std::vector<char> seen;      ///< by row: whether a token's
  std::vector<size_t> counts;  ///< by local expert: its rows so far
  size_t flat = 0;             ///< rows of the flat layout so far
};

void RowCheck::expect(bool right, const std::string& text) {
  complaints_.expect(right, "rank " + std::to_string(rank_) + ": " + text);
}

void RowCheck::check(size_t number, const Handle::Chunk& handle, const std::vector<std::byte>& rows,
                     const std::vector<std::byte>& row_scales) {
  Chunk chunk{number, handle, rows, row_scales, std::vector<char>(handle.layout.rows), {}};
  chunk.counts.resize(group_.map().experts_of(static_cast<int>(rank_)).size());
  for (size_t source = 0; source < job_.size(); ++source) {
    check_tokens(chunk, source);
  }
  expect(chunk.counts == handle.layout.expert_counts, "expert counts");
  check_slots(handle);
  for (size_t row = 0; row < chunk.seen.size(); ++row) {
    const std::byte* data = rows.data() + row * row_bytes_;
    expect(chunk.seen[row] != 0 || std::all_of(data, data + row_bytes_, [](std::byte b) { return b == std::byte{0}; }),
           "unused row " + std::to_string(row) + " is not zero");
  }
}

/// Those of a source rank in the chunk.
void RowCheck::check_tokens(Chunk& chunk, size_t source) {
  const auto values = token_values(job_, source);
  const auto& layout = chunk.handle.layout;
  const size_t all = job_.tokens[source];
  const size_t last = all * (chunk.number + 1) / job_.num_chunks;
  std::vector<size_t> in_slots(chunk.counts.size());
  size_t tokens_here = 0;
  for (size_t token = all * chunk.number / job_.num_chunks; token < last; ++token) {
    size_t rows_here = 0;
    for (const Pick& pick : routings_[source].of(token)) {
      if (pick.rank != static_cast<int>(rank_)) {
        continue;
      }
      const auto expert = static_cast<size_t>(pick.local_expert);
      ++chunk.counts[expert];
      size_t place = 0;
      if (job_.layout == LayoutKind::kExpertMajor) {
        place = capacity_ && job_.scope == CapacityScope::kPerRank
                    ? layout.expert_begin[expert] + source * *capacity_ + in_slots[expert]
                    : layout.expert_begin[expert] + chunk.counts[expert] - 1;
        ++in_slots[expert];
      } else if (job_.dedup == Dedup::kNone || rows_here == 0) {
        place = job_.layout == LayoutKind::kFlat ? chunk.flat++ : source * job_.most_tokens() + tokens_here++;
      } else {
        continue;
      }
      ++rows_here;
      check_row(chunk, place, source, token, values);
    }
  }
}

void RowCheck::check_row(Chunk& chunk, size_t place, size_t source, size_t token, const std::vector<float>& values) {
  const std::string where =
      "row " + std::to_string(place) + ", token " + std::to_string(token) + " of rank " + std::to_string(source);
  const auto got = loaded(job_.dtype, chunk.rows.data() + place * row_bytes_, job_.hidden);
  expect(std::equal(got.begin(), got.end(), values.begin() + static_cast<std::ptrdiff_t>(token * job_.hidden)), where);
  for (size_t at = 0; at < job_.scale_bytes; ++at) {
    expect(chunk.row_scales[place * job_.scale_bytes + at] == scale_byte(source, token, at), where + ": scales");
  }
  chunk.seen[place] = 1;
}

/// Experts have as many rows as their slots, in steps of the alignment.
void RowCheck::check_slots(const Handle::Chunk& chunk) {
  if (!capacity_ || job_.layout != LayoutKind::kExpertMajor) {
    return;
  }
  const size_t slots = *capacity_ * (job_.scope == CapacityScope::kGlobal ? 1 : job_.size());
  const size_t rows = (slots + job_.alignment - 1) / job_.alignment * job_.alignment;
  for (size_t expert = 0; expert < chunk.layout.expert_counts.size(); ++expert) {
    expect(chunk.layout.expert_begin[expert + 1] - chunk.layout.expert_begin[expert] == rows, "slots");
  }
}

}  // namespace banyan::moe::testing
