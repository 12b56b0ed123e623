// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/metadata.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace banyan::moe {
namespace {

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}

  template <typename Number>
  void put(Number number) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&number);
    out_.insert(out_.end(), bytes, bytes + sizeof number);
  }
  void put(std::span<const uint8_t> bytes) {
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    out_.insert(out_.end(), data, data + bytes.size());
  }

 private:
  std::vector<std::byte>& out_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> data) : data_(data) {}

  template <typename Number>
  Number take() {
    Number number;
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }
  std::span<const std::byte> take(size_t bytes) {
    BANYAN_CHECK(bytes <= data_.size(), "metadata end early");
    const auto taken = data_.first(bytes);
    data_ = data_.subspan(bytes);
    return taken;
  }
  [[nodiscard]] bool at_end() const { return data_.empty(); }

 private:
  std::span<const std::byte> data_;
};

/// The rows that ranks hold at a rung, by rank, while the tokens are walked.
struct HeldRows {
  std::vector<std::vector<uint32_t>> piece_rows;  ///< by rank and piece
  std::vector<std::vector<uint8_t>> masks;        ///< by rank
};

HeldRows hold_rows(const Ladder& ladder, size_t rung, const Routing& routing, int source, size_t num_pieces) {
  const auto num_ranks = static_cast<size_t>(ladder.hosts().num_ranks());
  HeldRows rows{std::vector(num_ranks, std::vector<uint32_t>(num_pieces)),
                std::vector<std::vector<uint8_t>>(num_ranks)};
  std::vector<int> holders(num_ranks);
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    holders[rank] = ladder.holder(rung, source, static_cast<int>(rank));
  }
  std::vector<size_t> last_token(num_ranks, SIZE_MAX);
  for (size_t piece = 0; piece < num_pieces; ++piece) {
    const size_t end = chunk_start(routing.num_tokens(), piece + 1, num_pieces);
    for (size_t token = chunk_start(routing.num_tokens(), piece, num_pieces); token < end; ++token) {
      for (const Pick& pick : routing.of(token)) {
        const int holder = holders[static_cast<size_t>(pick.rank)];
        const auto at = static_cast<size_t>(holder);
        const size_t bytes = mask_bytes(ladder, rung, holder);
        auto& masks = rows.masks[at];
        if (last_token[at] != token) {
          last_token[at] = token;
          masks.resize(masks.size() + bytes);
          ++rows.piece_rows[at][piece];
        }
        const auto child = static_cast<size_t>(ladder.child_of(rung, pick.rank));
        masks[masks.size() - bytes + child / 8] |= static_cast<uint8_t>(1U << (child % 8));
      }
    }
  }
  return rows;
}

/// The rows that ranks want, by rank.
struct WantedRows {
  std::vector<std::vector<uint32_t>> piece_rows;
  std::vector<std::vector<uint16_t>> counts;    ///< picks of each row
  std::vector<std::vector<const Pick*>> picks;  ///< borrowed from the routing
};

WantedRows want_rows(const Routing& routing, const MetadataRules& rules, size_t num_ranks) {
  const size_t num_pieces = rules.num_pieces();
  WantedRows rows{std::vector(num_ranks, std::vector<uint32_t>(num_pieces)),
                  std::vector<std::vector<uint16_t>>(num_ranks), std::vector<std::vector<const Pick*>>(num_ranks)};
  for (size_t piece = 0; piece < num_pieces; ++piece) {
    const size_t end = chunk_start(routing.num_tokens(), piece + 1, num_pieces);
    for (size_t token = chunk_start(routing.num_tokens(), piece, num_pieces); token < end; ++token) {
      int last = -1;
      for (const Pick& pick : routing.of(token)) {
        const auto at = static_cast<size_t>(pick.rank);
        if (pick.rank != last || rules.dedup == Dedup::kNone) {
          rows.counts[at].push_back(0);
          ++rows.piece_rows[at][piece];
        }
        last = pick.rank;
        ++rows.counts[at].back();
        rows.picks[at].push_back(&pick);
      }
    }
  }
  return rows;
}

