// SPDX-License-Identifier: Apache-2.0
#include "schedule/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

namespace banyan::schedule {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr size_t kMaxNamed = 8;  // ranks or messages of a cycle that a problem names

std::string text_of(const Block& block) { return fmt::format("block {}->{}", block.src, block.dst); }

/// "message 4 (step 1, 2 -> 3)"; messages are numbered from 0 by their place in the schedule.
std::string text_of(const Schedule& schedule, size_t message) {
  const Message& m = schedule.messages[message];
  return fmt::format("message {} (step {}, {} -> {})", message, m.step, m.from, m.to);
}

/// One block in one message.
struct Move {
  Block block;
  size_t message = 0;
};

/// `waiting` can't be sent before `provider` has arrived.
struct Dependence {
  size_t provider = 0;
  size_t waiting = 0;
};

class Proof {
 public:
  Proof(const Schedule& schedule, const BlockSizes& sizes) : schedule_(schedule), sizes_(sizes) {}

  Verdict run() {
    Verdict verdict;
    if (check_numbers() && check_messages() && check_paths() && check_pairs() && check_termination()) {
      if (!scratch_bytes_.empty()) {
        verdict.peak_scratch_bytes = *std::max_element(scratch_bytes_.begin(), scratch_bytes_.end());
      }
    }
    verdict.problem = std::move(problem_);
    return verdict;
  }

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  [[nodiscard]] const Message& message_of(const Move& move) const { return schedule_.messages[move.message]; }
  [[nodiscard]] bool in_range(int rank) const { return rank >= 0 && rank < schedule_.num_ranks; }

  bool check_numbers() {
    if (schedule_.num_ranks < 1) {
      return fail(fmt::format("{} ranks; expected at least 1", schedule_.num_ranks));
    }
    if (schedule_.window < 0) {
      return fail(fmt::format("window {}; expected 0 (no limit) or more", schedule_.window));
    }
    if (!sizes_.bytes.empty()) {
      const auto n = static_cast<size_t>(schedule_.num_ranks);
      if (sizes_.num_ranks != schedule_.num_ranks || sizes_.bytes.size() != n * n) {
        return fail(fmt::format("{} sizes for {} ranks do not fit a schedule of {} ranks", sizes_.bytes.size(),
                                sizes_.num_ranks, schedule_.num_ranks));
      }
      scratch_bytes_.assign(n, 0);
    }
    return true;
  }

  bool check_messages() {
    size_t num_moves = 0;
    for (size_t k = 0; k < schedule_.messages.size(); ++k) {
      if (!check_message(k)) {
        return false;
      }
      num_moves += schedule_.messages[k].blocks.size();
    }
    moves_.reserve(num_moves);
    for (size_t k = 0; k < schedule_.messages.size(); ++k) {
      for (const Block& block : schedule_.messages[k].blocks) {
        moves_.push_back({block, k});
      }
    }
    return true;
  }

  bool check_message(size_t k) {
    const Message& message = schedule_.messages[k];
    if (!in_range(message.from) || !in_range(message.to)) {
      return fail(fmt::format("{} has a rank outside 0..{}", text_of(schedule_, k), schedule_.num_ranks - 1));
    }
    if (message.from == message.to) {
      return fail(text_of(schedule_, k) + " goes from a rank to itself");
    }
    if (message.step < 0) {
      return fail(text_of(schedule_, k) + " has a negative step");
    }
    if (message.blocks.empty() && !message.self_describing) {
      return fail(text_of(schedule_, k) + " carries no blocks");
    }
    if (k > 0) {
      const Message& before = schedule_.messages[k - 1];
      if (std::pair(message.step, message.from) < std::pair(before.step, before.from)) {
        return fail(text_of(schedule_, k) + " is out of order: it follows " + text_of(schedule_, k - 1));
      }
    }
    return std::all_of(message.blocks.begin(), message.blocks.end(),
                       [&](const Block& block) { return check_block(block, k); });
  }

  bool check_block(const Block& block, size_t message) {
    if (!in_range(block.src) || !in_range(block.dst)) {
      return fail(fmt::format("{} in {} has a rank outside 0..{}", text_of(block), text_of(schedule_, message),
                              schedule_.num_ranks - 1));
    }
    if (block.src == block.dst) {
      return fail(fmt::format("{} in {} is a rank's own, which is copied locally", text_of(block),
                              text_of(schedule_, message)));
    }
    return true;
  }

  /// Every block's moves, and that no block is left out.
  bool check_paths() {
    std::sort(moves_.begin(), moves_.end(),
              [](const Move& a, const Move& b) { return std::tie(a.block, a.message) < std::tie(b.block, b.message); });
    Block next{0, 0};  // the first block not accounted for yet
    for (size_t begin = 0; begin < moves_.size();) {
      const Block block = moves_[begin].block;
      if (!check_absent(next, block)) {
        return false;
      }
      size_t end = begin + 1;
      while (end < moves_.size() && moves_[end].block == block) {
        ++end;
      }
      if (!check_path(block, std::span(moves_).subspan(begin, end - begin))) {
        return false;
      }
      next = after(block);
      begin = end;
    }
    return check_absent(next, Block{schedule_.num_ranks, 0});
  }

