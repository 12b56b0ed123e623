// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// The IR: which blocks travel in which messages over which ranks. It has no offsets and no sizes: the block (i, j) is
/// all that rank i sends to rank j, wherever it is on its way, so one schedule serves every size.
namespace banyan::schedule {

/// The data that rank `src` sends to rank `dst`. At src it lies in the send buffer, at dst it ends in the receive
/// buffer, anywhere else it lies in scratch memory.
struct Block {
  int src = 0;
  int dst = 0;

  bool operator==(const Block&) const = default;
  auto operator<=>(const Block&) const = default;
};

/// Mapped messages that lie in a receiver's memory at a time, of one sender; a slot is free again once the blocks have
/// been stored and forwarded.
inline constexpr size_t kMappedSlots = 4;
/// Messages from one rank to another in an exchange; more cannot be told apart.
inline constexpr size_t kMaxMessagesPerPair = 128;

/// How a message travels.
enum class Path : uint8_t {
  kMessage,  ///< send and receive through a transport
  kMapped,   ///< written into the receiver's mapped memory
};

/// One transfer. Sender and receiver hold the same message. Its payload is the blocks in this order, back to back.
struct Message {
  int step = 0;  ///< phase; a rank issues its sends in order of step, then of position
  int from = 0;
  int to = 0;
  Path path = Path::kMessage;
  bool self_describing = false;  ///< starts with a header that carries the size of each block (all-to-all-v)
  std::vector<Block> blocks;

  bool operator==(const Message&) const = default;
};

/// What one rank does. A send may be issued once all its blocks are at this rank. Receives are in the order in which
/// they are posted. The block (rank, rank) is copied locally and is in no message.
struct RankSchedule {
  int rank = 0;
  std::vector<Message> sends;
  std::vector<Message> receives;

  bool operator==(const RankSchedule&) const = default;
};

/// All ranks' parts: what tools verify, simulate and print. Each message appears once.
struct Schedule {
  std::string algorithm;  ///< name and parameters, e.g. "hierarchical(rail)"
  int num_ranks = 0;
  int window = 0;                 ///< kMessage sends a rank keeps in flight; 0: no limit
  std::vector<Message> messages;  ///< ordered by (step, from, position at from)

  bool operator==(const Schedule&) const = default;
};

/// Rank `rank`'s part: its sends in order and its receives ordered by (step, position in the schedule).
[[nodiscard]] RankSchedule part_of(const Schedule& schedule, int rank);

/// Joins the parts of all ranks (parts[r].rank == r). Error{INTERNAL} if a send has no equal receive or the reverse.
[[nodiscard]] Schedule join(const std::vector<RankSchedule>& parts, std::string algorithm, int window);

}  // namespace banyan::schedule