void put_wanted(Writer& out, const WantedRows& rows, size_t rank, const MetadataRules& rules, bool weighted) {
  for (const uint32_t count : rows.piece_rows[rank]) {
    out.put(count);
  }
  for (const uint16_t count : rows.counts[rank]) {
    if (rules.top_k < 256) {
      out.put(static_cast<uint8_t>(count));
    } else {
      out.put(count);
    }
  }
  for (const Pick* pick : rows.picks[rank]) {
    out.put(static_cast<uint16_t>(pick->local_expert));
  }
  if (weighted) {
    for (const Pick* pick : rows.picks[rank]) {
      out.put(pick->weight);
    }
  }
}

std::vector<uint32_t> take_pieces(Reader& in, size_t num_pieces) {
  std::vector<uint32_t> begin(num_pieces + 1);
  for (size_t piece = 0; piece < num_pieces; ++piece) {
    begin[piece + 1] = begin[piece] + in.take<uint32_t>();
  }
  return begin;
}

}  // namespace

size_t mask_bytes(const Ladder& ladder, size_t rung, int rank) { return (ladder.children(rung, rank).size() + 7) / 8; }

std::vector<std::byte> write_metadata(const Ladder& ladder, const MetadataRules& rules, const Routing& routing,
                                      int source, bool weighted, std::span<size_t> bytes) {
  std::vector<HeldRows> held;
  for (size_t rung = 0; rung + 1 < ladder.height(); ++rung) {
    held.push_back(hold_rows(ladder, rung, routing, source, rules.num_pieces()));
  }
  const WantedRows wanted = want_rows(routing, rules, bytes.size());
  std::vector<std::byte> out;
  Writer writer(out);
  for (size_t rank = 0; rank < bytes.size(); ++rank) {
    const size_t before = out.size();
    for (size_t rung = 0; rung < held.size(); ++rung) {
      if (ladder.holder(rung, source, static_cast<int>(rank)) != static_cast<int>(rank)) {
        continue;
      }
      for (const uint32_t count : held[rung].piece_rows[rank]) {
        writer.put(count);
      }
      writer.put(std::span<const uint8_t>(held[rung].masks[rank]));
    }
    put_wanted(writer, wanted, rank, rules, weighted);
    bytes[rank] = out.size() - before;
  }
  return out;
}

PairRows read_metadata(const Ladder& ladder, const MetadataRules& rules, int source, int rank, bool weighted,
                       std::span<const std::byte> data) {
  Reader in(data);
  PairRows rows;
  for (size_t rung = 0; rung + 1 < ladder.height(); ++rung) {
    PairRows::Held& held = rows.held.emplace_back();
    held.piece_begin.assign(rules.num_pieces() + 1, 0);
    if (ladder.holder(rung, source, rank) == rank) {
      held.piece_begin = take_pieces(in, rules.num_pieces());
      const auto masks = in.take(held.piece_begin.back() * mask_bytes(ladder, rung, rank));
      const auto* first = reinterpret_cast<const uint8_t*>(masks.data());
      held.masks.assign(first, first + masks.size());
    }
  }
  rows.piece_begin = take_pieces(in, rules.num_pieces());
  rows.pick_begin.push_back(0);
  for (uint32_t row = 0; row < rows.piece_begin.back(); ++row) {
    const uint32_t count = rules.top_k < 256 ? in.take<uint8_t>() : in.take<uint16_t>();
    rows.pick_begin.push_back(rows.pick_begin.back() + count);
  }
  const size_t num_picks = rows.pick_begin.back();
  rows.local_experts.resize(num_picks);
  const auto experts = in.take(num_picks * sizeof(uint16_t));
  rows.weights.assign(num_picks, 1.0F);
  const auto weights = in.take(weighted ? num_picks * sizeof(float) : 0);
  if (num_picks > 0) {
    std::memcpy(rows.local_experts.data(), experts.data(), experts.size());
    std::memcpy(rows.weights.data(), weights.data(), weights.size());
  }
  BANYAN_CHECK(in.at_end() || rules.padded, "metadata go on");
  return rows;
}

}  // namespace banyan::moe