  [[nodiscard]] Block after(const Block& block) const {
    return block.dst + 1 < schedule_.num_ranks ? Block{block.src, block.dst + 1} : Block{block.src + 1, 0};
  }

  /// Blocks of [begin, end) are in no message: they must be empty or a rank's own.
  bool check_absent(Block begin, const Block& end) {
    for (; begin < end; begin = after(begin)) {
      if (begin.src != begin.dst && (sizes_.bytes.empty() || sizes_.of(begin) != 0)) {
        return fail(fmt::format("{} never leaves rank {}: no message carries it", text_of(begin), begin.src));
      }
    }
    return true;
  }

  /// The moves of one block must be one path from its source to its destination.
  bool check_path(const Block& block, std::span<Move> moves) {
    if (!check_receivers(block, moves) || !check_senders(block, moves)) {
      return false;
    }
    // moves are ordered by sender now, and a rank sends at most once: follow the block from its source.
    int at = block.src;
    size_t length = 0;
    const Move* arrived_by = nullptr;
    while (const Move* move = find_sender(moves, at)) {
      if (arrived_by != nullptr) {
        dependences_.push_back({arrived_by->message, move->message});
        add_scratch(at, block);
      }
      arrived_by = move;
      at = message_of(*move).to;
      ++length;
    }
    if (length < moves.size()) {
      return fail_unreached(block, moves);
    }
    if (at != block.dst) {
      return fail(fmt::format("{} never reaches rank {}: it stays at rank {} after {}", text_of(block), block.dst, at,
                              text_of(schedule_, arrived_by->message)));
    }
    return true;
  }

  bool check_receivers(const Block& block, std::span<Move> moves) {
    for (const Move& move : moves) {
      if (message_of(move).to == block.src) {
        return fail(fmt::format("{} comes back to its source in {}", text_of(block), text_of(schedule_, move.message)));
      }
      if (message_of(move).from == block.dst) {
        return fail(fmt::format("{} leaves its destination in {}", text_of(block), text_of(schedule_, move.message)));
      }
    }
    std::sort(moves.begin(), moves.end(), [&](const Move& a, const Move& b) {
      return std::pair(message_of(a).to, a.message) < std::pair(message_of(b).to, b.message);
    });
    for (size_t k = 1; k < moves.size(); ++k) {
      if (message_of(moves[k]).to == message_of(moves[k - 1]).to) {
        return fail(fmt::format("{} reaches rank {} twice (messages {} and {})", text_of(block),
                                message_of(moves[k]).to, moves[k - 1].message, moves[k].message));
      }
    }
    return true;
  }

  bool check_senders(const Block& block, std::span<Move> moves) {
    std::sort(moves.begin(), moves.end(), [&](const Move& a, const Move& b) {
      return std::pair(message_of(a).from, a.message) < std::pair(message_of(b).from, b.message);
    });
    for (size_t k = 1; k < moves.size(); ++k) {
      if (message_of(moves[k]).from == message_of(moves[k - 1]).from) {
        return fail(fmt::format("rank {} sends {} twice (messages {} and {})", message_of(moves[k]).from,
                                text_of(block), moves[k - 1].message, moves[k].message));
      }
    }
    return true;
  }

  /// The move that `rank` sends, or nullptr; `moves` are ordered by sender.
  [[nodiscard]] const Move* find_sender(std::span<const Move> moves, int rank) const {
    const auto found = std::lower_bound(moves.begin(), moves.end(), rank,
                                        [&](const Move& move, int value) { return message_of(move).from < value; });
    return found != moves.end() && message_of(*found).from == rank ? &*found : nullptr;
  }

  /// Some moves aren't on the path from the source: their sender never has the block, or they are a ring.
  bool fail_unreached(const Block& block, std::span<const Move> moves) {
    std::vector<int> receivers;
    for (const Move& move : moves) {
      receivers.push_back(message_of(move).to);
    }
    std::sort(receivers.begin(), receivers.end());
    for (const Move& move : moves) {
      const int from = message_of(move).from;
      if (from != block.src && !std::binary_search(receivers.begin(), receivers.end(), from)) {
        return fail(fmt::format("rank {} never has {}, which it sends in {}", from, text_of(block),
                                text_of(schedule_, move.message)));
      }
    }
    // What is left over beside the path from the source are rings, whose ranks wait for each other.
    std::vector<bool> on_path(moves.size(), false);
    for (const Move* move = find_sender(moves, block.src); move != nullptr;
         move = find_sender(moves, message_of(*move).to)) {
      on_path[static_cast<size_t>(move - moves.data())] = true;
    }
    const auto first = std::find(on_path.begin(), on_path.end(), false) - on_path.begin();
    const Move* const start = &moves[static_cast<size_t>(first)];
    std::string ring = std::to_string(message_of(*start).from);
    const Move* move = start;
    size_t length = 0;
    do {
      ring += ++length < kMaxNamed ? " -> " + std::to_string(message_of(*move).to) : "";
      move = find_sender(moves, message_of(*move).to);
    } while (move != start);
    ring += length >= kMaxNamed ? fmt::format(" -> ... ({} ranks)", length) : "";
    return fail(fmt::format("deadlock: {} goes round {} and none of these ranks ever has it", text_of(block), ring));
  }

