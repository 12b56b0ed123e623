// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "bootstrap/secret.hpp"
#include "bootstrap/wire.hpp"

/// Mutual challenge-response between a rank and the root of a star. Pure state machines over bytes; docs/bootstrap.md
/// has the messages. Both MACs are keyed BLAKE2b-256 over everything said so far, hence bound to protocol version, job
/// id, rank, size and both nonces, with a label per direction so that nothing can be reflected. The layout of these
/// messages never changes: the version inside them says what follows, so that versions can reject each other by name.
namespace banyan::bootstrap {

/// Version of everything that follows the handshake.
inline constexpr uint16_t kProtocolVersion = 1;

inline constexpr size_t kHelloBytes = 72;
inline constexpr size_t kChallengeBytes = 84;
inline constexpr size_t kProofBytes = 32;
inline constexpr size_t kNonceBytes = 32;

/// What a rank says of itself; the root believes it once the proof is right.
struct Claim {
  uint16_t version = kProtocolVersion;
  uint32_t rank = 0;
  uint32_t size = 0;
  uint32_t patience_ms = 0;  ///< how long the rank will still wait for the star to be complete

  bool operator==(const Claim&) const = default;
};

/// Keys of one connection, one for each direction. Wiped when destroyed.
struct SessionKeys {
  std::array<unsigned char, 32> to_root{};
  std::array<unsigned char, 32> from_root{};

  SessionKeys() noexcept = default;
  SessionKeys(const SessionKeys&) noexcept = default;
  SessionKeys& operator=(const SessionKeys&) noexcept = default;
  ~SessionKeys() {
    wipe(to_root);
    wipe(from_root);
  }
};

/// The rank's side: send hello(), give the root's answer to answer(), send what it returns.
class RankHandshake {
 public:
  RankHandshake(const Secret& secret, const JobId& job_id, const Claim& claim);

  [[nodiscard]] const std::array<unsigned char, kHelloBytes>& hello() const noexcept { return hello_; }
  /// Checks the root's proof. nullopt if the root does not know the secret or the bytes are no challenge.
  [[nodiscard]] std::optional<std::array<unsigned char, kProofBytes>> answer(Bytes challenge);
  /// Valid after answer() succeeded.
  [[nodiscard]] const SessionKeys& keys() const noexcept { return keys_; }

 private:
  Secret secret_;
  std::array<unsigned char, kHelloBytes> hello_;
  SessionKeys keys_;
};

/// The root's side: give the hello to challenge(), send what it returns, give the proof to verify().
class RootHandshake {
 public:
  RootHandshake(const Secret& secret, const JobId& job_id) : secret_(secret), job_id_(job_id) {}

  /// nullopt if the bytes are no hello of this job.
  [[nodiscard]] std::optional<std::array<unsigned char, kChallengeBytes>> challenge(Bytes hello);
  [[nodiscard]] bool verify(Bytes proof);
  /// What the peer claims; proven only after verify().
  [[nodiscard]] const Claim& claim() const noexcept { return claim_; }
  [[nodiscard]] const SessionKeys& keys() const noexcept { return keys_; }

 private:
  Secret secret_;
  JobId job_id_;
  Claim claim_;
  std::array<unsigned char, kHelloBytes> hello_{};
  std::array<unsigned char, kChallengeBytes> challenge_{};
  SessionKeys keys_;
};

}  // namespace banyan::bootstrap
