// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "base/error.hpp"
#include "bootstrap/channel.hpp"

/// The ranks of a job connected to rank 0, the root: the shape of both the TCP bootstrap and the control plane.
namespace banyan::bootstrap {

/// Types of the frames of a star; the control plane's begin at 16.
enum class StarFrame : uint16_t {
  kWelcome = 1,       ///< root to rank: all ranks have come
  kFailure = 2,       ///< root to rank: the star failed; u32 status, text
  kContribution = 3,  ///< rank to root: opens an allgather; u64 bytes, u32 milliseconds the rank will wait
  kResult = 4,        ///< root to rank: opens the result of an allgather; u64 bytes of all ranks together
  kData = 5,          ///< either way: a piece of the bytes announced
};

/// Who takes part in a star and what admits to it.
struct StarTicket {
  Secret secret;
  JobId job_id{};
  int rank = 0;
  int size = 0;
  std::string purpose;   ///< for texts: "bootstrap", "control plane"
  double silence_s = 0;  ///< as set_connection_options'
};

/// Hostile peers may hold this much of the root (docs/bootstrap.md).
inline constexpr size_t kMaxPending = 64;
inline constexpr double kHandshakeLimitS = 5.0;
inline constexpr size_t kMaxPendingBytes = 4096;

/// Channels by rank; the own rank's entry is empty.
using StarChannels = std::vector<std::optional<Channel>>;

/// Rank 0: accepts and authenticates ranks 1 to size-1, tells them when all have come, and closes the listener.
/// Strangers are dropped without harm. Throws, after telling every rank that came: TIMEOUT naming the ranks that never
/// came, AUTH when they came without the secret, MISMATCH (size, version, duplicate rank), PEER_FAILED.
[[nodiscard]] StarChannels accept_star(Fd listener, const StarTicket& ticket, Deadline deadline);

/// Other ranks: connects to the first of `roots` that proves to be this job's root, trying until the deadline, and
/// waits until all ranks have come. `from` is the local address to use. Throws what the root says, or TIMEOUT, AUTH.
[[nodiscard]] Channel join_star(const std::vector<SocketAddress>& roots, const StarTicket& ticket,
                                const std::optional<SocketAddress>& from, Deadline deadline);

/// Sends the failure to every open channel, bounded in time.
void tell_failure(StarChannels& channels, const Error& failure) noexcept;
[[nodiscard]] Error read_failure(Bytes payload);

/// The deadline minus the time the root needs to tell the ranks why, so that its text arrives before they give up.
[[nodiscard]] Deadline answer_deadline(Deadline deadline);
[[nodiscard]] inline Deadline earlier(Deadline a, Deadline b) { return a.remaining_s() < b.remaining_s() ? a : b; }

/// "rank 3" or "ranks 3, 5, 7", at most 16 of them spelled out.
[[nodiscard]] std::string name_ranks(const std::vector<int>& ranks);
/// "60 s", "0.25 s".
[[nodiscard]] std::string name_seconds(double seconds);

}  // namespace banyan::bootstrap