  /// The messages of each pair: that they are not too many, and how mapped ones wait for each other.
  bool check_pairs() {
    std::vector<size_t> order(schedule_.messages.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto pair_of = [&](size_t k) { return std::pair(schedule_.messages[k].from, schedule_.messages[k].to); };
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return pair_of(a) < pair_of(b); });
    // By message: the mapped message that needs its slot.
    std::vector<size_t> next_in_slot(order.size(), kNone);
    std::vector<size_t> mapped;
    for (size_t begin = 0, k = 0; k < order.size(); ++k) {
      if (pair_of(order[k]) != pair_of(order[begin])) {
        begin = k;
        mapped.clear();
      }
      if (k - begin >= kMaxMessagesPerPair) {
        return fail(fmt::format("{} is more than {} messages from rank {} to rank {}", text_of(schedule_, order[k]),
                                kMaxMessagesPerPair, pair_of(order[k]).first, pair_of(order[k]).second));
      }
      if (schedule_.messages[order[k]].path == Path::kMapped) {
        if (!mapped.empty()) {
          dependences_.push_back({mapped.back(), order[k]});  // slots are filled in order
        }
        if (mapped.size() >= kMappedSlots) {
          next_in_slot[mapped[mapped.size() - kMappedSlots]] = order[k];
        }
        mapped.push_back(order[k]);
      }
    }
    // A slot is held until what it brought has been forwarded.
    const size_t num_dependences = dependences_.size();
    for (size_t d = 0; d < num_dependences; ++d) {
      const auto [provider, waiting] = dependences_[d];
      if (next_in_slot[provider] != kNone) {
        dependences_.push_back({waiting, next_in_slot[provider]});
      }
    }
    return true;
  }

  void add_scratch(int rank, const Block& block) {
    if (!sizes_.bytes.empty()) {
      uint64_t& sum = scratch_bytes_[static_cast<size_t>(rank)];
      if (__builtin_add_overflow(sum, sizes_.of(block), &sum)) {
        sum = std::numeric_limits<uint64_t>::max();
      }
    }
  }

  /// Runs the data flow to its fixpoint. What a rank has only grows, slots that were freed stay so for who needs them,
  /// and a message in flight always completes (its receive is posted, so the window always opens again), so every
  /// timing reaches the same fixpoint and one order proves all.
  bool check_termination() {
    const size_t num_messages = schedule_.messages.size();
    std::sort(dependences_.begin(), dependences_.end(),
              [](const Dependence& a, const Dependence& b) { return a.provider < b.provider; });
    std::vector<size_t> missing(num_messages, 0);
    std::vector<size_t> first(num_messages + 1, 0);  // of each provider's dependences
    for (const Dependence& d : dependences_) {
      ++missing[d.waiting];
      ++first[d.provider + 1];
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<size_t> ready;
    for (size_t k = 0; k < num_messages; ++k) {
      if (missing[k] == 0) {
        ready.push_back(k);
      }
    }
    size_t num_completed = 0;
    for (; !ready.empty(); ++num_completed) {
      const size_t message = ready.back();
      ready.pop_back();
      for (size_t k = first[message]; k < first[message + 1]; ++k) {
        if (--missing[dependences_[k].waiting] == 0) {
          ready.push_back(dependences_[k].waiting);
        }
      }
    }
    return num_completed == num_messages || fail_cycle(missing);
  }

  /// Names a cycle of messages that wait for each other; `missing[m]` is not zero for messages that never complete.
  bool fail_cycle(const std::vector<size_t>& missing) {
    std::vector<size_t> waits_for(missing.size(), kNone);
    for (const Dependence& d : dependences_) {
      if (missing[d.waiting] != 0 && missing[d.provider] != 0) {
        waits_for[d.waiting] = d.provider;
      }
    }
    const auto stuck = std::find_if(missing.begin(), missing.end(), [](size_t count) { return count != 0; });
    auto message = static_cast<size_t>(stuck - missing.begin());
    for (size_t k = 0; k < missing.size(); ++k) {
      message = waits_for[message];  // after as many steps as there are messages we are on a cycle
    }
    std::string cycle = text_of(schedule_, message);
    const size_t start = message;
    size_t length = 0;
    do {
      message = waits_for[message];
      cycle += ++length < kMaxNamed ? " waits for " + text_of(schedule_, message) : "";
    } while (message != start);
    cycle += length >= kMaxNamed ? fmt::format(" waits for ... ({} messages)", length) : "";
    return fail("deadlock: " + cycle);
  }

  const Schedule& schedule_;
  const BlockSizes& sizes_;
  std::string problem_;
  std::vector<Move> moves_;
  std::vector<Dependence> dependences_;
  std::vector<uint64_t> scratch_bytes_;  // by rank
};

}  // namespace

Verdict verify(const Schedule& schedule, const BlockSizes& sizes) { return Proof(schedule, sizes).run(); }

}  // namespace banyan::schedule
